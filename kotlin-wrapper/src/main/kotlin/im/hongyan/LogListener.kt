// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.LogListener as NativeLogListener

/** Hears the SDK's own log; see [ImClientConfig.logListener]. */
public fun interface LogListener {
    /**
     * A line of the log, without its time. Lines may be left out where the app takes them too slowly; the log file has
     * them. Called on the client's own thread: a slow one delays the client's events.
     */
    public fun onLog(
        level: LogLevel,
        text: String,
    )
}

/** The listener as the native side knows it. */
internal class LogListenerAdapter(
    private val listener: LogListener,
    private val delivery: Delivery,
) : NativeLogListener {
    override fun onLog(
        level: LogLevel,
        text: String,
    ): Unit = delivery.deliver { listener.onLog(level, text) }
}
