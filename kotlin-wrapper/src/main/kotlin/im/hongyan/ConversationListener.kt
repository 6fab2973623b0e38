// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.ConversationListener as NativeConversationListener

/**
 * Hears of conversations; see [ConversationManager.addConversationListener]. Every method does nothing unless it is
 * overridden. The methods of all listeners of a client are called one after another, on its own thread or on
 * [ImClientConfig.eventDispatcher]; every method of the SDK may be used inside.
 */
public interface ConversationListener {
    /** The SDK begins to bring the conversations up to date with the server. */
    public fun onSyncServerStart() {}

    /** The conversations are up to date. */
    public fun onSyncServerFinish() {}

    /** The conversations could not be brought up to date; the SDK tries again by itself. */
    public fun onSyncServerFailed() {}

    /** Conversations appeared. */
    public fun onNewConversation(conversations: List<Conversation>) {}

    /** Conversations changed: a message, the number of unread ones, a name, a draft. */
    public fun onConversationChanged(conversations: List<Conversation>) {}

    /** The number of unread messages of all conversations together changed. */
    public fun onTotalUnreadMessageCountChanged(totalUnreadCount: Long) {}
}

/** The listener as the native side knows it. */
internal class ConversationListenerAdapter(
    private val listener: ConversationListener,
    private val delivery: Delivery,
) : NativeConversationListener {
    override fun onSyncServerStart(): Unit = delivery.deliver { listener.onSyncServerStart() }

    override fun onSyncServerFinish(): Unit = delivery.deliver { listener.onSyncServerFinish() }

    override fun onSyncServerFailed(): Unit = delivery.deliver { listener.onSyncServerFailed() }

    override fun onNewConversation(conversations: List<Conversation>): Unit = delivery.deliver { listener.onNewConversation(conversations) }

    override fun onConversationChanged(conversations: List<Conversation>): Unit =
        delivery.deliver { listener.onConversationChanged(conversations) }

    override fun onTotalUnreadMessageCountChanged(totalUnreadCount: Long): Unit =
        delivery.deliver { listener.onTotalUnreadMessageCountChanged(totalUnreadCount) }
}
