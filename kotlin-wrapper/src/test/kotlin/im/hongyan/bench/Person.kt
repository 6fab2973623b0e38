// SPDX-License-Identifier: Apache-2.0
package im.hongyan.bench

import im.hongyan.HistoryDirection
import im.hongyan.HistorySource
import im.hongyan.ImClient
import im.hongyan.ImClientConfig
import im.hongyan.Platform
import im.hongyan.harness.ServerProcess
import im.hongyan.harness.c2c
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Semaphore
import java.io.File
import java.nio.file.Files

/** A user with a client in a folder of its own, and no listeners but those that are measured. */
class Person private constructor(
    server: ServerProcess,
    val user: String,
    platform: Platform,
) {
    private val folder: File = Files.createTempDirectory("hongyan-bench").toFile()
    val client = ImClient(ImClientConfig(server.sdkAppId, server.url, folder.path, platform))

    /** Sends texts, many of them on their way at once, and returns when the server has all. */
    suspend fun sendMany(
        count: Int,
        peer: String,
    ) = coroutineScope {
        val flight = Semaphore(IN_FLIGHT)
        repeat(count) { index ->
            flight.acquire()
            launch {
                client.messages.sendC2cTextMessage("message $index: as long as people write", peer)
                flight.release()
            }
        }
    }

    /** Reads a whole conversation by pages, and gives its ids, newest first. */
    suspend fun readAll(
        peer: String,
        count: Int,
        source: HistorySource,
    ): List<String> {
        val ids = mutableListOf<String>()
        do {
            val page =
                client.messages.getHistoryMessageList(
                    c2c(peer),
                    HistoryDirection.OLDER,
                    source,
                    count,
                    lastMessageId = ids.lastOrNull(),
                )
            page.messages.mapTo(ids) { it.messageId }
        } while (!page.isFinished)
        return ids
    }

    suspend fun close() {
        client.close()
        folder.deleteRecursively()
    }

    companion object {
        private const val IN_FLIGHT = 256

        /** A user who is logged in. */
        suspend fun login(
            server: ServerProcess,
            user: String,
            platform: Platform = Platform.ANDROID,
        ): Person = Person(server, user, platform).also { it.client.login(user, server.userSig(user)) }
    }
}
