// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.Device
import im.hongyan.harness.Heard
import im.hongyan.harness.OnServer
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.numbered
import im.hongyan.harness.within
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotSame
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** The SDK's threads are made known to the virtual machine once, and do not keep it from ending. */
class ThreadsTest : OnServer() {
    private class OnMessages(
        val threads: Heard<Thread>,
    ) : AdvancedMsgListener {
        override fun onRecvNewMessage(messages: List<Message>) = threads.note(Thread.currentThread())
    }

    /** The threads on which a device is told of messages. */
    private fun threadsOf(device: Device): Heard<Thread> {
        val threads = Heard<Thread>()
        device.client.messages.addAdvancedMsgListener(OnMessages(threads))
        return threads
    }

    private fun isListed(thread: Thread) = thread in Thread.getAllStackTraces().keys

    @Test
    fun `all events of a client come on one thread, a daemon that stays`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val threads = listOf(alice, bob).map { threadsOf(it) }
            numbered(COUNT).forEachIndexed { index, text ->
                alice.send(text, c2c(bob.user))
                bob.send(text, c2c(alice.user))
                listOf(alice, bob).forEach { it.messages.awaitTexts(index + 1) }
            }
            val (ofAlice, ofBob) =
                threads.map { heard ->
                    val all = heard.await("all calls") { it.takeIf { it.size >= COUNT } }
                    all.forEach { assertSame(all.first(), it, "the thread was made known anew") }
                    all.first()
                }
            assertNotSame(ofAlice, ofBob)
            listOf(ofAlice, ofBob).forEach { thread ->
                assertTrue(thread.isDaemon && thread.isAlive && isListed(thread), "$thread")
                assertEquals(OF_LISTENERS, thread.name)
            }
        }

    @Test
    fun `a thread ends with its client`() =
        play {
            val bob = loggedIn("bob")
            val threads = threadsOf(bob)
            loggedIn("alice").send("hello", c2c(bob.user))
            val thread = threads.await("a call") { it.firstOrNull() }
            bob.close()
            within("the end of the thread") { thread.join(DEADLINE_MS) }
            assertTrue(!thread.isAlive && !isListed(thread))
        }

    private fun ofCalls() =
        Thread
            .getAllStackTraces()
            .keys
            .filter { it.name == OF_CALLS }
            .toSet()

    @Test
    fun `calls come back on few threads, daemons that stay`() =
        play {
            val bob = loggedIn("bob")
            val threads = ofCalls()
            repeat(CALLS) { bob.client.conversations.getConversationList() }
            assertTrue(threads.isNotEmpty(), "the threads have no name")
            assertTrue(threads.size <= THREADS_MAX, "$threads")
            assertEquals(threads, ofCalls(), "threads are made known anew")
            assertTrue(threads.all { it.isDaemon && it.isAlive }, "$threads")
        }

    @Test
    fun `the app's code never goes on in the threads that carry all clients`() =
        play {
            val bob = loggedIn("bob")
            val list = bob.client.conversations
            val places =
                async(Dispatchers.Unconfined) {
                    List(CALLS) {
                        list.getConversationList()
                        Thread.currentThread()
                    } +
                        List(CALLS) {
                            runCatching { list.getConversation("nobody") }
                            Thread.currentThread()
                        }
                }
            val here = within("all calls") { places.await() }.toSet()
            assertTrue(here.none { it.name == OF_CALLS }, "$here")
        }

    @Test
    fun `clients that were closed leave no thread of theirs behind`() =
        play {
            repeat(CLIENTS) { loggedIn("user$it").close() }
            val left = Thread.getAllStackTraces().keys.filter { it.name == OF_LISTENERS }
            left.forEach { it.join(DEADLINE_MS) }
            assertEquals(emptyList<Thread>(), left.filter { it.isAlive })
        }

    private companion object {
        const val COUNT = 50
        const val CALLS = 500
        const val CLIENTS = 5
        const val DEADLINE_MS = 10_000L
        const val OF_LISTENERS = "hongyan-listener"
        const val OF_CALLS = "hongyan"

        /** More than the SDK's runtime has. */
        const val THREADS_MAX = 8
    }
}
