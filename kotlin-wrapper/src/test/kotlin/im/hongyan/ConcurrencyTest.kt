// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.OnServer
import im.hongyan.harness.assertDense
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.failureOf
import im.hongyan.harness.ids
import im.hongyan.harness.texts
import im.hongyan.harness.within
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancel
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.Executors

/** Calls stand side by side, and one that nobody waits for any more harms no other. */
class ConcurrencyTest : OnServer() {
    @Test
    fun `many coroutines on several dispatchers send and read at once and nothing is lost or doubled`() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            Executors.newSingleThreadExecutor().asCoroutineDispatcher().use { single ->
                val dispatchers = listOf(Dispatchers.Default, Dispatchers.IO, Dispatchers.Unconfined, single)
                val writers =
                    List(WRITERS) { writer ->
                        async(dispatchers[writer % dispatchers.size]) {
                            repeat(TEXTS) { index ->
                                val sent = alice.send("$writer $index", c2c(bob.user))
                                val found = alice.client.messages.findMessages(listOf(sent.messageId))
                                assertEquals(listOf("$writer $index"), found.texts())
                                assertEquals(bob.user, alice.conversation(c2c(bob.user)).userId)
                                alice.client.messages.getC2cHistoryMessageList(bob.user, count = 5)
                            }
                        }
                    }
                within("all sends and reads") { writers.awaitAll() }
            }

            val heard = bob.messages.awaitTexts(WRITERS * TEXTS)
            val expected = List(WRITERS) { writer -> List(TEXTS) { "$writer $it" } }
            assertEquals(expected.flatten().sorted(), heard.sorted())
            expected.forEachIndexed { writer, texts ->
                assertEquals(texts, heard.filter { it.startsWith("$writer ") }, "in the order of their writer")
            }
            assertDense(bob.history(c2c(alice.user)))
            assertEquals(heard, alice.history(c2c(bob.user)).texts())
        }

    @Test
    fun `a send that nobody waits for any more is sent once`() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            val texts = List(CANCELLED) { "cancelled $it" }
            val sends =
                texts.map { text ->
                    val message = alice.client.messages.createTextMessage(text)
                    // Undispatched: the call has begun when it is cancelled.
                    val send =
                        launch(start = CoroutineStart.UNDISPATCHED) {
                            alice.client.messages.sendMessage(message, c2c(bob.user))
                        }
                    send.cancel()
                    assertTrue(send.isCancelled)
                    message.messageId to send
                }
            within("the end of the cancelled calls") { sends.map { it.second }.joinAll() }

            assertEquals(texts.sorted(), bob.messages.awaitTexts(CANCELLED).sorted())
            alice.send("last", c2c(bob.user))
            assertEquals("last", bob.messages.awaitTexts(CANCELLED + 1).last())
            val kept = within("the messages") { alice.client.messages.findMessages(sends.map { it.first }) }
            assertEquals(texts, kept.texts())
            assertTrue(kept.all { it.status == MessageStatus.SENT })
            val shown = bob.history(c2c(alice.user))
            assertDense(shown)
            assertEquals((texts + "last").sorted(), shown.texts().sorted())
            assertEquals(shown.ids(), alice.history(c2c(bob.user)).ids())
        }

    @Test
    fun `a coroutine that is cancelled already does not call`() =
        play {
            val alice = loggedIn("alice")
            val call =
                launch {
                    cancel()
                    alice.client.messages.sendC2cTextMessage("never", alice.user)
                }
            within("the call") { call.join() }
            assertTrue(call.isCancelled)
            alice.send("something", c2c(alice.user))
            assertEquals(listOf("something"), alice.history(c2c(alice.user)).texts())
        }

    @Test
    fun `a cancelled login leaves a client that can log in`() =
        play {
            val alice = device("alice")
            val sig = server.userSig(alice.user)
            val login = launch(start = CoroutineStart.UNDISPATCHED) { alice.client.login(alice.user, sig) }
            login.cancel()
            within("the end of the cancelled call") { login.join() }
            alice.sdk.awaitOne("the login, which ran on") { it == SdkEvent.ConnectSuccess }
            alice.login()
            assertEquals(alice.user, alice.client.loginUser)
        }

    @Test
    fun `cancelled reads leave the next ones whole`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val sent = List(READ) { alice.send("$it", c2c(bob.user)) }
            val client = alice.client
            val reads =
                List(CANCELLED) {
                    listOf<suspend () -> Any?>(
                        { client.messages.getC2cHistoryMessageList(bob.user, count = 200) },
                        { client.conversations.getConversationList() },
                        { client.getUsersInfo(listOf(bob.user)) },
                    )
                }.flatten().map { read -> launch(start = CoroutineStart.UNDISPATCHED) { read() } }
            reads.forEach { it.cancel() }
            within("the end of the cancelled calls") { reads.joinAll() }

            assertEquals(sent.ids(), alice.history(c2c(bob.user)).ids())
            assertEquals(bob.user, client.getUsersInfo(listOf(bob.user)).single().userId)
            assertEquals(7003, failureOf { client.getUsersInfo(listOf("no\nbody")) }.code)
        }

    private companion object {
        const val WRITERS = 32
        const val TEXTS = 20
        const val CANCELLED = 50
        const val READ = 20
    }
}
