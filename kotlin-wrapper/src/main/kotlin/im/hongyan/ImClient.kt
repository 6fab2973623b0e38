// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.ClientConfig
import im.hongyan.ffi.SelfInfo
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.withContext
import im.hongyan.ffi.ImClient as NativeClient

/**
 * One user's way to one server. Several clients may live in one process, each with a user of its own.
 *
 * ```
 * val client = ImClient(ImClientConfig(sdkAppId = 1_400_000_001, serverUrl = "http://127.0.0.1:8080", dataFolder = folder))
 * scope.launch {
 *     client.messages.events.collect { event ->
 *         if (event is MessageEvent.NewMessages) show(event.messages)
 *     }
 * }
 * client.login("alice", userSig)
 * client.messages.sendC2cTextMessage("hello", userId = "bob")
 * client.close()
 * ```
 *
 * Everything may be called from any thread, also from inside a listener. A suspending call does not block its thread: it
 * runs on the SDK's own threads, and to its end there even where the calling coroutine is cancelled meanwhile. Every call ends: with
 * its result, or with an [ImException] at its deadline, 30 seconds unless the method says otherwise. The app keeps the
 * client for as long as it is used, and ends it with [close].
 *
 * @throws ImException From the constructor: 6017 for a config that is not valid, 6029 for an unencrypted server that was
 *   not allowed, 6022 for a data folder that cannot be used. Nothing is connected yet.
 */
