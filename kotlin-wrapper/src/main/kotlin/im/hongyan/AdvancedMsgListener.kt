// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.AdvancedMsgListener as NativeAdvancedMsgListener

/**
 * Hears of messages; see [MessageManager.addAdvancedMsgListener]. Every method does nothing unless it is overridden.
 * The methods of all listeners of a client are called one after another, on its own thread or on
 * [ImClientConfig.eventDispatcher]; every method of the SDK may be used inside.
 */
public interface AdvancedMsgListener {
    /**
     * New messages: of others, and of the user's own other devices; never those that were sent from here. Within a
     * conversation they come in its order, each of them once at the most: what waits to be told when the user logs out
     * or the app is stopped is not told later. It is in the history.
     */
    public fun onRecvNewMessage(messages: List<Message>) {}

    /** The other users of one-to-one conversations have read further. */
    public fun onRecvC2cReadReceipt(receipts: List<MessageReceipt>) {}

    /**
     * The status of messages that are sent from here: sending, from when they are stored; then sent or failed. Also of
     * those that an earlier run of the app left in the outbox. A status may be told twice, and one that has passed by then
     * is not told.
     */
    public fun onMessageStatusChanged(messages: List<Message>) {}
}

/** The listener as the native side knows it. */
internal class AdvancedMsgListenerAdapter(
    private val listener: AdvancedMsgListener,
    private val delivery: Delivery,
) : NativeAdvancedMsgListener {
    override fun onRecvNewMessage(messages: List<Message>): Unit = delivery.deliver { listener.onRecvNewMessage(messages) }

    override fun onRecvC2cReadReceipt(receipts: List<MessageReceipt>): Unit = delivery.deliver { listener.onRecvC2cReadReceipt(receipts) }

    override fun onMessageStatusChanged(messages: List<Message>): Unit = delivery.deliver { listener.onMessageStatusChanged(messages) }
}
