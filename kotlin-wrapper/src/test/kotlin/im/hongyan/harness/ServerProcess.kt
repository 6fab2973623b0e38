// SPDX-License-Identifier: Apache-2.0
package im.hongyan.harness

import java.io.File
import java.nio.file.Files
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread

/** A real server in a process and a folder of its own. It ends with [close], and at the latest with this JVM. */
class ServerProcess private constructor(
    private val folder: File,
    certificate: TestCertificate?,
) : AutoCloseable {
    private val hook = Thread { process?.destroyForcibly() }

    @Volatile
    private var process: Process? = null

    /** The app that the server made at its first start. */
    val sdkAppId: Long

    /** What signs for the app's users. */
    private val key: String

    /** What clients are given. */
    val url: String

    init {
        Runtime.getRuntime().addShutdownHook(hook)
        val words = launch("127.0.0.1:0", certificate)
        sdkAppId = words.getValue(APP_ID).toLong()
        key = words.getValue(KEY)
        url = words.getValue(LISTENING)
    }

    /** Does [work] after the server was ended as by a power cut, and then starts it on the same folder and port. */
    inline fun <R> whileDead(work: () -> R): R {
        kill()
        return try {
            work()
        } finally {
            launch(address)
        }
    }

    /** Kills the server, and starts it on the same folder and port with a certificate; [url] stays the first one's. */
    fun restartWith(certificate: TestCertificate) {
        kill()
        launch(address, certificate)
    }

    @PublishedApi
    internal val address: String get() = url.substringAfter("://")

    /** A ticket of a user, made by the server's own command with the app's key or another. */
    fun userSig(
        user: String,
        key: String = this.key,
    ): String {
        val command = listOf(BINARY, "usersig", "sign", "--sdkappid", "$sdkAppId", "--key", key, "--user", user)
        val signing = ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val sig = signing.inputStream.use { it.reader().readText() }.trim()
        check(signing.waitFor() == 0) { "no UserSig for $user" }
        return sig
    }

    override fun close() {
        process?.let { kill() }
        Runtime.getRuntime().removeShutdownHook(hook)
        folder.deleteRecursively()
    }

    @PublishedApi
    internal fun kill() {
        val running = checkNotNull(process) { "the server runs" }
        running.destroyForcibly()
        check(running.waitFor(DEADLINE_MS, TimeUnit.MILLISECONDS)) { "the killed server did not end" }
        process = null
    }

    /** Starts the server, waits until it listens, and gives what it said until then. */
    @PublishedApi
    internal fun launch(
        listen: String,
        certificate: TestCertificate? = null,
    ): Map<String, String> {
        val log = File(folder, "server.log")
        val command =
            listOf(BINARY, "serve", "--listen", listen, "--data", File(folder, "data").path) +
                certificate?.arguments.orEmpty()
        val builder = ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.appendTo(log))
        // Tests stand on the defaults, whatever the shell has set.
        builder.environment().keys.removeIf { it.startsWith("HONGYAN_") }
        val started = builder.start()
        process = started
        try {
            return wordsOf(started).get(DEADLINE_MS, TimeUnit.MILLISECONDS)
        } catch (silent: ExecutionException) {
            throw IllegalStateException("the server did not start: ${log.readText()}", silent)
        }
    }

    companion object {
        private const val APP_ID = "sdkAppId: "
        private const val KEY = "key: "
        private const val LISTENING = "listening on "
        private val DEADLINE_MS = DEADLINE.inWholeMilliseconds

        /** What the build names; from an IDE, what it would name. */
        private val BINARY: String = System.getProperty("hongyan.server", "../target/debug/hongyan-server")

        /** With a certificate the connections are TLS. */
        fun start(certificate: TestCertificate? = null): ServerProcess =
            ServerProcess(Files.createTempDirectory("hongyan-server").toFile(), certificate)

        /** What a server says until it listens; further output is thrown away, so that it never waits at a full pipe. */
        private fun wordsOf(server: Process): CompletableFuture<Map<String, String>> {
            val words = CompletableFuture<Map<String, String>>()
            thread(isDaemon = true, name = "output of server ${server.pid()}") {
                val said = mutableMapOf<String, String>()
                server.inputStream.bufferedReader().forEachLine { line ->
                    val sign = listOf(APP_ID, KEY, LISTENING).firstOrNull(line::startsWith)
                    if (sign != null) said[sign] = line.removePrefix(sign)
                    if (sign == LISTENING) words.complete(said)
                }
                words.completeExceptionally(IllegalStateException("the output ended"))
            }
            return words
        }
    }
}
