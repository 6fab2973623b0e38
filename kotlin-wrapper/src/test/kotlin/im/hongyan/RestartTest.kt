// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.Device
import im.hongyan.harness.OnServer
import im.hongyan.harness.Stage
import im.hongyan.harness.assertDense
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.failureOf
import im.hongyan.harness.hear
import im.hongyan.harness.ids
import im.hongyan.harness.numbered
import im.hongyan.harness.texts
import im.hongyan.harness.within
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.async
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** A server that is killed takes nothing with it. */
class RestartTest : OnServer() {
    /** Begins to send, and waits until the message is in the store of its device. */
    private suspend fun <R> Stage.startSending(
        from: Device,
        send: suspend () -> R,
    ): Deferred<R> =
        async { send() }.also {
            from.awaitConversation("the message that waits") { it.lastMessage?.status == MessageStatus.SENDING }
        }

    @Test
    fun `a message sent while the server is dead arrives after its restart`() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            val both = listOf(alice, bob)
            val flow = hear(bob.client.events)
            alice.sendAll(numbered(3), c2c(bob.user))
            bob.messages.awaitTexts(3)
            val seen = both.map { it.sdk.events.size }

            val waiting =
                server.whileDead {
                    both.zip(seen).forEach { (device, seen) ->
                        device.sdk.awaitOne("a new attempt of ${device.user}", seen) { it == SdkEvent.Connecting }
                    }
                    startSending(alice) { alice.send("written meanwhile", c2c(bob.user)) }.also {
                        assertTrue(it.isActive)
                        assertEquals(alice.user, alice.client.loginUser, "a lost connection logs nobody out")
                    }
                }
            both.zip(seen).forEach { (device, seen) ->
                device.sdk.awaitOne("the connection of ${device.user}", seen) { it == SdkEvent.ConnectSuccess }
            }
            assertEquals(MessageStatus.SENT, within("the end of the send") { waiting.await() }.status)
            assertEquals(numbered(3) + "written meanwhile", bob.messages.awaitTexts(4))
            bob.send("and back", c2c(alice.user))
            assertEquals(listOf("and back"), alice.messages.awaitTexts(1))

            val (here, there) = alice.history(c2c(bob.user)) to bob.history(c2c(alice.user))
            assertDense(here)
            assertEquals(numbered(3) + "written meanwhile" + "and back", here.texts())
            assertEquals(here.ids(), there.ids())
            val byFlow = flow.heard.await("the same by flow") { it.takeIf { SdkEvent.ConnectSuccess in it } }
            assertEquals(SdkEvent.Connecting, byFlow.first())
        }

    @Test
    fun `a call that waits for the server ends with 7009 when its client is closed`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            server.whileDead {
                val sending =
                    startSending(alice) {
                        failureOf { alice.client.messages.sendC2cTextMessage("hello", bob.user) }
                    }
                alice.close()
                assertEquals(7009, within("the end of the send") { sending.await() }.code)
            }
        }
}
