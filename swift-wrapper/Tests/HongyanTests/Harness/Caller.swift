// SPDX-License-Identifier: Apache-2.0

import Dispatch
import HongyanCallbacks
import HongyanHarness

/// A user's device with the client of completion handlers, and what it heard.
final class Caller: Sendable {
    let client: ImCallbackClient
    let events = Watched<[ImEvent]>([])
    private let user: String
    private let server: TestServer

    init(
        _ user: String, on server: TestServer, queue: DispatchQueue = DispatchQueue(label: "caller"),
        hear: @escaping @Sendable (ImEvent) -> Void = { _ in }
    ) throws {
        (self.user, self.server) = (user, server)
        client = try ImCallbackClient(
            sdkAppId: server.sdkAppId, serverUrl: server.url, dataFolder: server.newFolder(), callbackQueue: queue
        ) { [events] event in
            events.change { $0.append(event) }
            hear(event)
        }
    }

    /// Logs in and waits until the conversations are up to date.
    func login() async throws {
        let userSig = try await server.sign(user)
        try await answer { [client, user] in client.login(userId: user, userSig: userSig, completion: $0) }
        try await events.wait(for: "a sync", until: { $0.contains(.syncFinished) })
    }

    func says(_ text: String, to user: String) async throws {
        let _: ImMessage = try await answer { [client] in client.sendC2cTextMessage(text: text, userId: user, completion: $0) }
    }

    /// Waits until so many messages were heard of as new, and gives them in order.
    func messages(_ count: Int) async throws -> [ImMessage] {
        try await events.wait(for: "\(count) new messages") { events in
            let messages = events.flatMap(\.newMessages)
            return messages.count >= count ? messages : nil
        }
    }

    func end() async throws {
        let isClosed = Flag(false)
        client.close { isClosed.raise() }
        try await isClosed.wait(for: "the end of a client")
    }
}

extension TestServer {
    /// A new device of a user, logged in and up to date.
    func caller(_ user: String) async throws -> Caller {
        let caller = try Caller(user, on: self)
        try await caller.login()
        return caller
    }
}

/// What a completion handler was called with.
func answer<Value: Sendable>(
    _ call: @escaping @Sendable (@escaping ImCallbackClient.Completion<Value>) -> Void
) async throws -> Value {
    let answer = Watched<Result<Value, ImError>?>(nil)
    call { result in answer.change { $0 = result } }
    return try await answer.wait(for: "a completion handler") { $0 }.get()
}

/// The code that a completion handler was called with.
func refusal<Value>(
    _ call: @escaping @Sendable (@escaping ImCallbackClient.Completion<Value>) -> Void
) async throws -> Int? {
    let answer = Watched<Int??>(nil)
    call { result in answer.change { $0 = .some(result.code) } }
    return try await answer.wait(for: "a completion handler") { $0 }
}

extension Result where Failure == ImError {
    /// The code of a failure.
    var code: Int? {
        if case .failure(let error) = self { error.code } else { nil }
    }
}

extension ImEvent {
    /// The conversations that this event shows.
    var conversations: [ImConversation] {
        switch self {
        case .newConversations(let all), .conversationsChanged(let all): all
        default: []
        }
    }

    /// The messages that this event brings as new.
    var newMessages: [ImMessage] {
        if case .newMessages(let messages) = self { messages } else { [] }
    }
}
