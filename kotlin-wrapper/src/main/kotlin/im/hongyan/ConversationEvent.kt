// SPDX-License-Identifier: Apache-2.0
package im.hongyan

/** What [ConversationManager.events] tells: conversations. */
public sealed class ConversationEvent {
    /** The SDK begins to bring the conversations up to date with the server. */
    public data object SyncStarted : ConversationEvent()

    /** The conversations are up to date. */
    public data object SyncFinished : ConversationEvent()

    /** The conversations could not be brought up to date; the SDK tries again by itself. */
    public data object SyncFailed : ConversationEvent()

    /**
     * Conversations appeared.
     *
     * @property conversations The conversations, at least one.
     */
    public data class New(
        val conversations: List<Conversation>,
    ) : ConversationEvent()

    /**
     * Conversations changed: a message, the number of unread ones, a name, a draft.
     *
     * @property conversations The conversations as they are now, at least one.
     */
    public data class Changed(
        val conversations: List<Conversation>,
    ) : ConversationEvent()

    /**
     * The number of unread messages of all conversations together changed.
     *
     * @property totalUnreadCount The number as it is now.
     */
    public data class TotalUnreadCount(
        val totalUnreadCount: Long,
    ) : ConversationEvent()
}

/** Makes events of a listener's calls. */
internal class ConversationEvents(
    private val emit: (ConversationEvent) -> Unit,
) : ConversationListener {
    override fun onSyncServerStart(): Unit = emit(ConversationEvent.SyncStarted)

    override fun onSyncServerFinish(): Unit = emit(ConversationEvent.SyncFinished)

    override fun onSyncServerFailed(): Unit = emit(ConversationEvent.SyncFailed)

    override fun onNewConversation(conversations: List<Conversation>): Unit = emit(ConversationEvent.New(conversations))

    override fun onConversationChanged(conversations: List<Conversation>): Unit = emit(ConversationEvent.Changed(conversations))

    override fun onTotalUnreadMessageCountChanged(totalUnreadCount: Long): Unit = emit(ConversationEvent.TotalUnreadCount(totalUnreadCount))
}
