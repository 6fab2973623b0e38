// SPDX-License-Identifier: Apache-2.0

import Hongyan
import HongyanHarness
import Testing

/// Paging through a conversation.
@Suite struct HistoryTests {
    @Test func pagesInBothDirectionsHoldEachMessageOnce() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let bob = try await server.device("bob")
            try await alice.saysAll(numbered(1...250), to: "c2c_bob")
            #expect(try await bob.heard.messages(250).count == 250)
            // A new device has nothing yet: all comes from the server.
            let laptop = try await server.device("bob", on: .mac)
            for reader in [bob, laptop] {
                let back = try await reader.pages("c2c_alice", .older)
                let forth = try await reader.pages("c2c_alice", .newer)
                #expect(back.map(\.seq) == (1...250).reversed())
                #expect(forth.map(\.seq) == Array(1...250))
                #expect(forth.compactMap(\.text) == numbered(1...250))
            }
            #expect(try await laptop.pages("c2c_alice", .older, from: .local).map(\.seq) == (1...250).reversed())
        }
    }

    @Test func historyIsReadWithoutAServer() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            _ = try await server.device("bob")
            try await alice.saysAll(numbered(1...30), to: "c2c_bob")
            try await server.kill()
            #expect(try await alice.pages("c2c_bob", .newer).compactMap(\.text) == numbered(1...30))
            try await server.startAgain()
        }
    }
}

extension Device {
    /// Sends texts one after the other, each when the server has the one before.
    fileprivate func saysAll(_ texts: [String], to conversation: String) async throws {
        for text in texts {
            try await says(text, to: conversation)
        }
    }

    /// All pages one way, 20 messages each.
    fileprivate func pages(
        _ conversation: String, _ direction: HistoryDirection, from source: HistorySource = .cloud
    ) async throws -> [Message] {
        let messages = client.messages
        return try await within("all pages") {
            var all: [Message] = []
            while true {
                let page = try await messages.getHistoryMessageList(
                    conversationId: conversation, direction: direction, source: source, lastMessageId: all.last?.messageId)
                #expect(page.messages.count <= 20)
                all += page.messages
                if page.isFinished {
                    return all
                }
            }
        }
    }
}
