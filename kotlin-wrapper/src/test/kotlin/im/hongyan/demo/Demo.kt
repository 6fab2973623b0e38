// SPDX-License-Identifier: Apache-2.0
package im.hongyan.demo

import im.hongyan.harness.ServerProcess
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.runBlocking
import kotlin.system.exitProcess

/** Three people talk over a real server, which is killed in the middle of it. What they see is checked as it comes. */
fun main() {
    // One thread for everything, as an app has its main thread.
    val end = runCatching { ServerProcess.start().use { server -> runBlocking { play(server) } } }
    end.exceptionOrNull()?.let { failure ->
        println("demo: failed: ${failure.message}")
        exitProcess(1)
    }
    println("\ndemo: ok")
}

private suspend fun play(server: ServerProcess) =
    coroutineScope {
        val people = listOf("alice", "bob", "carol").mapIndexed { column, name -> Person(name, server, Screen(column), this) }
        try {
            val (alice, bob) = people
            chapter("1 · Three people log in")
            people.forEach { it.logIn() }
            oneToOne(alice, bob)
            groupOfThree(people)
            crash(people, server)
            newLaptop(bob, alice, server, this)
        } finally {
            people.forEach { it.close() }
        }
    }
