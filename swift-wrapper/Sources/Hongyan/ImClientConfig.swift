// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import HongyanFFI

/// What a client is made from.
public struct ImClientConfig: Sendable {
    /// The app, as the server knows it.
    public var sdkAppId: Int
    /// The server: `https://host:port`; `http` is for this machine alone.
    public var serverUrl: String
    /// A folder of the app's own, for what the SDK stores. It is made where it does not exist. Clients of several users may share one.
    public var dataFolder: URL
    /// What kind of device this is: the server's rule on how many devices may be logged in at once speaks of it.
    public var platform: Platform
    /// The least important lines that the log file and the log listener get.
    public var logLevel: LogLevel
    /// Whether unencrypted connections beyond this machine are allowed. For development only: everybody on the way can read and change what
    /// passes.
    public var isInsecureAllowed: Bool
    /// Certificates in PEM, one or several, that the server's may lead to beside those that browsers trust: an authority of one's own.
    public var extraRootCertificates: String
    /// The only keys that are trusted, where there are any: each the SHA-256 of a SubjectPublicKeyInfo, in base64. Beside all that is asked of a
    /// certificate otherwise, one key of its verified chain must be among them: the server's own, one between, or the root's. Pin a second one
    /// for the day on which the first is replaced.
    public var publicKeyPins: [String]
    /// Where listeners are called, `.main` for instance: one call after another, in order. Nothing means the SDK's own thread. The SDK hands
    /// over one call of a listener at a time and puts what happens meanwhile together, so that nothing piles up on a busy main thread. Streams do
    /// not need it.
    public var callbackQueue: DispatchQueue?
    /// Who gets the lines of the log, always on the SDK's own thread, never on ``callbackQueue``. The client holds it until it ends.
    public var logListener: (any LogListener)?

    /// Makes a config; what is not said has its usual value.
    public init(
        sdkAppId: Int, serverUrl: String, dataFolder: URL, platform: Platform = .current, logLevel: LogLevel = .info,
        isInsecureAllowed: Bool = false, extraRootCertificates: String = "", publicKeyPins: [String] = [], callbackQueue: DispatchQueue? = nil,
        logListener: (any LogListener)? = nil
    ) {
        self.sdkAppId = sdkAppId
        self.serverUrl = serverUrl
        self.dataFolder = dataFolder
        self.platform = platform
        self.logLevel = logLevel
        self.isInsecureAllowed = isInsecureAllowed
        self.extraRootCertificates = extraRootCertificates
        self.publicKeyPins = publicKeyPins
        self.callbackQueue = callbackQueue
        self.logListener = logListener
    }
}
