// SPDX-License-Identifier: Apache-2.0
package im.hongyan

/** What [ImClient.events] tells: the connection and the user's own account. */
public sealed class SdkEvent {
    /** A connection to the server is being made. */
    public data object Connecting : SdkEvent()

    /** The connection is open and the user is logged in on it. */
    public data object ConnectSuccess : SdkEvent()

    /**
     * A connection could not be made; the SDK tries again by itself while the user is logged in.
     *
     * @property code Why, see [ErrorCode].
     * @property detail Why, in words for the developer.
     */
    public data class ConnectFailed(
        val code: Int,
        val detail: String,
    ) : SdkEvent()

    /** Another device took the place of this one. The user is logged out here; the app may log in again. */
    public data object KickedOffline : SdkEvent()

    /** The UserSig has ended. The user is logged out here; the app gets a new UserSig and logs in again. */
    public data object UserSigExpired : SdkEvent()

    /**
     * The user's own profile changed, here or on another device.
     *
     * @property info The profile as it is now.
     */
    public data class SelfInfoUpdated(
        val info: UserInfo,
    ) : SdkEvent()
}

/** Makes events of a listener's calls. */
internal class SdkEvents(
    private val emit: (SdkEvent) -> Unit,
) : SdkListener {
    override fun onConnecting(): Unit = emit(SdkEvent.Connecting)

    override fun onConnectSuccess(): Unit = emit(SdkEvent.ConnectSuccess)

    override fun onConnectFailed(
        code: Int,
        detail: String,
    ): Unit = emit(SdkEvent.ConnectFailed(code, detail))

    override fun onKickedOffline(): Unit = emit(SdkEvent.KickedOffline)

    override fun onUserSigExpired(): Unit = emit(SdkEvent.UserSigExpired)

    override fun onSelfInfoUpdated(info: UserInfo): Unit = emit(SdkEvent.SelfInfoUpdated(info))
}
