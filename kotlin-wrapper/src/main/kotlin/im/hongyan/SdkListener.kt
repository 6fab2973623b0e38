// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.SdkListener as NativeSdkListener

/**
 * Hears of the connection and of the user's own account; see [ImClient.addSdkListener]. Every method does nothing
 * unless it is overridden. The methods of all listeners of a client are called one after another, on its own thread or
 * on [ImClientConfig.eventDispatcher]; every method of the SDK may be used inside.
 */
public interface SdkListener {
    /** A connection to the server is being made. */
    public fun onConnecting() {}

    /** The connection is open and the user is logged in on it. */
    public fun onConnectSuccess() {}

    /** A connection could not be made; the SDK tries again by itself while the user is logged in. */
    public fun onConnectFailed(
        code: Int,
        detail: String,
    ) {}

    /** Another device took the place of this one. The user is logged out here; the app may log in again. */
    public fun onKickedOffline() {}

    /** The UserSig has ended. The user is logged out here; the app gets a new UserSig and logs in again. */
    public fun onUserSigExpired() {}

    /** The user's own profile changed, here or on another device. */
    public fun onSelfInfoUpdated(info: UserInfo) {}
}

/** The listener as the native side knows it. */
internal class SdkListenerAdapter(
    private val listener: SdkListener,
    private val delivery: Delivery,
) : NativeSdkListener {
    override fun onConnecting(): Unit = delivery.deliver { listener.onConnecting() }

    override fun onConnectSuccess(): Unit = delivery.deliver { listener.onConnectSuccess() }

    override fun onConnectFailed(
        code: Int,
        detail: String,
    ): Unit = delivery.deliver { listener.onConnectFailed(code, detail) }

    override fun onKickedOffline(): Unit = delivery.deliver { listener.onKickedOffline() }

    override fun onUserSigExpired(): Unit = delivery.deliver { listener.onUserSigExpired() }

    override fun onSelfInfoUpdated(info: UserInfo): Unit = delivery.deliver { listener.onSelfInfoUpdated(info) }
}
