// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.HistoryOption
import im.hongyan.ffi.MessageSearchParam
import kotlinx.coroutines.flow.Flow
import im.hongyan.ffi.MessageManager as NativeMessageManager

/**
 * The user's messages: [ImClient.messages]. Every method may also throw an [ImException] with 6013 once the client is
 * closed.
 *
 * ```
 * val sent = client.messages.sendC2cTextMessage("hello", userId = "bob")
 * val before = client.messages.getC2cHistoryMessageList("bob", lastMessageId = sent.messageId)
 * ```
 */
public class MessageManager internal constructor(
    private val native: NativeMessageManager,
    private val listening: Listening,
) {
    /**
     * What happens to messages, in order, whole batches at a time.
     *
     * Every collection is a subscription of its own that begins when collecting does and ends with it. It is
     * collected on the collector's own dispatcher. While one batch waits for a slow collector, the
     * other listeners of its client wait as well, and no message is lost. The flow completes when the client is closed; collecting
     * from a closed client throws an [ImException] with 6013.
     */
    public val events: Flow<MessageEvent> =
        listening.flow { stream -> subscribe(MessageEvents(stream::emit), stream) }

    /**
     * Makes a text message; nothing is stored or sent.
     *
     * @throws ImException 6016 for text with NUL, 8001 for more than 12 KiB of UTF-8.
     */
    public fun createTextMessage(text: String): OutgoingMessage = mapped { native.createTextMessage(text) }

    /**
     * Makes a message of bytes that only the app understands; nothing is stored or sent.
     *
     * @param description The text of a push notice.
     * @param extension A further field for the app.
     * @throws ImException 6016 for text with NUL, 8001 for more than 12 KiB together.
     */
    public fun createCustomMessage(
        data: ByteArray,
        description: String = "",
        extension: String = "",
    ): OutgoingMessage = mapped { native.createCustomMessage(data, description, extension) }

    /**
     * Sends a message.
     *
     * The message is stored first, as [MessageStatus.SENDING], survives a kill of the app, and goes out in the order of the
     * calls of its conversation. The call returns when the server has stored it. Without a connection it waits for one,
     * for 60 seconds while the user is logged in. After an error the message stays as [MessageStatus.FAILED] with its
     * code, for [resendMessage]; errors before storing (those of bad input, 6014, 6022, 9507) leave nothing behind. Where the
     * coroutine is cancelled, the sending itself goes on.
     *
     * Listeners hear [AdvancedMsgListener.onMessageStatusChanged] (never [AdvancedMsgListener.onRecvNewMessage]) and
     * [ConversationListener.onConversationChanged] or [ConversationListener.onNewConversation].
     *
     * @param message A message that was not sent yet.
     * @param conversationId `c2c_<userID>` or `group_<groupID>`.
     * @return The message at its place in the conversation.
     * @throws ImException 6004 for a bad conversation id, 6012 and 9508 at the deadline (without and with a lost
     *   connection), 6014 when not logged in, 6016 and 6017 for bad elements or an id that was sent before, 6022 where the
     *   disk is full, 7009 when the session ended meanwhile (the message waits for the next login), 8001 for more than 12
     *   KiB, 9507 where 10,000 wait already; from the server 10007 for a group that the user is not in, 10010 for no such
     *   group, 20003 for no such user.
     */
    public suspend fun sendMessage(
        message: OutgoingMessage,
        conversationId: String,
    ): Message = awaited { native.sendMessage(message, conversationId) }

    /**
     * Sends a message that failed again, under the same id: if the server has it after all, it is there once. Effect,
     * events and codes are those of [sendMessage].
     *
     * @throws ImException 7014 for a message that did not fail or does not exist, and as for [sendMessage].
     */
    public suspend fun resendMessage(messageId: String): Message = awaited { native.resendMessage(messageId) }

    /**
     * Sends a text to a user: [createTextMessage] and [sendMessage] in one.
     *
     * @throws ImException 7003 for a bad user id, and as for [createTextMessage] and [sendMessage].
     */
    public suspend fun sendC2cTextMessage(
        text: String,
        userId: String,
    ): Message = awaited { native.sendC2cTextMessage(text, userId) }

    /**
     * Sends bytes to a user: [createCustomMessage] and [sendMessage] in one.
     *
     * @throws ImException 7003 for a bad user id, and as for [createCustomMessage] and [sendMessage].
     */
    public suspend fun sendC2cCustomMessage(
        data: ByteArray,
        userId: String,
    ): Message = awaited { native.sendC2cCustomMessage(data, userId) }

    /**
     * Sends a text to a group: [createTextMessage] and [sendMessage] in one.
     *
     * @throws ImException 8501 for a bad group id, and as for [createTextMessage] and [sendMessage].
     */
    public suspend fun sendGroupTextMessage(
        text: String,
        groupId: String,
        priority: MessagePriority = MessagePriority.DEFAULT,
    ): Message = awaited { native.sendGroupTextMessage(text, groupId, priority) }

    /**
     * Sends bytes to a group: [createCustomMessage] and [sendMessage] in one.
     *
     * @throws ImException 8501 for a bad group id, and as for [createCustomMessage] and [sendMessage].
     */
    public suspend fun sendGroupCustomMessage(
        data: ByteArray,
        groupId: String,
        priority: MessagePriority = MessagePriority.DEFAULT,
    ): Message = awaited { native.sendGroupCustomMessage(data, groupId, priority) }

    /**
     * Reads a page of a conversation's history, either way. No listener hears of what is read.
     *
     * From [HistorySource.CLOUD], what this device lacks is fetched and kept; where the server cannot be reached, or
     * nobody is logged in, the page is what this device has. So it is, as all there is, where the server refuses: what
     * was fetched of a group that the user has left stays readable here. What was not sent stands among the messages at
     * the place where it was written.
     *
     * @param conversationId `c2c_<userID>` or `group_<groupID>`.
     * @param count How many messages at the most, 1 to 200. About 20 fill a screen.
     * @param lastMessageId The message after which the reading starts; it is not part of the page. It goes before
     *   [lastMessageSeq].
     * @param lastMessageSeq The sequence at which the reading starts; it is part of the page. Without it, and without
     *   [lastMessageId], the reading starts at the conversation's end, or, for newer messages, its beginning.
     * @throws ImException 6004 for a bad conversation id, 6014 where no user's data is open, 6017 for a bad count or a
     *   last message that is not on this device; where nothing of the conversation is on this device, 10007 for a group
     *   that the user is not in, 10010 for no such group, 20003 for no such user; 6001 where what is kept here proved to
     *   be of another server: it is being loaded anew, and the page is to be asked for again.
     */
    public suspend fun getHistoryMessageList(
        conversationId: String,
        direction: HistoryDirection = HistoryDirection.OLDER,
        source: HistorySource = HistorySource.CLOUD,
        count: Int = 20,
        lastMessageId: String? = null,
        lastMessageSeq: Long? = null,
    ): HistoryPage =
        awaited {
            native.getHistoryMessageList(
                HistoryOption(
                    conversationId = conversationId,
                    direction = direction,
                    source = source,
                    count = count,
                    lastMessageId = lastMessageId,
                    lastMessageSeq = lastMessageSeq,
                ),
            )
        }

    /**
     * Reads older messages with a user from the cloud, newest first; see [getHistoryMessageList].
     *
     * @param lastMessageId The message before which the page ends; null for the conversation's end.
     * @throws ImException 7003 for a bad user id, and as for [getHistoryMessageList].
     */
    public suspend fun getC2cHistoryMessageList(
        userId: String,
        count: Int = 20,
        lastMessageId: String? = null,
    ): HistoryPage = awaited { native.getC2cHistoryMessageList(userId, count, lastMessageId) }

    /**
     * Reads older messages of a group from the cloud, newest first; see [getHistoryMessageList].
     *
     * @param lastMessageId The message before which the page ends; null for the conversation's end.
     * @throws ImException 8501 for a bad group id, and as for [getHistoryMessageList].
     */
    public suspend fun getGroupHistoryMessageList(
        groupId: String,
        count: Int = 20,
        lastMessageId: String? = null,
    ): HistoryPage = awaited { native.getGroupHistoryMessageList(groupId, count, lastMessageId) }

    /**
     * Finds messages on this device by their ids, in the order asked for; those that are not there are left out. It
     * works offline.
     *
     * @param messageIds At most 1000.
     * @throws ImException 6014 where no user's data is open, 6017 for an id of no form or too many of them.
     */
    public suspend fun findMessages(messageIds: List<String>): List<Message> = awaited { native.findMessages(messageIds) }

    /**
     * Searches the messages on this device by words, senders, types and time; what was never fetched is not found. It works
     * offline. Tips of groups are not found, messages that wait or failed are.
     *
     * A keyword is found where its words follow each other, whatever stands between them that is no letter, digit or
     * emoji. Its last word may be the beginning of a longer one: `hel` finds `Hello`, `ell` does not. In Chinese, Japanese,
     * Korean, Thai and other scripts without blanks, and among emoji, each character is a word, so that any part of a text
     * is found. Case, width and the accents of Latin, modern Greek and Russian letters make no difference.
     *
     * After an update from a version without search, the first search waits until what is stored was made ready.
     *
     * @param keywordList What is looked for in texts, and in the descriptions of custom elements: at most 5 keywords of 512
     *   bytes. It may be empty only where senders or types are named. A keyword without a letter, digit or emoji is found in
     *   no message.
     * @param keywordListMatchType Whether one of the keywords is enough.
     * @param senderUserIdList Users of whom one sent it, at most 5; empty for anybody. The user may be among them.
     * @param messageTypeList Kinds of which it has an element; empty for both.
     * @param conversationId The conversation that it is in: `c2c_<userID>` or `group_<groupID>`; null for all.
     * @param searchTimePositionMs The latest time that it may be of, in milliseconds since 1970; 0 for now. The same time for
     *   every page keeps what arrives meanwhile from moving the pages.
     * @param searchTimePeriodMs How long before that at the most, in milliseconds; 0 for any time.
     * @param pageIndex Which page is asked for, the first is 0.
     * @param pageSize How many messages of one conversation, or how many conversations, a page has at the most, 1 to 100.
     * @return The messages of one conversation, newest first; of all conversations those that have some, each with the
     *   number of messages, and with the message itself where it is exactly one.
     * @throws ImException 6004 for a bad conversation id, 6014 where no user's data is open, 6017 where nothing is looked
     *   for, for too many or too long keywords, too many senders, a time before 1970 or a bad page, 6022 where the disk is full
     *   while what is stored is made ready, 7003 for a bad user id.
     */
    public suspend fun searchLocalMessages(
        keywordList: List<String>,
        keywordListMatchType: KeywordListMatchType = KeywordListMatchType.OR,
        senderUserIdList: List<String> = emptyList(),
        messageTypeList: List<MessageType> = emptyList(),
        conversationId: String? = null,
        searchTimePositionMs: Long = 0,
        searchTimePeriodMs: Long = 0,
        pageIndex: Int = 0,
        pageSize: Int = 20,
    ): MessageSearchResult =
        awaited {
            native.searchLocalMessages(
                MessageSearchParam(
                    keywordList = keywordList,
                    keywordListMatchType = keywordListMatchType,
                    senderUserIdList = senderUserIdList,
                    messageTypeList = messageTypeList,
                    conversationId = conversationId,
                    searchTimePositionMs = searchTimePositionMs,
                    searchTimePeriodMs = searchTimePeriodMs,
                    pageIndex = pageIndex,
                    pageSize = pageSize,
                ),
            )
        }

    /**
     * Has a listener hear of messages until the subscription is cancelled or the client is closed.
     *
     * @throws ImException 6013 once the client is closed.
     */
    public fun addAdvancedMsgListener(listener: AdvancedMsgListener): Subscription = subscribe(listener, listening.newDelivery())

    private fun subscribe(
        listener: AdvancedMsgListener,
        delivery: Delivery,
    ): Subscription = listening.subscribe(delivery) { native.addAdvancedMsgListener(AdvancedMsgListenerAdapter(listener, delivery)) }

    internal fun release(): Unit = native.destroy()
}
