// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.ServerProcess
import im.hongyan.harness.TestCertificate
import im.hongyan.harness.awaitFirst
import im.hongyan.harness.clientOf
import im.hongyan.harness.failureOf
import im.hongyan.harness.hear
import im.hongyan.harness.within
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** A server whose certificate comes from an authority of its own. */
class TlsTest {
    @Test
    fun `a certificate of an authority of one's own is trusted where it is named, and is 9501 elsewhere`() =
        ServerProcess.start(TestCertificate).use { server ->
            assertTrue(server.url.startsWith("https://"), server.url)
            runBlocking(Dispatchers.Default) {
                val stranger = clientOf(server)
                val failures = hear(stranger.events)
                assertEquals(ErrorCode.PACKET_ENCRYPT_FAILED, failureOf { stranger.login("alice", server.userSig("alice")) }.code)
                assertEquals(9501, failures.heard.awaitFirst<SdkEvent.ConnectFailed>("a refusal").code)
                assertEquals(LoginStatus.NOT_LOGGED_IN, stranger.loginStatus)
                stranger.close()

                val client = clientOf(server, extraRootCertificates = TestCertificate.authority)
                within("the login") { client.login("alice", server.userSig("alice")) }
                val sent = within("a send") { client.messages.sendC2cTextMessage("over TLS", "alice") }
                assertEquals(MessageStatus.SENT, sent.status)
                client.close()
            }
        }
}
