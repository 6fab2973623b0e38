// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.Device
import im.hongyan.harness.OnServer
import im.hongyan.harness.c2c
import im.hongyan.harness.failureOf
import im.hongyan.harness.group
import im.hongyan.harness.within
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** What is refused is refused with its code, and changes nothing. */
class ErrorsTest : OnServer() {
    private suspend fun Device.isUntouched() {
        assertEquals(emptyList<Conversation>(), listed())
        assertEquals(LoginStatus.LOGGED_IN, client.loginStatus)
        assertEquals(user, client.loginUser)
    }

    @Test
    fun `a bad user id is refused with 7003`() =
        play {
            val alice = loggedIn("alice")
            val refused = failureOf { alice.client.messages.sendC2cTextMessage("hello", "no\nbody") }
            assertEquals(ErrorCode.INVALID_USER_ID, refused.code)
            assertEquals(7003, refused.code)
            assertFalse(refused.isRetryable)
            assertTrue(refused.detail.isNotBlank())
            assertTrue("7003" in refused.toString(), "a log shows the code: $refused")
            alice.isUntouched()
        }

    @Test
    fun `a call without a login is refused with 6014`() =
        play {
            val alice = device("alice")
            assertNull(alice.client.loginUser)
            assertEquals(LoginStatus.NOT_LOGGED_IN, alice.client.loginStatus)
            val calls =
                listOf<suspend () -> Any?>(
                    { alice.client.messages.sendC2cTextMessage("hello", user("bob")) },
                    { alice.client.messages.getHistoryMessageList(c2c(user("bob"))) },
                    { alice.client.conversations.getConversationList() },
                    { alice.client.groups.createGroup(groupName = "Club") },
                    { alice.client.getUsersInfo(listOf(user("bob"))) },
                    { alice.client.setSelfInfo(nickName = "Alice") },
                    { alice.client.logout() },
                )
            calls.forEach { assertEquals(6014, failureOf(it).code) }
            alice.login()
            alice.isUntouched()
        }

    @Test
    fun `a UserSig that is not right is refused with its code, and the right one still opens`() =
        play {
            val alice = device("alice")
            val refused =
                mapOf(
                    "" to 70002,
                    "not a ticket" to 70003,
                    server.userSig(alice.user, key = "0".repeat(KEY_CHARS)) to 70009,
                    server.userSig(user("bob")) to 70013,
                )
            refused.forEach { (sig, code) ->
                assertEquals(code, failureOf { alice.client.login(alice.user, sig) }.code)
                assertNull(alice.client.loginUser)
            }
            alice.login()
            alice.isUntouched()
        }

    @Test
    fun `an unknown group is refused with 10010 by the server`() =
        play {
            val alice = loggedIn("alice")
            assertEquals(10010, failureOf { alice.client.groups.quitGroup("nowhere") }.code)
            val calls =
                listOf<suspend () -> Any?>(
                    { alice.client.groups.inviteUserToGroup("nowhere", listOf(alice.user)) },
                    { alice.client.messages.getHistoryMessageList(group("nowhere")) },
                )
            calls.forEach { assertEquals(10010, failureOf(it).code) }
            alice.isUntouched()
        }

    @Test
    fun `an unknown peer is refused with 20003 and the message can be looked at`() =
        play {
            val alice = loggedIn("alice")
            val message = alice.client.messages.createTextMessage("anybody there?")
            val refused = failureOf { alice.client.messages.sendMessage(message, c2c(user("nobody"))) }
            assertEquals(20003, refused.code)
            val kept = within("the message") { alice.client.messages.findMessages(listOf(message.messageId)) }.single()
            assertEquals(MessageStatus.FAILED to 20003, kept.status to kept.failure)
        }

    @Test
    fun `a page of no size or too large a size is refused with 6017`() =
        play {
            val alice = loggedIn("alice")
            listOf(-1, 0, 201, Int.MAX_VALUE).forEach { count ->
                val refused = failureOf { alice.client.messages.getC2cHistoryMessageList(user("bob"), count) }
                assertEquals(6017, refused.code, "a page of $count")
                val list = failureOf { alice.client.conversations.getConversationList(count = count.coerceAtMost(0)) }
                assertEquals(6017, list.code)
            }
            alice.isUntouched()
        }

    @Test
    fun `a config that is not right makes no client`() {
        val good = "https://nowhere"
        val folder = "/nowhere"
        listOf(
            ImClientConfig(sdkAppId = 1, serverUrl = "ftp://nowhere", dataFolder = folder),
            ImClientConfig(sdkAppId = 1, serverUrl = good, dataFolder = folder, extraRootCertificates = "no PEM"),
            ImClientConfig(sdkAppId = 1, serverUrl = good, dataFolder = folder, publicKeyPins = listOf("no digest")),
        ).forEach { config ->
            assertEquals(6017, assertThrows(ImException::class.java) { ImClient(config) }.code)
        }
    }

    private companion object {
        const val KEY_CHARS = 64
    }
}
