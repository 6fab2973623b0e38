// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.Device
import im.hongyan.harness.OnServer
import im.hongyan.harness.awaitFirst
import im.hongyan.harness.c2c
import im.hongyan.harness.group
import im.hongyan.harness.numbered
import im.hongyan.harness.text
import im.hongyan.harness.within
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** The list shows what happened, on every device. */
class ConversationsTest : OnServer() {
    private suspend fun Device.total(): Long = client.conversations.getTotalUnreadMessageCount()

    private suspend fun Device.awaitTotal(count: Long) =
        conversations.awaitOne("a total of $count") { it == ConversationEvent.TotalUnreadCount(count) }

    @Test
    fun `the list pages through all conversations once, the newest first`() =
        play {
            val alice = loggedIn("alice")
            val peers = List(PEERS) { loggedIn("peer$it") }
            peers.forEach { alice.send("to ${it.user}", c2c(it.user)) }
            val groupId = alice.createGroup("Club", peers)
            alice.send("to all", group(groupId))
            alice.awaitConversation("the kind of the group") { it.groupType == "Work" }

            val pages = mutableListOf<ConversationPage>()
            do {
                pages += alice.client.conversations.getConversationList(pages.lastOrNull()?.nextCursor, count = 2)
            } while (pages.last().nextCursor != null)
            val shown = pages.flatMap { it.conversations }
            val expected = listOf(group(groupId)) + peers.reversed().map { c2c(it.user) }
            assertEquals(expected, shown.map { it.conversationId })
            assertEquals(listOf("to all") + peers.reversed().map { "to ${it.user}" }, shown.map { it.lastMessage?.text() })
            assertEquals(ConversationType.GROUP to "Work", shown.first().conversationType to shown.first().groupType)
            assertEquals(shown.map { it.orderKey }.sortedDescending(), shown.map { it.orderKey })
        }

    @Test
    fun `reading brings unread to nothing on both devices and the peer gets a receipt`() =
        play {
            val phone = loggedIn("alice")
            val tablet = loggedIn("alice", Platform.IPAD)
            val bob = loggedIn("bob")
            val sent = bob.sendAll(numbered(3), c2c(phone.user))
            listOf(phone, tablet).forEach { device ->
                device.awaitConversation("three unread on each") { it.unreadCount == 3L }
                device.awaitTotal(3)
                assertEquals(3L, device.conversation(c2c(bob.user)).unreadCount)
            }
            assertFalse(bob.history(c2c(phone.user)).any { it.isPeerRead })

            within("reading") { phone.client.conversations.cleanConversationUnreadMessageCount(c2c(bob.user)) }
            assertEquals(0L, phone.total())
            listOf(phone, tablet).forEach { device ->
                device.awaitConversation("nothing unread on both") {
                    it.unreadCount == 0L && it.lastMessage?.messageId == sent.last().messageId
                }
                device.awaitTotal(0)
                assertEquals(0L, device.total())
            }
            val receipt = bob.messages.awaitFirst<MessageEvent.ReadReceipts>("a receipt").receipts[0]
            assertEquals(phone.user to sent.last().seq, receipt.userId to receipt.seq)
            assertEquals(c2c(phone.user), receipt.conversationId)
            assertTrue(bob.history(c2c(phone.user)).all { it.isPeerRead })
        }

    @Test
    fun `a group is read up to a sequence and never back`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val groupId = bob.createGroup("Club", listOf(alice))
            val sent = bob.sendAll(numbered(4), group(groupId))
            alice.awaitConversation("the last one") { it.lastMessage?.messageId == sent.last().messageId }
            val conversations = alice.client.conversations
            listOf(sent[2].seq to 1L, sent[0].seq to 1L, 0L to 0L).forEach { (seq, unread) ->
                within("reading") { conversations.cleanConversationUnreadMessageCount(group(groupId), cleanSequence = seq) }
                assertEquals(unread, alice.conversation(group(groupId)).unreadCount, "read up to $seq")
            }
        }

    @Test
    fun `a draft is kept on its device and taken back`() =
        play {
            val phone = loggedIn("alice")
            val tablet = loggedIn("alice", Platform.IPAD)
            val bob = loggedIn("bob")
            phone.client.conversations.setConversationDraft(c2c(bob.user), "I wanted to say …")
            val event = phone.awaitConversation("the draft") { it.draftText == "I wanted to say …" }
            assertEquals(c2c(bob.user), event.conversationId)
            val listed = phone.listed().single()
            assertEquals(c2c(bob.user) to "I wanted to say …", listed.conversationId to listed.draftText)

            bob.send("what is it?", c2c(phone.user))
            assertNull(tablet.awaitConversation("the message there") { it.lastMessage != null }.draftText)
            phone.awaitConversation("the message with the draft") { it.lastMessage != null && it.draftText != null }
            phone.client.conversations.setConversationDraft(c2c(bob.user), null)
            assertNull(phone.conversation(c2c(bob.user)).draftText)
        }

    @Test
    fun `a profile is shown to others and told to the user's own devices`() =
        play {
            val phone = loggedIn("alice")
            val tablet = loggedIn("alice", Platform.IPAD)
            val bob = loggedIn("bob")
            phone.client.setSelfInfo(nickName = "Alice 🌸")
            listOf(phone, tablet).forEach { device ->
                val event = device.sdk.awaitFirst<SdkEvent.SelfInfoUpdated>("the profile")
                assertEquals("Alice 🌸", event.info.nickName)
            }
            val shown = bob.client.getUsersInfo(listOf(user("nobody"), phone.user)).single()
            assertEquals(UserInfo(phone.user, "Alice 🌸", ""), shown)
        }

    private companion object {
        const val PEERS = 4
    }
}
