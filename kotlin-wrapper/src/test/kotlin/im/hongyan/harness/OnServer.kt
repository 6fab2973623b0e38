// SPDX-License-Identifier: Apache-2.0
package im.hongyan.harness

import im.hongyan.Platform
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.TestInstance
import java.util.concurrent.atomic.AtomicInteger

/** Tests that share a server; each has users of its own. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class OnServer {
    private lateinit var server: ServerProcess

    @BeforeAll
    fun startServer() {
        server = ServerProcess.start()
    }

    @AfterAll
    fun stopServer() = server.close()

    /** Runs a test. What it opened is closed when it ends, whatever its end. */
    fun play(scene: suspend Stage.() -> Unit) =
        runBlocking(Dispatchers.Default) {
            val stage = Stage(server, this)
            try {
                stage.scene()
            } finally {
                stage.close()
            }
        }
}

/** What those listeners say that are to throw; what any other throws fails its test. */
const val ON_PURPOSE = "on purpose"

/** What a test stands on; also the scope of what runs beside it. */
class Stage(
    val server: ServerProcess,
    scope: CoroutineScope,
) : CoroutineScope by scope {
    private val number = numbers.incrementAndGet()
    private val devices = mutableListOf<Device>()

    /** A user id that no other test has. */
    fun user(name: String) = "${name}_$number"

    /** A user's device, not logged in. */
    fun device(
        name: String,
        platform: Platform = Platform.ANDROID,
        eventDispatcher: CoroutineDispatcher? = null,
    ): Device = Device(server, user(name), platform, eventDispatcher).also(devices::add)

    /** A user's device, logged in and up to date. */
    suspend fun loggedIn(
        name: String,
        platform: Platform = Platform.ANDROID,
        eventDispatcher: CoroutineDispatcher? = null,
    ): Device = device(name, platform, eventDispatcher).also { it.login() }

    internal suspend fun close() {
        devices.forEach { it.close() }
        coroutineContext.cancelChildren()
        devices.flatMap { it.thrown.events }.find { it.message != ON_PURPOSE }?.let { throw it }
    }

    private companion object {
        val numbers = AtomicInteger()
    }
}
