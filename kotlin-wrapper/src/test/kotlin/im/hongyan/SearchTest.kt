// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.OnServer
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.failureOf
import im.hongyan.harness.group
import im.hongyan.harness.texts
import im.hongyan.harness.within
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

/** What is on a device is found there. */
class SearchTest : OnServer() {
    @Test
    fun `messages are found by their words, with defaults for what is not said`() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            val geese = alice.createGroup("Geese", listOf(bob))
            alice.sendAll(listOf("鸿雁传书", "Good morning", "another morning"), c2c(bob.user))
            alice.send("GOOD night", group(geese))
            bob.messages.awaitTexts(4)

            val everywhere = within("a search") { bob.client.messages.searchLocalMessages(listOf("good")) }
            assertEquals(2, everywhere.totalCount)
            val items = everywhere.messageSearchResultItems
            assertEquals(listOf(group(geese), c2c(alice.user)), items.map { it.conversationId })
            assertEquals(listOf("GOOD night", "Good morning"), items.flatMap { it.messageList }.texts())

            val here =
                within("a search") {
                    bob.client.messages.searchLocalMessages(
                        listOf("morn", "雁传"),
                        senderUserIdList = listOf(alice.user),
                        messageTypeList = listOf(MessageType.TEXT),
                        conversationId = c2c(alice.user),
                        pageSize = 2,
                    )
                }
            assertEquals(3, here.totalCount)
            val found = here.messageSearchResultItems.single()
            assertEquals(3 to listOf("another morning", "Good morning"), found.messageCount to found.messageList.texts())
            val both =
                within("a search") {
                    bob.client.messages.searchLocalMessages(listOf("morning", "good"), KeywordListMatchType.AND)
                }
            val fromBoth = both.messageSearchResultItems.single()
            assertEquals(listOf("Good morning"), fromBoth.messageList.texts())

            val nothing = failureOf { bob.client.messages.searchLocalMessages(emptyList()) }
            assertEquals(ErrorCode.INVALID_PARAMETERS, nothing.code)
        }
}
