// SPDX-License-Identifier: Apache-2.0
package im.hongyan

/**
 * Hears the replies and events of a [Bridge], one after another on one thread of its own; every method of the bridge may be
 * used inside. What is thrown goes to the `java.util.logging` logger `im.hongyan`, and the next reply or event comes.
 */
public interface BridgeListener {
    /**
     * The reply to a call: `{"code":0,"desc":"","data":…}`, or `{"code":6014,"desc":"…","isRetryable":false}`. Each call
     * has exactly one.
     */
    public fun onReply(
        callId: Long,
        reply: String,
    )

    /** An event: `{"listener":"V2TIMAdvancedMsgListener","event":"onRecvNewMessage","data":…}`. */
    public fun onEvent(event: String)
}

/** The listener as the native side knows it. */
internal class BridgeListenerAdapter(
    private val listener: BridgeListener,
) : im.hongyan.ffi.BridgeListener {
    private val guard = ListenerGuard(::logUncaught)

    override fun onReply(
        callId: Long,
        reply: String,
    ): Unit = guard.run { listener.onReply(callId, reply) }

    override fun onEvent(event: String): Unit = guard.run { listener.onEvent(event) }
}
