// SPDX-License-Identifier: Apache-2.0
package im.hongyan.harness

import im.hongyan.Conversation
import im.hongyan.ConversationEvent
import im.hongyan.HistoryDirection
import im.hongyan.HistorySource
import im.hongyan.ImClient
import im.hongyan.ImClientConfig
import im.hongyan.Message
import im.hongyan.Platform
import kotlinx.coroutines.CoroutineDispatcher
import java.io.File
import java.nio.file.Files

/** A user's device: a client in a folder of its own, with a listener that keeps what it hears. */
class Device(
    private val server: ServerProcess,
    val user: String,
    platform: Platform,
    eventDispatcher: CoroutineDispatcher?,
) {
    private val folder: File = Files.createTempDirectory("hongyan-client").toFile()
    private val recorder = Recorder()

    /** What listeners threw. */
    val thrown = Heard<Throwable>()

    val client =
        ImClient(
            ImClientConfig(
                sdkAppId = server.sdkAppId,
                serverUrl = server.url,
                dataFolder = folder.path,
                platform = platform,
                eventDispatcher = eventDispatcher,
                uncaughtListenerError = thrown::note,
            ),
        )

    /** The same events by flow. */
    val messageFlow get() = client.messages.events

    /** What the listener heard of the connection. */
    val sdk get() = recorder.sdk

    /** What the listener heard of messages. */
    val messages get() = recorder.messages

    /** What the listener heard of conversations. */
    val conversations get() = recorder.conversations

    init {
        client.addSdkListener(recorder)
        client.messages.addAdvancedMsgListener(recorder)
        client.conversations.addConversationListener(recorder)
    }

    /** Logs in and waits until the conversations are up to date. */
    suspend fun login() {
        val seen = conversations.events.size
        within("the login of $user") { client.login(user, server.userSig(user)) }
        conversations.awaitOne("a sync of $user", seen) { it == ConversationEvent.SyncFinished }
    }

    /** Makes a Work group of this user and others, and gives its id. */
    suspend fun createGroup(
        name: String,
        members: List<Device>,
    ): String =
        within("a new group") {
            client.groups.createGroup(groupName = name, memberList = members.map { it.user })
        }

    suspend fun send(
        text: String,
        conversationId: String,
    ): Message {
        val message = client.messages.createTextMessage(text)
        return within("the end of a send") { client.messages.sendMessage(message, conversationId) }
    }

    suspend fun sendAll(
        texts: List<String>,
        conversationId: String,
    ): List<Message> = texts.map { send(it, conversationId) }

    /** The texts of a conversation, oldest first, with what only the server holds. */
    suspend fun history(conversationId: String): List<Message> =
        historyPages(conversationId, HistoryDirection.NEWER).flatten().filter { it.hasText() }

    /** All pages of a conversation, one way. */
    suspend fun historyPages(
        conversationId: String,
        direction: HistoryDirection,
        count: Int = 100,
    ): List<List<Message>> {
        val pages = mutableListOf<List<Message>>()
        var last: String? = null
        do {
            val page =
                within("a page of history") {
                    client.messages.getHistoryMessageList(
                        conversationId,
                        direction,
                        HistorySource.CLOUD,
                        count = count,
                        lastMessageId = last,
                    )
                }
            pages += page.messages
            last = page.messages.lastOrNull()?.messageId
        } while (!page.isFinished)
        return pages
    }

    /** Waits for the event of a conversation that is as it should be. */
    suspend fun awaitConversation(
        what: String,
        isIt: (Conversation) -> Boolean,
    ): Conversation = conversations.await(what) { events -> events.flatMap { it.told() }.firstOrNull(isIt) }

    /** The first hundred conversations of the list. */
    suspend fun listed(): List<Conversation> = within("the list") { client.conversations.getConversationList().conversations }

    suspend fun conversation(id: String): Conversation = within("a conversation") { client.conversations.getConversation(id) }

    /** Ends the client and removes its data. */
    suspend fun close() {
        within("the end of a client") { client.close() }
        folder.deleteRecursively()
    }
}

/** A client without listeners, in a folder that ends with this JVM. */
fun clientOf(
    server: ServerProcess,
    url: String = server.url,
    extraRootCertificates: String = "",
): ImClient {
    val folder = Files.createTempDirectory("hongyan-client").toFile()
    Runtime.getRuntime().addShutdownHook(Thread { folder.deleteRecursively() })
    return ImClient(
        ImClientConfig(
            sdkAppId = server.sdkAppId,
            serverUrl = url,
            dataFolder = folder.path,
            extraRootCertificates = extraRootCertificates,
        ),
    )
}

private fun ConversationEvent.told(): List<Conversation> =
    when (this) {
        is ConversationEvent.New -> conversations
        is ConversationEvent.Changed -> conversations
        else -> emptyList()
    }
