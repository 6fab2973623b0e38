// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import kotlinx.coroutines.CoroutineDispatcher

/**
 * What an [ImClient] is made from.
 *
 * @property sdkAppId The app, as the server knows it.
 * @property serverUrl The server: `https://host:port`; `http` is for this machine alone.
 * @property dataFolder The path of a folder of the app's own, for what the SDK stores; on Android
 *   `File(context.filesDir, "hongyan").path`. It is made where it does not exist. Clients of several users may share
 *   one.
 * @property platform What kind of device this is: the server's rule on how many devices may be logged in at once
 *   speaks of it. Found out by itself where nothing is given.
 * @property logLevel The least important lines that the log file and [logListener] get. The file is in the folder
 *   `logs` of [dataFolder].
 * @property isInsecureAllowed Whether unencrypted connections beyond this machine are allowed. For development only:
 *   everybody on the way can read and change what passes.
 * @property extraRootCertificates Certificates in PEM, one or several, that the server's may lead to beside those that
 *   browsers trust: an authority of one's own.
 * @property publicKeyPins The only keys that are trusted, where there are any: each the SHA-256 of a
 *   SubjectPublicKeyInfo, in base64. Beside all that is asked of a certificate otherwise, one key of its verified chain
 *   must be among them: the server's own, one between, or the root's. Pin a second one for the day on which the first is
 *   replaced.
 * @property logListener Gets the lines of the log as they are written, always on the SDK's own thread, never through
 *   [eventDispatcher].
 * @property eventDispatcher Where listeners are called, such as `Dispatchers.Main`: one call after another, in the order
 *   of the events. The SDK makes no further call before the one that it handed over has ended, so nothing piles up
 *   on a busy main thread. Without it listeners are called on a thread of the client's own. Flows do not need it: they
 *   are collected wherever their collector runs. `Dispatchers.Unconfined` is refused with an
 *   [UnsupportedOperationException].
 * @property uncaughtListenerError Gets what a listener threw, on the thread where it was thrown; the next event comes all
 *   the same. Without it the error is written, with its stack, to the `java.util.logging` logger `im.hongyan`
 *   at level SEVERE, which on Android is logcat's level error.
 */
public class ImClientConfig(
    public val sdkAppId: Long,
    public val serverUrl: String,
    public val dataFolder: String,
    public val platform: Platform = devicePlatform(),
    public val logLevel: LogLevel = LogLevel.INFO,
    public val isInsecureAllowed: Boolean = false,
    public val extraRootCertificates: String = "",
    public val publicKeyPins: List<String> = emptyList(),
    public val logListener: LogListener? = null,
    public val eventDispatcher: CoroutineDispatcher? = null,
    public val uncaughtListenerError: (Throwable) -> Unit = ::logUncaught,
)
