// SPDX-License-Identifier: Apache-2.0
package im.hongyan.demo

import im.hongyan.ConversationEvent
import im.hongyan.ImClient
import im.hongyan.ImClientConfig
import im.hongyan.Message
import im.hongyan.MessageEvent
import im.hongyan.Platform
import im.hongyan.SdkEvent
import im.hongyan.harness.ServerProcess
import im.hongyan.harness.within
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import java.io.File
import java.nio.file.Files

/** Somebody with a device. */
class Person(
    val name: String,
    private val server: ServerProcess,
    val screen: Screen,
    scope: CoroutineScope,
    platform: Platform = Platform.ANDROID,
) {
    private val folder: File = Files.createTempDirectory("hongyan-demo").toFile()
    private val mutableSeen = MutableStateFlow(Seen())
    val client = ImClient(ImClientConfig(server.sdkAppId, server.url, folder.path, platform))
    val seen: Seen get() = mutableSeen.value

    init {
        // Undispatched: the subscription stands before anything happens. It ends when the client is closed.
        scope.launch(start = CoroutineStart.UNDISPATCHED) { client.events.collect(::apply) }
        scope.launch(start = CoroutineStart.UNDISPATCHED) { client.messages.events.collect(::apply) }
        scope.launch(start = CoroutineStart.UNDISPATCHED) { client.conversations.events.collect(::apply) }
    }

    suspend fun logIn() {
        within("the login of $name") { client.login(name, server.userSig(name)) }
        until("being online") { it.isOnline }
    }

    /** Returns when the server has the message. */
    suspend fun say(
        text: String,
        conversationId: String,
    ): Message {
        screen.show("→ $text")
        val message = client.messages.createTextMessage(text)
        val sent = within("the end of a send") { client.messages.sendMessage(message, conversationId) }
        screen.show("✓ sent as ${sent.seq}")
        return sent
    }

    suspend fun read(conversationId: String) =
        within("the end of a read") { client.conversations.cleanConversationUnreadMessageCount(conversationId) }

    /** The pages of a conversation, each with the newest message first, fetched as they are collected. */
    fun pages(
        conversationId: String,
        count: Int,
    ): Flow<List<Message>> =
        flow {
            var last: String? = null
            do {
                val page = client.messages.getHistoryMessageList(conversationId, count = count, lastMessageId = last)
                emit(page.messages)
                last = page.messages.lastOrNull()?.messageId
            } while (!page.isFinished)
        }

    /** All of a conversation, oldest first. */
    suspend fun history(conversationId: String): List<Message> =
        within("the history of $name") { pages(conversationId, count = 100).toList().flatten().reversed() }

    /** Waits until what this device has been told is so. */
    suspend fun until(
        what: String,
        isSo: (Seen) -> Boolean,
    ): Seen = within("$what for $name") { mutableSeen.first(isSo) }

    suspend fun untilHeard(words: String) = until("“$words”") { seen -> seen.messages.any { it.words() == words } }

    suspend fun close() {
        client.close()
        folder.deleteRecursively()
    }

    private fun apply(event: SdkEvent) {
        when (event) {
            SdkEvent.ConnectSuccess -> showOnline(true)
            SdkEvent.Connecting, is SdkEvent.ConnectFailed -> showOnline(false)
            SdkEvent.KickedOffline, SdkEvent.UserSigExpired -> showOnline(false)
            is SdkEvent.SelfInfoUpdated -> Unit
        }
    }

    private fun showOnline(isOnline: Boolean) {
        if (isOnline != seen.isOnline) screen.show(if (isOnline) "● online" else "○ offline")
        mutableSeen.update { it.copy(isOnline = isOnline) }
    }

    private fun apply(event: MessageEvent) {
        when (event) {
            is MessageEvent.NewMessages -> {
                event.messages.forEach { screen.show("← #${it.seq} ${it.sender}: ${it.words()}") }
                mutableSeen.update { it.copy(messages = it.messages + event.messages) }
            }

            is MessageEvent.ReadReceipts -> {
                event.receipts.forEach { screen.show("✓✓ ${it.userId} has read up to ${it.seq}") }
                val further = event.receipts.associate { it.conversationId to it.seq }
                mutableSeen.update { it.copy(readByPeer = it.readByPeer + further) }
            }

            is MessageEvent.StatusChanged -> {}
        }
    }

    private fun apply(event: ConversationEvent) {
        val changed =
            when (event) {
                is ConversationEvent.New -> {
                    event.conversations
                }

                is ConversationEvent.Changed -> {
                    event.conversations
                }

                is ConversationEvent.TotalUnreadCount -> {
                    screen.show("${event.totalUnreadCount} unread")
                    mutableSeen.update { it.copy(unreadCount = event.totalUnreadCount) }
                    return
                }

                ConversationEvent.SyncStarted, ConversationEvent.SyncFinished, ConversationEvent.SyncFailed -> {
                    return
                }
            }
        mutableSeen.update { it.copy(conversations = it.conversations + changed.associateBy { row -> row.conversationId }) }
    }
}
