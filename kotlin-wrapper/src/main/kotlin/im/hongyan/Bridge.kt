// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.Bridge as NativeBridge

/**
 * A client behind JSON, for Java and for all who know the Tencent Cloud IM SDK (V2TIM): its methods and events under their
 * native names and numbers. The page of the bridge, docs/bridge.md, lists them. In Kotlin, [ImClient] is the better choice.
 *
 * ```
 * Bridge bridge = new Bridge(config, listener);
 * bridge.call(1, "{\"method\":\"login\",\"params\":{\"userID\":\"alice\",\"userSig\":\"…\"}}");
 * ```
 *
 * All methods may be called from any thread, also from inside the listener, and return at once. The app keeps the bridge for
 * as long as it is used, and ends it with [close].
 *
 * @param config In JSON, such as `{"sdkAppID":1400000001,"serverURL":"http://127.0.0.1:8080","dataFolder":"/data/im"}`.
 * @throws ImException From the constructor: 6027 for text that is no JSON, 6017 for a field that is missing, unknown or not
 *   valid, 6029 for an unencrypted server that was not allowed, 6022 for a data folder that cannot be used. Nothing is
 *   connected yet.
 */
public class Bridge
    @Throws(ImException::class)
    constructor(
        config: String,
        listener: BridgeListener,
    ) : AutoCloseable {
        private val native = newNative(config, listener)

        /**
         * Makes a call: `{"method":"sendMessage","params":{…}}`. The reply comes to the listener, exactly once, under the
         * call id, which is the app's own to choose; the codes of the bridge's page are in it. Messages go out in the order
         * of the calls that send them.
         *
         * @throws ImException 6013 once the bridge is closed, 6017 where the text has half a surrogate pair. Such a call has
         *   no reply.
         */
        @Throws(ImException::class)
        public fun call(
            callId: Long,
            request: String,
        ): Unit = mapped { native.call(callId, request) }

        /**
         * Makes a call that never waits and gives its reply: those that the bridge's page marks so, such as
         * `getLoginStatus` and `createTextMessage`.
         *
         * @throws ImException 6013 once the bridge is closed, 6017 where the text has half a surrogate pair.
         */
        @Throws(ImException::class)
        public fun callNow(request: String): String = mapped { native.callNow(request) }

        /**
         * Begins to end the bridge and its client, and returns at once. Calls that wait are answered 7009; the last thing that
         * the listener hears is the event `onShutDown` of `HongyanBridgeListener`. The user stays logged in on the server, as
         * when the app is stopped. It may be called more than once.
         */
        override fun close() {
            try {
                native.shutDown()
            } catch (_: IllegalStateException) {
                // It was closed before.
            }
            native.destroy()
        }
    }

private fun newNative(
    config: String,
    listener: BridgeListener,
): NativeBridge {
    NativeLibrary.ensureLoaded()
    return mapped { NativeBridge(config, BridgeListenerAdapter(listener)) }
}
