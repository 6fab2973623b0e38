// SPDX-License-Identifier: Apache-2.0
import Foundation
import HongyanFFI

/// One user's way to one server. Several clients may live in one process, each with a user of its own.
///
/// All methods may be called from any thread and any task, also from inside a listener. What is asynchronous runs to its end on the SDK's own
/// threads, also where the app stops waiting for it: a task that is cancelled gets a `CancellationError` at once, any other failure is an
/// ``ImError``. Every call ends: with its result, or with an error at its deadline, 30 seconds unless the method says otherwise. After ``close()``
/// calls fail with 6013.
///
/// ```swift
/// let client = try ImClient(config: ImClientConfig(sdkAppId: 1_400_000_001, serverUrl: "http://127.0.0.1:8080", dataFolder: folder))
/// let events = client.messages.events()
/// try await client.login(userId: "alice", userSig: userSig)
/// for await case .newMessages(let messages) in events {
///     show(messages)
/// }
/// ```
///
/// The client ends when it is closed, or when the app holds neither it nor one of its managers any more.
@available(iOS 13, macOS 10.15, *)
public final class ImClient: Sendable {
    /// Messages.
    public let messages: MessageManager
    /// Conversations.
    public let conversations: ConversationManager
    /// Groups.
    public let groups: GroupManager

    private let client: HongyanFFI.ImClient
    private let lifetime = ClientLifetime()
    private let queue: CallbackQueue?

    /// Makes a client. Nothing is connected yet.
    ///
    /// Codes: 6017 for a config that is not valid, 6029 for an unencrypted server that was not allowed, 6022 for a data folder that cannot be used.
    public init(config: ImClientConfig) throws(ImError) {
        let queue = config.callbackQueue.map(CallbackQueue.init)
        let lifetime = self.lifetime
        let logSource = config.logListener.map { listener in
            // Past the app's queue: lines come by the hundred, and also when the main thread stands still.
            let gate = ListenerGate<LogLine>(queue: nil) { listener.onLog(level: $0.level, text: $0.text) }
            _ = lifetime.add { gate.cancel() }
            return LogSource(gate)
        }
        let settings = ClientConfig(
            sdkAppId: Int64(config.sdkAppId), serverUrl: config.serverUrl, dataFolder: config.dataFolder.path, platform: config.platform,
            logLevel: config.logLevel, isInsecureAllowed: config.isInsecureAllowed, extraRootCertificates: config.extraRootCertificates,
            publicKeyPins: config.publicKeyPins)
        let client = try call { try HongyanFFI.ImClient(config: settings, logListener: logSource) }
        self.client = client
        self.queue = queue
        messages = MessageManager(client.messages(), lifetime: lifetime, queue: queue)
        conversations = ConversationManager(client.conversations(), lifetime: lifetime, queue: queue)
        groups = GroupManager(client.groups())
    }

    /// The version of the SDK.
    public var version: String { client.version() }

    /// Whether somebody is logged in. While the SDK makes a lost connection again, the user stays logged in.
    public var loginStatus: LoginStatus { client.loginStatus() }

    /// Who is logged in; nothing where nobody is.
    public var loginUser: String? { client.loginUser() }

    /// The server's time in milliseconds since 1970, whatever the device's clock says. Before the first login it is the device's own time.
    public var serverTimeMs: Int64 { client.serverTimeMs() }

    /// Opens what was last known of a user, so that the app can show it before the login or without a network. Reading conversations and history
    /// works from then on; what needs the server is answered 6014 until the login. A login of the same user goes on with it.
    ///
    /// Codes: 7003 for a user id that is not valid, 7014 while another user is logged in or logging in, and those of the local database.
    public func initLocalStorage(userId: String) async throws {
        try await untilCancelled { [client] in try await client.initLocalStorage(userId: userId) }
    }

