// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import kotlinx.coroutines.flow.Flow
import im.hongyan.ffi.ConversationManager as NativeConversationManager

/**
 * The user's conversations: [ImClient.conversations].
 *
 * The list is kept on this device and can be read without a connection, and, after [ImClient.initLocalStorage], before
 * login. Every method may also throw an [ImException] with 6013 once the client is closed.
 */
public class ConversationManager internal constructor(
    private val native: NativeConversationManager,
    private val listening: Listening,
) {
    /**
     * What happens to conversations, in order, whole batches at a time.
     *
     * Every collection is a subscription of its own that begins when collecting does and ends with it. It is
     * collected on the collector's own dispatcher. While one batch waits for a slow collector, the
     * other listeners of its client wait as well, and each one's last state is told. The flow completes when the client is closed;
     * collecting from a closed client throws an [ImException] with 6013.
     */
    public val events: Flow<ConversationEvent> =
        listening.flow { stream -> subscribe(ConversationEvents(stream::emit), stream) }

    /**
     * Reads a page of the list from this device: highest [Conversation.orderKey] first, equal ones by id. It works
     * offline.
     *
     * @param cursor The [ConversationPage.nextCursor] of the page before; null for the first page.
     * @param count How many conversations at the most, 1 to 1000.
     * @throws ImException 6014 where no user's data is open, 6017 for a bad cursor or count.
     */
    public suspend fun getConversationList(
        cursor: String? = null,
        count: Int = 100,
    ): ConversationPage = awaited { native.getConversationList(cursor, count) }

    /**
     * Reads one conversation from this device, whether the list shows it or not. It works offline.
     *
     * @param conversationId `c2c_<userID>` or `group_<groupID>`.
     * @throws ImException 6004 for an id of neither form or a conversation that this device does not know, 6014 where
     *   no user's data is open.
     */
    public suspend fun getConversation(conversationId: String): Conversation = awaited { native.getConversation(conversationId) }

    /**
     * How many messages are unread in all conversations together, as this device knows. It works offline.
     *
     * @throws ImException 6014 where no user's data is open.
     */
    public suspend fun getTotalUnreadMessageCount(): Long = awaited { native.getTotalUnreadMessageCount() }

    /**
     * Marks messages as read, on all devices of the user. A read position never moves back. It needs a connection.
     *
     * Listeners hear [ConversationListener.onConversationChanged] and
     * [ConversationListener.onTotalUnreadMessageCountChanged]; the other user of a one-to-one conversation hears
     * [AdvancedMsgListener.onRecvC2cReadReceipt].
     *
     * @param conversationId One conversation, or `c2c` for all one-to-one conversations, `group` for all groups, empty
     *   for all.
     * @param cleanTimestampMs Up to and with which time a one-to-one conversation is read: the server's, in
     *   milliseconds since 1970. 0 is everything, which is the only choice for several.
     * @param cleanSequence Up to and with which sequence a group is read. 0 is everything, which is the only choice for
     *   several.
     * @throws ImException 9508 without a connection, 6012 at the deadline of 30 seconds, 6004 for an id of no form, 6014
     *   when not logged in, 6017 for negative numbers or a position with several conversations.
     */
    public suspend fun cleanConversationUnreadMessageCount(
        conversationId: String,
        cleanTimestampMs: Long = 0,
        cleanSequence: Long = 0,
    ): Unit = awaited { native.cleanConversationUnreadMessageCount(conversationId, cleanTimestampMs, cleanSequence) }

    /**
     * Keeps a text that is being written, on this device only. It raises the conversation in the list of this device.
     * It works offline.
     *
     * Listeners hear [ConversationListener.onConversationChanged], or [ConversationListener.onNewConversation] of one
     * that was not in the list.
     *
     * @param draft The text, at most 64 KiB of UTF-8; null or an empty one clears it.
     * @throws ImException 6004 for an id of neither form, 6014 where no user's data is open, 6017 for a draft that is too
     *   long, 6022 where the disk is full.
     */
    public suspend fun setConversationDraft(
        conversationId: String,
        draft: String?,
    ): Unit = awaited { native.setConversationDraft(conversationId, draft) }

    /**
     * Has a listener hear of conversations until the subscription is cancelled or the client is closed.
     *
     * @throws ImException 6013 once the client is closed.
     */
    public fun addConversationListener(listener: ConversationListener): Subscription = subscribe(listener, listening.newDelivery())

    private fun subscribe(
        listener: ConversationListener,
        delivery: Delivery,
    ): Subscription = listening.subscribe(delivery) { native.addConversationListener(ConversationListenerAdapter(listener, delivery)) }

    internal fun release(): Unit = native.destroy()
}
