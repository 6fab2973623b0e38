// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hongyan
import HongyanHarness
import Testing

/// The screens of docs/swift.md, tried as an app would use them. Their code is written beside this file from that page.
@MainActor @Suite struct GuideTests {
    private let changes = Watched(0)

    @Test func theChatScreenShowsPagesNewMessagesAndReceipts() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            try await server.device("bob").close()
            for text in numbered(1...45) {
                try await alice.says(text, to: "c2c_bob")
            }
            // A new phone of Bob's: nothing is on it.
            let phone = try await server.device("bob", on: .ipad)
            let screen = screen(of: phone, "c2c_alice")
            await screen.open()
            #expect(screen.timeline.messages.compactMap(\.text) == numbered(26...45))
            while screen.timeline.hasOlder {
                await screen.loadOlder()
            }
            #expect(screen.timeline.messages.map(\.seq) == Array(1...45))

            try await alice.says("live", to: "c2c_bob")
            try await shown("the new message") { screen.timeline.messages.last?.text == "live" }
            await screen.send("an answer")
            let answer = try #require(screen.timeline.messages.last)
            #expect((answer.text, tick(of: answer, in: screen.timeline)) == ("an answer", .sent))
            try await alice.client.conversations.cleanConversationUnreadMessageCount(conversationId: "c2c_bob")
            try await shown("the tick") { tick(of: answer, in: screen.timeline) == .read }

            await screen.markRead()
            #expect(screen.problem == nil)
            try await alice.heard.wait(for: "the receipt") { $0.receiptSeq == 47 }
            #expect(screen.timeline.messages.map(\.seq) == Array(1...47))
        }
    }

    @Test func aRowIsThereAtOnceAndGoesOutWhenTheServerIsBack() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let bob = try await server.device("bob")
            let screen = screen(of: alice, "c2c_bob")
            await screen.open()
            try await server.kill()
            let send = Task { await screen.send("written offline") }
            try await shown("the row") { screen.outgoing.map(\.elements) == [[.text(text: "written offline")]] }
            // The screen is left and opened again: the message is in the store by now, or soon.
            try await alice.heard.wait(for: "the stored message") { $0.isTold(of: "written offline") }
            let again = self.screen(of: alice, "c2c_bob")
            await again.open()
            let row = try #require(again.timeline.messages.first)
            #expect(tick(of: row, in: again.timeline) == .onItsWay)
            try await server.startAgain()
            alice.client.networkChanged()
            bob.client.networkChanged()
            try await within("the send") { await send.value }
            #expect(screen.timeline.messages.map(\.status) == [.sent])
            #expect(screen.outgoing.isEmpty)
            try await shown("the sent row") { tick(of: again.timeline.messages[0], in: again.timeline) == .sent }
            #expect(try await bob.heard.texts(1) == ["written offline"])
        }
    }

    @Test func aRowThatFailedStaysAndSaysWhy() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let screen = screen(of: alice, "c2c_nobody")
            await screen.open()
            await screen.send("is anybody there?")
            #expect(screen.problem?.code == 20003)
            try await shown("the failed row") { screen.timeline.messages.map(\.status) == [.failed] }
            _ = try await server.device("nobody")
            await screen.sendAgain(try #require(screen.timeline.messages.first))
            #expect(screen.problem == nil)
            try await shown("the sent row") { screen.timeline.messages.map(\.status) == [.sent] }
            #expect(advice(for: ImError(code: 6014, detail: "")) == .logInAgain)
        }
    }

    @Test func theListShowsTheNewestFirstWithUnreadAndDrafts() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let list = ConversationList(client: bob.client)
            list.onChange = { [changes] in changes.increase() }
            try await list.open()
            for friend in ["alice", "carol"] {
                try await server.device(friend).says("I am \(friend)", to: "c2c_bob")
                try await shown("the conversation") { list.rows.first?.conversationId == "c2c_\(friend)" }
            }
            #expect(list.rows.map(preview(of:)) == ["I am carol", "I am alice"])
            try await shown("the badge") { list.unreadCount == 2 }
            let screen = screen(of: bob, "c2c_alice")
            await screen.open()
            await screen.markRead()
            await screen.saveDraft("half an answer")
            try await shown("the draft") { list.rows.first.map(preview(of:)) == "Draft: half an answer" }
            try await shown("the badge") { list.unreadCount == 1 }
            #expect(try await screen.draft() == "half an answer")
            let again = ConversationList(client: bob.client)
            try await again.open()
            #expect(again.rows == list.rows)
        }
    }

    @Test func theSessionLogsInAndTellsOfAKick() async throws {
        try await onServer { server in
            let alice = try server.openDevice("alice")
            let session = Session(client: alice.client, userId: "alice") { try await server.sign("alice") }
            session.onChange = { [changes] in changes.increase() }
            let run = Task { try await session.run() }
            try await shown("the connection") { session.state == .online }
            _ = try await server.device("alice")
            try await shown("the kick") { session.state == .kickedOffline }
            run.cancel()
            _ = await run.result
        }
    }

    @Test func theSessionTellsOfARefusal() async throws {
        try await onServer { server in
            let alice = try server.openDevice("alice")
            let session = Session(client: alice.client, userId: "alice") { "not a UserSig" }
            session.onChange = { [changes] in changes.increase() }
            let run = Task { try await session.run() }
            try await shown("the refusal") { session.state == .refused(code: 70003) }
            run.cancel()
            _ = await run.result
        }
    }

    @Test func aSessionThatBeginsBehindAPageOfTheNetworksOwnComesOnlineAfterIt() async throws {
        let certificate = TestCertificate()
        try await onServer { server in
            var config = server.config()
            config.serverUrl = server.url.replacingOccurrences(of: "http://", with: "https://")
            config.extraRootCertificates = try certificate.authority
            let client = try ImClient(config: config)
            let failures = collect(client.events()) { event in
                if case .connectFailed(let code, _) = event { [code] } else { [] }
            }
            let session = Session(client: client, userId: "alice") { try await server.sign("alice") }
            session.onChange = { [changes] in changes.increase() }
            let run = Task { try await session.run() }
            // What answers speaks no TLS.
            #expect(try await failures.first(1) == [9502])
            #expect(session.state == .connecting)
            try await server.kill()
            try await server.startAgain(certificate: certificate)
            session.networkChanged()
            try await shown("the connection") { session.state == .online }
            run.cancel()
            _ = await run.result
            await client.close()
        }
    }

    private func screen(of device: Device, _ conversation: String) -> ChatScreen {
        let screen = ChatScreen(client: device.client, conversationId: conversation)
        screen.onChange = { [changes] in changes.increase() }
        return screen
    }

    /// Waits until something is shown, looking again at each change.
    private func shown(_ what: String, _ condition: () -> Bool) async throws {
        while !condition() {
            let seen = changes.now
            try await changes.wait(for: what, until: { $0 > seen })
        }
    }
}

extension Heard {
    /// Whether a conversation is shown with a text as its last message.
    fileprivate func isTold(of text: String) -> Bool {
        switch self {
        case .conversationsNew(let all), .conversationsChanged(let all): all.contains { $0.lastMessage?.text == text }
        default: false
        }
    }

    /// Up to where the other user has read, of a call that tells it.
    fileprivate var receiptSeq: Int64? {
        if case .receipts(let receipts) = self { receipts.last?.seq } else { nil }
    }
}