public class ImClient(
    config: ImClientConfig,
) {
    private val listening = Listening(config)
    private val native = newNative(config, listening)

    /** Messages: sending, history, and what arrives. */
    public val messages: MessageManager = MessageManager(native.messages(), listening)

    /** Conversations: the list, unread counts, drafts. */
    public val conversations: ConversationManager = ConversationManager(native.conversations(), listening)

    /** Groups: making them, inviting, leaving. */
    public val groups: GroupManager = GroupManager(native.groups())

    /** The version of the SDK. */
    public val version: String = native.version()

    /**
     * What happens to the connection and to the user's own account, in order.
     *
     * Every collection is a subscription of its own that begins when collecting does and ends with it. It is
     * collected on the collector's own dispatcher. While one event waits for a slow collector, the
     * other listeners of its client wait as well. The flow completes when the client is closed; collecting from a closed client
     * throws an [ImException] with 6013.
     */
    public val events: Flow<SdkEvent> = listening.flow { stream -> subscribe(SdkEvents(stream::emit), stream) }

    /**
     * Whether somebody is logged in. While the SDK makes a lost connection again, the user stays logged in. On a closed
     * client nobody is.
     */
    public val loginStatus: LoginStatus
        get() = unlessClosed(LoginStatus.NOT_LOGGED_IN) { native.loginStatus() }

    /** Who is logged in; null where nobody is, and on a closed client. */
    public val loginUser: String?
        get() = unlessClosed(null) { native.loginUser() }

    /**
     * The server's time in milliseconds since 1970, whatever the device's clock says. Before the first login, and on a
     * closed client, it is the device's own time.
     */
    public val serverTimeMs: Long
        get() = unlessClosed(null) { native.serverTimeMs() } ?: System.currentTimeMillis()

    /**
     * Opens what was last known of a user, so that the app can show it before the login or without a network. Reading
     * conversations and history works from then on; what needs the server throws 6014 until the login. A login of the
     * same user goes on with it.
     *
     * @throws ImException 7003 for a user id that is not valid, 7014 while another user is logged in or logging in, 6013
     *   once the client is closed, and the codes of the local database.
     */
    public suspend fun initLocalStorage(userId: String): Unit = awaited { native.initLocalStorage(userId) }

    /**
     * Logs a user in. Once it has returned, the SDK keeps the connection up by itself, over losses of the network and
     * restarts of the server, until [logout], until [close], or until the listener hears
     * [SdkListener.onKickedOffline] or [SdkListener.onUserSigExpired]. The first login of a user makes the account. A login
     * of another user logs the present one out; one of the same user renews the UserSig, and where that fails, the user
     * stays logged in with the one before.
     *
     * Without a network it tries for 30 seconds and throws 6012. A server whose certificate is not trusted is not tried
     * again: the login ends at once, with 9501. What is stored of the user can be read from then on even so. Listeners hear [SdkListener.onConnecting], [SdkListener.onConnectSuccess] and
     * [SdkListener.onConnectFailed].
     *
     * @param userSig The signature that the app's own server made for the user.
     * @throws ImException 7501 while a login runs, 7502 while a logout runs, 7003 for a user id that is not valid, 6012
     *   at the deadline, 9501 or 9502 where the connection cannot be encrypted, 6206 or 70001 for a UserSig that ended,
     *   70002 to 70014 for one that is not right, 70050 after too many failed logins, 6023 where a logout came first, 6013
     *   once the client is closed.
     */
    public suspend fun login(
        userId: String,
        userSig: String,
    ): Unit = awaited { native.login(userId, userSig) }

    /**
     * Logs the user out, here and on the server, and closes what is stored of them; it stays on the device for the next
     * login. Without a network it ends here after 5 seconds at the latest, and on the server later by itself.
     *
     * @throws ImException 6014 where nobody is logged in, 7502 while a logout runs, 6013 once the client is closed.
     */
    public suspend fun logout(): Unit = awaited { native.logout() }

    /**
     * Profiles of users, in the order asked for; users who do not exist are left out. Needs the server.
     *
     * @param userIds 1 to 100.
     * @throws ImException 6017 for an empty or too long list, 7003 for an id that is not valid, 6014 when not logged in,
     *   6012 at the deadline, 9508 without a connection, 6013 once the client is closed.
     */
    public suspend fun getUsersInfo(userIds: List<String>): List<UserInfo> = awaited { native.getUsersInfo(userIds) }

    /**
     * Changes the user's own profile: what is given, the rest stays. [SdkListener.onSelfInfoUpdated] follows on all the
     * user's devices. Needs the server.
     *
     * @param nickName The new nickname, at most 500 bytes of UTF-8; null leaves it.
     * @param faceUrl The new address of the portrait, at most 500 bytes; null leaves it.
     * @throws ImException 40601 for a value that is too long, 6017 where nothing is set, 6014 when not logged in, 6012 at
     *   the deadline, 9508 without a connection, 6013 once the client is closed.
     */
    public suspend fun setSelfInfo(
        nickName: String? = null,
        faceUrl: String? = null,
    ): Unit = awaited { native.setSelfInfo(SelfInfo(nickName = nickName, faceUrl = faceUrl)) }

    /**
     * Tells the SDK whether people look at the app. In the background the heartbeat is slower (4.5 minutes instead of 30
     * seconds) and what is stored is made ready for the app being stopped; on the way back the connection is checked at
     * once. Returns at once; on a closed client it does nothing.
     */
    public fun setForeground(isForeground: Boolean): Unit = unlessClosed(Unit) { native.setForeground(isForeground) }

    /**
     * Tells the SDK that the device's network changed or came back: the connection is checked, or made, at once instead of
     * at the next attempt. Returns at once; on a closed client it does nothing.
     */
    public fun networkChanged(): Unit = unlessClosed(Unit) { native.networkChanged() }

    /**
     * Has a listener hear of the connection and the user's own account until the subscription is cancelled or the client
     * is closed.
     *
     * @throws ImException 6013 once the client is closed.
     */
    public fun addSdkListener(listener: SdkListener): Subscription = subscribe(listener, listening.newDelivery())

    /**
     * Ends the client: its flows complete, no listener is called any more, the connection and what it has open are closed.
     * Calls that run end with 7009, later ones with 6013. The user stays logged in on the server, as when the app is
     * stopped.
     *
     * When it returns, nothing of the client runs any more but the call of a listener that it was called in, or that runs
     * on [ImClientConfig.eventDispatcher]. A listener that does not return on the SDK's own thread is waited for, 5 seconds
     * at the most. It may be called more than once. It runs to its end also in a coroutine that is cancelled, so that a
     * cancelled scope can be cleaned up.
     */
    public suspend fun close() {
        withContext(NonCancellable) {
            // First: the SDK's thread may be waiting for a collector, or for the very thread that closes.
            listening.end()
            try {
                awaited { native.shutDown() }
            } catch (failure: ImException) {
                // It was closed before.
                if (failure.code != ErrorCode.NOT_INITIALIZED) throw failure
            } finally {
                release()
            }
        }
    }

    private fun subscribe(
        listener: SdkListener,
        delivery: Delivery,
    ): Subscription = listening.subscribe(delivery) { native.addSdkListener(SdkListenerAdapter(listener, delivery)) }

    /** Lets go of all native objects; calls that are just being made keep theirs until they end. */
    private fun release() {
        listening.release()
        messages.release()
        conversations.release()
        groups.release()
        native.destroy()
    }
}

private fun newNative(
    config: ImClientConfig,
    listening: Listening,
): NativeClient {
    NativeLibrary.ensureLoaded()
    val nativeConfig =
        ClientConfig(
            sdkAppId = config.sdkAppId,
            serverUrl = config.serverUrl,
            dataFolder = config.dataFolder,
            platform = config.platform,
            logLevel = config.logLevel,
            isInsecureAllowed = config.isInsecureAllowed,
            extraRootCertificates = config.extraRootCertificates,
            publicKeyPins = config.publicKeyPins,
        )
    val logListener = config.logListener?.let { LogListenerAdapter(it, listening.logDelivery) }
    return mapped { NativeClient(nativeConfig, logListener) }
}

/** What the native object says, or [otherwise] where it was let go of. */
private inline fun <T> unlessClosed(
    otherwise: T,
    call: () -> T,
): T =
    try {
        call()
    } catch (_: IllegalStateException) {
        otherwise
    }
