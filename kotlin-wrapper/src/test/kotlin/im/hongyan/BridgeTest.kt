// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.OnServer
import im.hongyan.harness.ServerProcess
import im.hongyan.harness.awaitTexts
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File

/** The bridge, used from Java: JSON in, JSON out. */
class BridgeTest : OnServer() {
    @TempDir
    lateinit var folder: File

    private fun config(server: ServerProcess) =
        """{"sdkAppID":${server.sdkAppId},"serverURL":"${server.url}","dataFolder":"${folder.path}"}"""

    private fun login(
        server: ServerProcess,
        user: String,
    ) = """{"method":"login","params":{"userID":"$user","userSig":"${server.userSig(user)}"}}"""

    @Test
    fun `an app in Java logs in, sends and hears of it`() =
        play {
            val bob = loggedIn("bob")
            JavaApp(config(server)).use { app ->
                assertTrue("\"data\":\"" in app.replyNow("""{"method":"getVersion"}"""))
                assertTrue(app.reply(1, login(server, user("alice"))).startsWith("""{"code":0,"""))
                app.event("onConnectSuccess")
                val sent =
                    app.reply(2, """{"method":"sendC2CTextMessage","params":{"text":"from Java","userID":"${bob.user}"}}""")
                assertTrue(sent.startsWith("""{"code":0,""") && "from Java" in sent, sent)
                assertEquals("from Java", bob.messages.awaitTexts(1).single())
                bob.send("to Java", "c2c_${user("alice")}")
                assertTrue("onRecvNewMessage" in app.event("to Java"))
            }
        }

    @Test
    fun `what is wrong has its code, and a listener that throws hears on`() =
        play {
            assertEquals(6027, JavaApp.codeOf("no JSON"))
            assertEquals(6017, JavaApp.codeOf("{}"))
            JavaApp(config(server)).use { app ->
                assertTrue("6027" in app.reply(1, "no JSON"))
                assertTrue("6014" in app.reply(2, """{"method":"logout"}"""))
                val half = assertThrows(ImException::class.java) { app.replyNow("\uD83D") }
                assertEquals(ErrorCode.INVALID_PARAMETERS, half.code)
            }
        }

    @Test
    fun `a bridge that was closed says so, last of all`() =
        play {
            val app = JavaApp(config(server))
            app.close()
            app.close()
            app.event("onShutDown")
            listOf<() -> Any>({ app.reply(1, "{}") }, { app.replyNow("{}") }).forEach { call ->
                assertEquals(6013, assertThrows(ImException::class.java) { call() }.code)
            }
        }
}
