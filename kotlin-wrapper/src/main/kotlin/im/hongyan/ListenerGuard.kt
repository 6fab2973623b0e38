// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import java.util.logging.Level
import java.util.logging.Logger

/** Calls the app's code from the SDK's: what it throws would otherwise end up in native code. */
internal class ListenerGuard(
    private val uncaught: (Throwable) -> Unit,
) {
    /** Makes the call. What is thrown goes to the app's handler, and what that one throws to the log. */
    fun run(call: () -> Unit) {
        try {
            call()
        } catch (thrown: Throwable) {
            try {
                uncaught(thrown)
            } catch (again: Throwable) {
                logUncaught(again)
            }
        }
    }
}

/** Writes what a listener threw to the platform's log. */
internal fun logUncaught(thrown: Throwable): Unit = Logger.getLogger("im.hongyan").log(Level.SEVERE, "a listener threw", thrown)
