// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.Subscription as NativeSubscription

/**
 * What every `add…Listener` gives. The listener is called until [cancel], or until the client is closed; letting go
 * of the subscription does nothing.
 */
public class Subscription internal constructor(
    private val native: NativeSubscription,
    private val delivery: Delivery,
    private val forget: (Subscription) -> Unit,
) {
    /**
     * Ends the calls and lets go of the listener: once this has returned, no further call begins. A call that has begun on
     * another thread is waited for, 250 milliseconds at the most; one that takes longer ends by itself, and it is the last.
     * It may be called from any thread, inside a call of the listener itself, and more than once. On a closed client it
     * does nothing.
     */
    public fun cancel() {
        // First: the SDK's thread may be waiting for the very thread that cancels.
        delivery.end()
        try {
            native.cancel()
        } catch (_: IllegalStateException) {
            // It was let go of, hence cancelled before.
        }
        native.destroy()
        forget(this)
    }

    /** What is left to do when the client itself was shut down. */
    internal fun release(): Unit = native.destroy()

    /** Ends what goes on in the app; the native side ends with the client. */
    internal fun end(): Unit = delivery.end()
}
