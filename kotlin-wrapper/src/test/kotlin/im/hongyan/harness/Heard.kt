// SPDX-License-Identifier: Apache-2.0
package im.hongyan.harness

import im.hongyan.AdvancedMsgListener
import im.hongyan.Conversation
import im.hongyan.ConversationEvent
import im.hongyan.ConversationListener
import im.hongyan.Message
import im.hongyan.MessageEvent
import im.hongyan.MessageReceipt
import im.hongyan.SdkEvent
import im.hongyan.SdkListener
import im.hongyan.UserInfo
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch

/** Keeps what was heard, in order, so that a test can wait for it. */
class Heard<T : Any> {
    private val all = MutableStateFlow(emptyList<T>())

    /** All until now. */
    val events: List<T> get() = all.value

    fun note(event: T) = all.update { it + event }

    /** Waits until [pick] finds in all that was heard what it looks for. */
    suspend fun <R : Any> await(
        what: String,
        pick: (List<T>) -> R?,
    ): R = within(what) { all.mapNotNull { pick(it) }.first() }

    /** Waits for one event after the first [seen]. */
    suspend fun awaitOne(
        what: String,
        seen: Int = 0,
        isIt: (T) -> Boolean,
    ): T = await(what) { events -> events.drop(seen).firstOrNull(isIt) }
}

/** Waits for an event of a kind. */
suspend inline fun <reified E : Any> Heard<*>.awaitFirst(what: String): E =
    await(what) { events -> events.firstNotNullOfOrNull { it as? E } }

/** Waits for so many texts from others, and gives them in the order of their coming. */
suspend fun Heard<MessageEvent>.awaitTexts(count: Int): List<String> = awaitMessages(count).map { it.text() }

/** Waits for so many messages with a text from others, and gives them in the order of their coming. */
suspend fun Heard<MessageEvent>.awaitMessages(count: Int): List<Message> =
    await("$count texts") { events -> events.newTexts().takeIf { it.size >= count } }

/** The messages with a text among new ones; those of a group begin with a tip, which has none. */
fun List<MessageEvent>.newTexts(): List<Message> =
    filterIsInstance<MessageEvent.NewMessages>().flatMap { it.messages }.filter { it.hasText() }

/** Collects a flow beside the test. Its subscription stands when this returns. */
fun <T : Any> CoroutineScope.hear(
    flow: Flow<T>,
    heard: Heard<T> = Heard(),
): HeardFlow<T> = HeardFlow(heard, launch(start = CoroutineStart.UNDISPATCHED) { flow.collect(heard::note) })

/** What a flow gave until now, and the job that collects it. */
class HeardFlow<T : Any>(
    val heard: Heard<T>,
    val job: Job,
)

/** A listener of all kinds that keeps what it hears as the flows give it. */
class Recorder :
    SdkListener,
    AdvancedMsgListener,
    ConversationListener {
    val sdk = Heard<SdkEvent>()
    val messages = Heard<MessageEvent>()
    val conversations = Heard<ConversationEvent>()

    override fun onConnecting() = sdk.note(SdkEvent.Connecting)

    override fun onConnectSuccess() = sdk.note(SdkEvent.ConnectSuccess)

    override fun onConnectFailed(
        code: Int,
        detail: String,
    ) = sdk.note(SdkEvent.ConnectFailed(code, detail))

    override fun onKickedOffline() = sdk.note(SdkEvent.KickedOffline)

    override fun onUserSigExpired() = sdk.note(SdkEvent.UserSigExpired)

    override fun onSelfInfoUpdated(info: UserInfo) = sdk.note(SdkEvent.SelfInfoUpdated(info))

    override fun onRecvNewMessage(messages: List<Message>) = this.messages.note(MessageEvent.NewMessages(messages))

    override fun onRecvC2cReadReceipt(receipts: List<MessageReceipt>) = messages.note(MessageEvent.ReadReceipts(receipts))

    override fun onMessageStatusChanged(messages: List<Message>) = this.messages.note(MessageEvent.StatusChanged(messages))

    override fun onSyncServerStart() = conversations.note(ConversationEvent.SyncStarted)

    override fun onSyncServerFinish() = conversations.note(ConversationEvent.SyncFinished)

    override fun onSyncServerFailed() = conversations.note(ConversationEvent.SyncFailed)

    override fun onNewConversation(conversations: List<Conversation>) = this.conversations.note(ConversationEvent.New(conversations))

    override fun onConversationChanged(conversations: List<Conversation>) =
        this.conversations.note(ConversationEvent.Changed(conversations))

    override fun onTotalUnreadMessageCountChanged(totalUnreadCount: Long) =
        conversations.note(ConversationEvent.TotalUnreadCount(totalUnreadCount))
}
