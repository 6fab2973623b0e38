// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.OnServer
import im.hongyan.harness.assertDense
import im.hongyan.harness.awaitFirst
import im.hongyan.harness.awaitMessages
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.group
import im.hongyan.harness.hear
import im.hongyan.harness.ids
import im.hongyan.harness.newTexts
import im.hongyan.harness.numbered
import im.hongyan.harness.text
import im.hongyan.harness.texts
import im.hongyan.harness.within
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Messages go both ways, in order, each once. */
class DeliveryTest : OnServer() {
    @Test
    fun `two users write to each other and both devices show the same`() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            val sent = alice.send("hello", c2c(bob.user))
            val answer = within("an answer") { bob.client.messages.sendC2cTextMessage("hello yourself", alice.user) }

            assertEquals(listOf("hello"), bob.messages.awaitTexts(1))
            val heard = alice.messages.awaitMessages(1).single()
            assertEquals(answer.messageId to "hello yourself", heard.messageId to heard.text())
            assertEquals(alice.user to true, sent.sender to sent.isSelf)
            assertEquals(bob.user to false, heard.sender to heard.isSelf)
            assertEquals(MessageStatus.SENT, sent.status)
            assertEquals(listOf(1L, 2L), listOf(sent.seq, answer.seq))
            val (here, there) = alice.history(c2c(bob.user)) to bob.history(c2c(alice.user))
            assertEquals(here.ids(), there.ids())
            assertEquals(here.map { it.seq to it.timestampMs }, there.map { it.seq to it.timestampMs })
        }

    @Test
    fun `the members of a group hear one another`() =
        play {
            val members = listOf(loggedIn("alice"), loggedIn("bob"), loggedIn("carol"))
            val (alice, bob, carol) = members
            val groupId = alice.createGroup("Club", listOf(bob, carol))
            members.forEach { it.send("from ${it.user}", group(groupId)) }

            val expected = members.map { "from ${it.user}" }
            members.forEach { member ->
                val heard = member.messages.awaitTexts(members.size - 1)
                assertEquals(expected - "from ${member.user}", heard, "heard by ${member.user}")
                assertEquals(expected, member.history(group(groupId)).texts(), "shown to ${member.user}")
            }
            assertEquals("Club", carol.conversation(group(groupId)).showName)
            val urgent =
                within("a group message") {
                    bob.client.messages.sendGroupTextMessage("now", groupId, MessagePriority.HIGH)
                }
            assertEquals(MessagePriority.HIGH, urgent.priority)
            assertEquals("now", carol.messages.awaitTexts(members.size).last())
        }

    @Test
    fun `many messages arrive in order and once, by flow and by listener`() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            val flow = hear(bob.messageFlow)
            val sent = alice.sendAll(numbered(COUNT), c2c(bob.user))

            val byListener = bob.messages.awaitMessages(COUNT)
            val byFlow = flow.heard.awaitMessages(COUNT)
            listOf(byListener, byFlow).forEach { heard ->
                assertEquals(sent.ids(), heard.ids())
                assertEquals(numbered(COUNT), heard.texts())
                assertDense(heard)
            }
            val heard = bob.messages.events
            assertEquals(COUNT, heard.newTexts().size, "none came twice")
        }

    @Test
    fun `two who write at once see one order`() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            listOf(
                async { alice.sendAll(numbered(EACH), c2c(bob.user)) },
                async { bob.sendAll(numbered(EACH), c2c(alice.user)) },
            ).awaitAll()

            assertEquals(numbered(EACH), bob.messages.awaitTexts(EACH))
            assertEquals(numbered(EACH), alice.messages.awaitTexts(EACH))
            val (here, there) = alice.history(c2c(bob.user)) to bob.history(c2c(alice.user))
            assertDense(here)
            assertEquals(2 * EACH, here.size)
            assertEquals(here.ids(), there.ids())
        }

    @Test
    fun `bytes of the app arrive as they were sent`() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            val bytes = ByteArray(BYTE_VALUES) { it.toByte() }
            within("a send") { alice.client.messages.sendC2cCustomMessage(bytes, bob.user) }

            val heard = bob.messages.awaitFirst<MessageEvent.NewMessages>("the bytes").messages[0]
            assertTrue(bytes.contentEquals((heard.elements.single() as CustomElement).data))
            assertFalse(heard.isSelf)
        }

    private companion object {
        const val COUNT = 200
        const val EACH = 100
        const val BYTE_VALUES = 256
    }
}
