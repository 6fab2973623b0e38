// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Hongyan
import HongyanHarness
import Testing

/// The end of a client.
@Suite struct CloseTests {
    @Test func closingEndsTheStreamsAfterTheirLastEvent() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let (sdk, messages, conversations) = (
                collect(bob.client.events()) { _ in [0] },
                collect(bob.client.messages.events(), newTexts),
                collect(bob.client.conversations.events()) { _ in [0] }
            )
            let alice = try await server.device("alice")
            for text in numbered(1...10) {
                try await alice.says(text, to: "c2c_bob")
            }
            _ = try await bob.heard.texts(10)
            try await bob.close()
            try await sdk.hasEnded.wait(for: "the end of the stream of the connection")
            try await messages.hasEnded.wait(for: "the end of the stream of messages")
            try await conversations.hasEnded.wait(for: "the end of the stream of conversations")
            #expect(messages.items.now == numbered(1...10))
        }
    }

    @Test func aReaderThatNeverReadsDoesNotKeepTheClientFromClosing() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let stream = bob.client.messages.events()
            let gate = Flag(false)
            let stuck = collect(bob.client.messages.events(), behind: gate, newTexts)
            // Called before the streams' own listeners and after them.
            let after = Recorder()
            bob.client.messages.addAdvancedMsgListener(after)
            let alice = try await server.device("alice")
            try await alice.says("waits to be read", to: "c2c_bob")
            _ = try await after.messages(1)
            try await alice.says("keeps the SDK waiting", to: "c2c_bob")
            _ = try await bob.heard.messages(2)
            let began = DispatchTime.now()
            try await bob.close()
            // As long as a close waits for a listener that does not return.
            #expect(DispatchTime.now() < began + 5)
            gate.raise()
            try await stuck.hasEnded.wait(for: "the end of the stream")
            let unread = collect(stream, newTexts)
            try await unread.hasEnded.wait(for: "the end of the stream that nobody read")
            #expect(unread.items.now == ["waits to be read"], "what waits is still read")
        }
    }

    @Test func aClosedClientAnswersWithItsCode() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let client = alice.client
            try await alice.close()
            try await alice.close()
            let closed = ErrorCode.notInitialized
            #expect(closed == 6013)
            #expect(try await code { try await client.login(userId: "alice", userSig: "x") } == closed)
            #expect(try await code { try await client.messages.sendC2cTextMessage(text: "x", userId: "bob") } == closed)
            #expect(try await code { try await client.conversations.getConversationList() } == closed)
            #expect(client.loginStatus == .notLoggedIn)
            try await collect(client.events()) { _ in [0] }.hasEnded.wait(for: "the end of a stream of a closed client")
            let freed = Flag(false)
            subscribe(to: client, freed)
            try await freed.wait(for: "the end of a listener that was added too late")
        }
    }

    @Test func aListenerMayCloseItsClient() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let isClosed = Flag(false)
            let closing = collect(bob.client.messages.events()) { _ in [0] }
            bob.client.messages.addAdvancedMsgListener(Closing {
                Task {
                    await bob.client.close()
                    isClosed.raise()
                }
            })
            let alice = try await server.device("alice")
            try await alice.says("hello", to: "c2c_bob")
            try await isClosed.wait(for: "the end of the client")
            try await closing.hasEnded.wait(for: "the end of the stream")
            #expect(try await code { try await bob.says("x", to: "c2c_alice") } == 6013)
        }
    }
}

/// Runs something at the first new messages.
private final class Closing: AdvancedMsgListener {
    private let close: @Sendable () -> Void

    init(_ close: @escaping @Sendable () -> Void) {
        self.close = close
    }

    func onRecvNewMessage(messages: [Message]) {
        close()
    }
}

private final class Traced: SdkListener {
    private let tracer: Tracer

    init(_ freed: Flag) {
        tracer = Tracer(freed)
    }
}

private func subscribe(to client: ImClient, _ freed: Flag) {
    client.addSdkListener(Traced(freed))
}
