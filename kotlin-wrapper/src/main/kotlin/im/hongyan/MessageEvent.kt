// SPDX-License-Identifier: Apache-2.0
package im.hongyan

/** What [MessageManager.events] tells: messages. */
public sealed class MessageEvent {
    /**
     * New messages: of others, and of the user's own other devices; never those that were sent from here. Within a
     * conversation they come in its order, each of them once at the most: what waits to be told when the user logs out
     * or the app is stopped is not told later. It is in the history.
     *
     * @property messages The messages, at least one.
     */
    public data class NewMessages(
        val messages: List<Message>,
    ) : MessageEvent()

    /**
     * The other users of one-to-one conversations have read further.
     *
     * @property receipts How far, at least one.
     */
    public data class ReadReceipts(
        val receipts: List<MessageReceipt>,
    ) : MessageEvent()

    /**
     * The status of messages that are sent from here: sending, from when they are stored; then sent or failed. Also of
     * those that an earlier run of the app left in the outbox. A status may be told twice, and one that has passed by then
     * is not told.
     *
     * @property messages The messages as they are now, at least one.
     */
    public data class StatusChanged(
        val messages: List<Message>,
    ) : MessageEvent()
}

/** Makes events of a listener's calls. */
internal class MessageEvents(
    private val emit: (MessageEvent) -> Unit,
) : AdvancedMsgListener {
    override fun onRecvNewMessage(messages: List<Message>): Unit = emit(MessageEvent.NewMessages(messages))

    override fun onRecvC2cReadReceipt(receipts: List<MessageReceipt>): Unit = emit(MessageEvent.ReadReceipts(receipts))

    override fun onMessageStatusChanged(messages: List<Message>): Unit = emit(MessageEvent.StatusChanged(messages))
}
