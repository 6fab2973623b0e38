// SPDX-License-Identifier: Apache-2.0

import Hongyan
import HongyanHarness
import Testing

/// A server that is gone for a while, and comes back.
@Suite struct RestartTests {
    @Test func messagesSentWhileTheServerIsDownArriveWhenItIsBack() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let bob = try await server.device("bob")
            try await alice.says("before", to: "c2c_bob")
            try await server.kill()
            let sends = try await alice.queue(numbered(1...5), to: "c2c_bob")
            #expect(alice.client.loginStatus == .loggedIn, "the SDK keeps the session up by itself")
            let seenBefore = alice.heard.count
            try await server.startAgain()
            alice.client.networkChanged()
            bob.client.networkChanged()
            try await alice.heard.wait(for: "the connection", after: seenBefore) { $0 == .connected }
            let sent = try await within("the sends") { try await sends.value }
            #expect(sent.map(\.status) == Array(repeating: .sent, count: 5))
            #expect(sent.map(\.seq) == Array(2...6))
            #expect(try await bob.heard.texts(6) == ["before"] + numbered(1...5))
        }
    }

    @Test func eventsOfTheConnectionComeInTheirOrder() async throws {
        try await onServer { server in
            let alice = try server.openDevice("alice")
            let collected = collect(alice.client.events()) { [$0.name] }
            try await alice.login()
            #expect(try await Array(collected.first(2).prefix(2)) == ["connecting", "connectSuccess"])
            try await server.kill()
            let lost = try await collected.first(3)
            #expect(["connecting", "connectFailed"].contains(lost[2]), "\(lost)")
            try await server.startAgain()
            alice.client.networkChanged()
            try await collected.items.wait(for: "the connection", until: { $0.dropFirst(2).contains("connectSuccess") })
            try await alice.says("and on it goes", to: "c2c_alice")
        }
    }

    @Test func aMessageOutlivesTheClientThatQueuedIt() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let alice = try await server.device("alice")
            try await server.kill()
            let sends = try await alice.queue(["kept"], to: "c2c_bob")
            try await alice.close()
            #expect(try await code { try await within("the end of the send") { try await sends.value } } == 7009)
            try await server.startAgain()
            bob.client.networkChanged()
            let again = try alice.reopened()
            try await again.login()
            #expect(try await bob.heard.texts(1) == ["kept"])
            try await again.close()
        }
    }

    @Test func anotherLoginOnTheSamePlatformKicksTheFirst() async throws {
        try await onServer { server in
            let first = try await server.device("alice")
            let second = try await server.device("alice")
            try await first.heard.wait(for: "the kick") { $0 == .kickedOffline }
            #expect(first.client.loginStatus == .notLoggedIn)
            #expect(try await code { try await first.says("x", to: "c2c_alice") } == 6014)
            #expect(second.client.loginStatus == .loggedIn)
        }
    }
}

extension SdkEvent {
    fileprivate var name: String {
        switch self {
        case .connecting: "connecting"
        case .connectSuccess: "connectSuccess"
        case .connectFailed: "connectFailed"
        case .kickedOffline: "kickedOffline"
        case .userSigExpired: "userSigExpired"
        case .selfInfoUpdated: "selfInfoUpdated"
        }
    }
}
