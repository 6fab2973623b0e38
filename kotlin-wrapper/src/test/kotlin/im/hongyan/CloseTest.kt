// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.Device
import im.hongyan.harness.Freed
import im.hongyan.harness.HeardFlow
import im.hongyan.harness.OnServer
import im.hongyan.harness.Recorder
import im.hongyan.harness.Stage
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.failureOf
import im.hongyan.harness.hear
import im.hongyan.harness.within
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.Executors
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime

/** A client that is closed has ended, wherever it was closed. */
class CloseTest : OnServer() {
    @Test
    fun `closing completes all flows`() =
        play {
            val bob = loggedIn("bob")
            val flows =
                listOf(bob.client.events, bob.messageFlow, bob.client.conversations.events).map { flow ->
                    async(start = CoroutineStart.UNDISPATCHED) { flow.toList() }
                }
            bob.close()
            within("the end of the flows") { flows.awaitAll() }
        }

    /** A collector of messages that stands still from its first event on, with one that waits behind it. */
    private suspend fun Stage.stuck(
        alice: Device,
        bob: Device,
        gate: CompletableDeferred<Unit>,
    ): HeardFlow<MessageEvent> {
        val isStuck = CompletableDeferred<Unit>()
        val slow =
            hear(
                bob.messageFlow.onEach {
                    isStuck.complete(Unit)
                    gate.await()
                },
            )
        // Called after the flow's own listener: what this one has heard waits for the collector.
        val handedOver = Recorder().also { bob.client.messages.addAdvancedMsgListener(it) }.messages
        alice.send("1", c2c(bob.user))
        within("the first event") { isStuck.await() }
        handedOver.awaitTexts(1)
        alice.send("2", c2c(bob.user))
        handedOver.awaitTexts(2)
        return slow
    }

    @Test
    fun `what waits for a collector at the close is still collected`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val gate = CompletableDeferred<Unit>()
            val slow = stuck(alice, bob, gate)
            bob.close()
            assertEquals(emptyList<MessageEvent>(), slow.heard.events)
            gate.complete(Unit)
            within("the end of the flow") { slow.job.join() }
            assertEquals(listOf("1", "2"), slow.heard.awaitTexts(2))
        }

    @Test
    fun `a close does not wait for a collector that the SDK waits for`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val slow = stuck(alice, bob, CompletableDeferred())
            // The recorder hears it before the flow's listener does, at which the SDK's thread then waits.
            alice.send("3", c2c(bob.user))
            bob.messages.awaitTexts(COUNT)
            val time = measureTime { bob.close() }
            assertTrue(time < LISTENER_WAIT, "it took $time")
            within("the end of the collection") { slow.job.cancelAndJoin() }
        }

    @Test
    fun `a closed client answers every call with 6013 and nothing else`() =
        play {
            val bob = loggedIn("bob")
            bob.close()
            bob.close()
            val conversations = bob.client.conversations
            val calls =
                listOf<suspend () -> Any?>(
                    { bob.client.login(bob.user, "") },
                    { bob.client.logout() },
                    { bob.client.initLocalStorage(bob.user) },
                    { bob.client.getUsersInfo(listOf(bob.user)) },
                    { bob.client.messages.sendC2cTextMessage("hello", bob.user) },
                    { bob.client.messages.createTextMessage("hello") },
                    { bob.client.messages.getHistoryMessageList(c2c(bob.user)) },
                    { conversations.getConversationList() },
                    { bob.client.groups.quitGroup("club") },
                    { bob.client.events.toList() },
                    { bob.messageFlow.toList() },
                    { conversations.events.toList() },
                    { bob.client.addSdkListener(object : SdkListener {}) },
                    { bob.client.messages.addAdvancedMsgListener(object : AdvancedMsgListener {}) },
                    { conversations.addConversationListener(object : ConversationListener {}) },
                )
            calls.forEachIndexed { index, call ->
                val refused = failureOf(call)
                assertEquals(ErrorCode.NOT_INITIALIZED, refused.code, "call $index: $refused")
            }
            assertEquals(LoginStatus.NOT_LOGGED_IN, bob.client.loginStatus)
            assertNull(bob.client.loginUser)
            assertTrue(bob.client.serverTimeMs > 0)
            bob.client.networkChanged()
            bob.client.setForeground(false)
        }

    /** Closes a client inside a listener, where the SDK's own thread waits for it. */
    private suspend fun Stage.closesInsideListener(bob: Device) {
        val alice = loggedIn("alice")
        val closed = CompletableDeferred<Unit>()
        bob.client.messages.addAdvancedMsgListener(
            object : AdvancedMsgListener {
                override fun onRecvNewMessage(messages: List<Message>) {
                    runBlocking { bob.client.close() }
                    closed.complete(Unit)
                }
            },
        )
        alice.send("close yourself", c2c(bob.user))
        within("a close inside a listener") { closed.await() }
        assertEquals(6013, failureOf { bob.client.logout() }.code)
    }

    @Test
    fun `closing inside a listener ends`() = play { closesInsideListener(loggedIn("bob")) }

    @Test
    fun `closing inside a listener on the app's own thread ends`() =
        play {
            Executors.newSingleThreadExecutor().asCoroutineDispatcher().use { main ->
                closesInsideListener(loggedIn("bob", eventDispatcher = main))
            }
        }

    @Test
    fun `closing inside a collection ends it`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val collection =
                launch(start = CoroutineStart.UNDISPATCHED) {
                    bob.messageFlow.collect { bob.client.close() }
                }
            alice.send("close yourself", c2c(bob.user))
            within("the end of the collection") { collection.join() }
            assertFalse(collection.isCancelled)
        }

    @Test
    fun `closing from many coroutines at once ends once for all`() =
        play {
            val bob = loggedIn("bob")
            within("all closes") { List(CLOSERS) { async { bob.client.close() } }.awaitAll() }
            assertEquals(6013, failureOf { bob.client.logout() }.code)
        }

    @Test
    fun `closing from the thread that listeners are called on does not wait for itself`() =
        play {
            val alice = loggedIn("alice")
            Executors.newSingleThreadExecutor().asCoroutineDispatcher().use { main ->
                val bob = loggedIn("bob", eventDispatcher = main)
                alice.send("an event", c2c(bob.user))
                val took =
                    async(main) {
                        // No other coroutine gets this thread until the client is closed: the event waits for it.
                        runBlocking {
                            alice.send("another", c2c(bob.user))
                            within("the message in the store") {
                                while (bob.client.conversations.getTotalUnreadMessageCount() < 2) yield()
                            }
                            measureTime { bob.client.close() }
                        }
                    }
                val time = within("the close") { took.await() }
                assertTrue(time < LISTENER_WAIT, "it took $time")
            }
        }

    @Test
    fun `a closed client frees its listeners`() =
        play {
            val bob = loggedIn("bob")
            val freed = Freed(object : SdkListener {}.also { bob.client.addSdkListener(it) })
            val flow = hear(bob.client.events)
            bob.close()
            within("the end of the flow") { flow.job.join() }
            freed.await("a listener of a closed client")
            assertThrows(ImException::class.java) { bob.client.addSdkListener(object : SdkListener {}) }
        }

    private companion object {
        const val CLOSERS = 8
        const val COUNT = 3

        /** How long a close waits for a listener that does not return. */
        val LISTENER_WAIT = 5.seconds
    }
}
