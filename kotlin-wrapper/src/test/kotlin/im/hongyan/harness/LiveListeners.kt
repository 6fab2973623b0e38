// SPDX-License-Identifier: Apache-2.0
package im.hongyan.harness

import im.hongyan.ffi.FfiConverterTypeAdvancedMsgListener
import im.hongyan.ffi.FfiConverterTypeConversationListener
import im.hongyan.ffi.FfiConverterTypeSdkListener

/** What the native side holds of this side: seen in no other way, and the only look below the public names. */
object LiveListeners {
    /** The listeners of all clients that are open. */
    fun count(): Int =
        FfiConverterTypeSdkListener.handleMap.size +
            FfiConverterTypeAdvancedMsgListener.handleMap.size +
            FfiConverterTypeConversationListener.handleMap.size
}
