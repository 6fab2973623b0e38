// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.Device
import im.hongyan.harness.Freed
import im.hongyan.harness.Heard
import im.hongyan.harness.HeardFlow
import im.hongyan.harness.LiveListeners
import im.hongyan.harness.ON_PURPOSE
import im.hongyan.harness.OnServer
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.collectGarbage
import im.hongyan.harness.hear
import im.hongyan.harness.numbered
import im.hongyan.harness.within
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.fail
import org.junit.jupiter.api.Test

/** Each collection of a flow is a subscription of its own, and ends with it. */
class FlowsTest : OnServer() {
    @Test
    fun `two collectors of one flow both get all`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val flow = bob.messageFlow
            val both = listOf(hear(flow), hear(flow))
            alice.sendAll(numbered(COUNT), c2c(bob.user))
            both.forEach { assertEquals(numbered(COUNT), it.heard.awaitTexts(COUNT)) }
        }

    @Test
    fun `a collector that starts late gets what comes after`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            alice.send("before", c2c(bob.user))
            bob.messages.awaitTexts(1)
            val late = hear(bob.messageFlow)
            alice.send("after", c2c(bob.user))
            assertEquals(listOf("after"), late.heard.awaitTexts(1))
        }

    @Test
    fun `nothing is lost between the call and the collection that it began`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val flow = bob.messageFlow
            repeat(COUNT) { round ->
                // Undispatched: it stands at its first suspension when the message is sent.
                val first =
                    async(start = CoroutineStart.UNDISPATCHED) { flow.first { it is MessageEvent.NewMessages } }
                alice.send("$round", c2c(bob.user))
                val heard = Heard<MessageEvent>().apply { note(within("event $round") { first.await() }) }
                assertEquals(listOf("$round"), heard.awaitTexts(1))
            }
        }

    @Test
    fun `a slow collector loses nothing and few batches wait for it`() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            val tablet = loggedIn("bob", Platform.IPAD)
            val gate = CompletableDeferred<Unit>()
            val slow = hear(bob.messageFlow.onEach { gate.await() })
            // Each is an event of its own where nobody is slow.
            numbered(BATCHES).forEachIndexed { index, text ->
                alice.send(text, c2c(bob.user))
                tablet.messages.awaitTexts(index + 1)
            }
            bob.send("calls go on", c2c(alice.user))
            assertEquals(emptyList<MessageEvent>(), slow.heard.events)
            gate.complete(Unit)
            assertEquals(numbered(BATCHES), slow.heard.awaitTexts(BATCHES))
            assertEquals(numbered(BATCHES), bob.messages.awaitTexts(BATCHES))
            val told = slow.heard.events.count { it is MessageEvent.NewMessages }
            assertTrue(told <= BATCHES_MAX, "$told batches")
        }

    @Test
    fun `a collector that throws ends alone and with its own error`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val other = hear(bob.messageFlow)
            val throwing =
                async(start = CoroutineStart.UNDISPATCHED) {
                    runCatching { bob.messageFlow.collect { error(ON_PURPOSE) } }
                }
            alice.send("1", c2c(bob.user))
            assertEquals(ON_PURPOSE, within("its end") { throwing.await() }.exceptionOrNull()?.message)
            alice.send("2", c2c(bob.user))
            assertEquals(listOf("1", "2"), other.heard.awaitTexts(2))
        }

    /** Collects with something that only the collection holds. */
    private fun CoroutineScope.hearWatched(
        bob: Device,
        heard: Heard<MessageEvent>,
    ): Pair<HeardFlow<MessageEvent>, Freed> {
        val token = Any()
        val flow = bob.messageFlow.onEach { check(token.hashCode() == System.identityHashCode(token)) }
        return hear(flow, heard) to Freed(token)
    }

    @Test
    fun `a collection that ended hears no more and holds nothing`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val heard = Heard<MessageEvent>()
            val (flow, freed) = hearWatched(bob, heard)
            alice.send("1", c2c(bob.user))
            heard.awaitTexts(1)
            collectGarbage()
            alice.send("2", c2c(bob.user))
            heard.awaitTexts(2)

            within("the end of a collection") { flow.job.cancelAndJoin() }
            alice.send("3", c2c(bob.user))
            bob.messages.awaitTexts(3)
            assertEquals(listOf("1", "2"), heard.awaitTexts(2))
            freed.await("what a collection held that ended")
        }

    @Test
    fun `collections that ended leave no subscription behind`() =
        play {
            val bob = loggedIn("bob")
            val before = LiveListeners.count()
            repeat(COUNT) {
                val flows =
                    listOf(
                        hear(bob.client.events),
                        hear(bob.messageFlow),
                        hear(bob.client.conversations.events),
                    )
                assertEquals(before + flows.size, LiveListeners.count())
                flows.forEach { flow -> within("the end of a collection") { flow.job.cancelAndJoin() } }
                assertEquals(before, LiveListeners.count())
            }
        }

    @Test
    fun `flows of a client and its listener tell the same in the same order`() =
        play {
            val bob = device("bob")
            val (sdk, conversations) = hear(bob.client.events) to hear(bob.client.conversations.events)
            bob.login()
            val heard = conversations.heard.await("the sync") { it.takeIf { ConversationEvent.SyncFinished in it } }
            assertEquals(listOf(ConversationEvent.SyncStarted, ConversationEvent.SyncFinished), heard.take(2))
            val events = sdk.heard.await("the connection") { it.takeIf { SdkEvent.ConnectSuccess in it } }
            assertEquals(listOf(SdkEvent.Connecting, SdkEvent.ConnectSuccess), events.take(2))
            assertEquals(bob.sdk.events.take(2), events.take(2))
            assertTrue(sdk.job.isActive || fail("a flow goes on until it is cancelled or the client closed"))
        }

    private companion object {
        const val COUNT = 20

        const val BATCHES = 100

        /**
         * One is in the collector's hands, one waits, one is in the hands of the SDK's thread, and the rest is joined
         * behind it, where what came while that thread was busy may take a call more.
         */
        const val BATCHES_MAX = 5
    }
}