    /// Logs a user in: once it has returned, the SDK keeps the connection up by itself, over losses of the network and restarts of the server, until a
    /// logout, until the client is closed, or the app is told that the user was kicked offline or that the UserSig ended. The first login
    /// of a user makes the account. A login of another user logs the present one out; one of the same user renews the UserSig, and where
    /// that fails, the user stays logged in with the one before.
    ///
    /// Without a network it tries for 30 seconds and answers 6012. A server whose certificate is not trusted is not tried again: the login ends at
    /// once, with 9501. What is stored of the user can be read from then on even so.
    ///
    /// Codes: 7501 while a login runs, 7502 while a logout runs, 7003 for a user id that is not valid, 6012 at the deadline, 9501 or
    /// 9502 where the connection cannot be encrypted, 6206 or 70001 for a UserSig that ended, 70002 to 70014 for one that is not right, 70050 after
    /// too many failed logins, 6023 where a logout came first.
    public func login(userId: String, userSig: String) async throws {
        try await untilCancelled { [client] in try await client.login(userId: userId, userSig: userSig) }
    }

    /// Logs the user out, here and on the server, and closes what is stored of them; it stays on the device for the next login. Without a
    /// network it ends here after 5 seconds at the latest, and on the server later by itself.
    ///
    /// Codes: 6014 where nobody is logged in, 7502 while a logout runs.
    public func logout() async throws {
        try await untilCancelled { [client] in try await client.logout() }
    }

    /// Profiles of up to 100 users, in the order asked for; users who do not exist are left out. Needs the server.
    ///
    /// Codes: 6017 for an empty or too long list, 7003 for an id that is not valid, 6014, 6012, 9508.
    public func getUsersInfo(userIds: [String]) async throws -> [UserInfo] {
        try await untilCancelled { [client] in try await client.getUsersInfo(userIds: userIds) }
    }

    /// Changes the user's own profile: what is given, the rest stays. ``SdkEvent/selfInfoUpdated(_:)`` follows on all the user's devices. Needs the
    /// server.
    ///
    /// Codes: 40601 for a value longer than 500 bytes, 6017 where nothing is given, 6014, 6012, 9508.
    public func setSelfInfo(nickName: String? = nil, faceUrl: String? = nil) async throws {
        let info = SelfInfo(nickName: nickName, faceUrl: faceUrl)
        try await untilCancelled { [client] in try await client.setSelfInfo(info: info) }
    }

    /// Tells the SDK whether people look at the app. In the background the heartbeat is slower (4.5 minutes instead of 30 seconds) and what is
    /// stored is made ready for the app being stopped; on the way back the connection is checked at once. Returns at once.
    public func setForeground(_ isForeground: Bool) {
        client.setForeground(isForeground: isForeground)
    }

    /// Tells the SDK that the device's network changed or came back: the connection is checked, or made, at once instead of at the next attempt.
    /// Returns at once.
    public func networkChanged() {
        client.networkChanged()
    }

    /// What happens to the connection and to the user's own account, from the moment of this call on.
    ///
    /// Every call gives a stream of its own, which is read once. It ends with the client, when the task that reads it is cancelled, and when the app
    /// lets go of it; on a closed client at once. While one event waits to be read, the SDK waits, for all listeners and
    /// streams of this client, and puts what happens meanwhile together: a stream that nobody reads must not be kept.
    public func events() -> AsyncStream<SdkEvent> {
        eventStream(lifetime) { client.addSdkListener(listener: SdkEventSource($0)) }
    }

    /// Has a listener hear of the connection and the user's own account until the subscription is cancelled or the client is closed; on a closed
    /// client it hears nothing.
    @discardableResult
    public func addSdkListener(_ listener: any SdkListener) -> Subscription {
        subscription(lifetime, gate: ListenerGate(queue: queue) { listener.hear($0) }) { client.addSdkListener(listener: SdkEventSource($0)) }
    }

    /// Ends the client: the connection, all its tasks, its listeners and what it has open. Its streams end once what they hold has been read.
    /// Calls that run end with 7009, later ones are answered 6013. The user stays logged in on the server, as when the app is stopped. When it returns,
    /// nothing of the client runs any more, but for a listener's call that does not return within 5 seconds. It may be called more than once, and
    /// runs to its end also in a task that is cancelled.
    public func close() async {
        // First what the app reads and hears: the library waits for a listener that waits for the app.
        lifetime.end()
        await client.shutDown()
    }
}
