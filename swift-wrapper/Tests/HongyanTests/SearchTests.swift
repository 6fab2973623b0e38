// SPDX-License-Identifier: Apache-2.0

import Hongyan
import HongyanHarness
import Testing

/// What is on a device is found there.
@Suite struct SearchTests {
    @Test func messagesAreFoundByTheirWordsAlsoWithoutAServer() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let bob = try await server.device("bob")
            let geese = try await alice.group("geese", with: ["bob"])
            for text in ["鸿雁传书", "Good morning", "another morning"] {
                try await alice.says(text, to: "c2c_bob")
            }
            try await alice.says("GOOD night", to: geese)
            #expect(try await bob.heard.messages(4).count == 4)
            try await server.kill()

            let messages = bob.client.messages
            let everywhere = try await messages.searchLocalMessages(keywordList: ["good"])
            #expect(everywhere.totalCount == 2)
            let items = everywhere.messageSearchResultItems
            #expect(items.map(\.conversationId) == [geese, "c2c_alice"])
            #expect(items.flatMap(\.messageList).compactMap(\.text) == ["GOOD night", "Good morning"])

            let here = try await messages.searchLocalMessages(
                keywordList: ["morn", "雁传"], senderUserIdList: ["alice"], messageTypeList: [.text], conversationId: "c2c_alice", pageSize: 2)
            #expect(here.totalCount == 3)
            let found = try #require(here.messageSearchResultItems.first)
            #expect((found.messageCount, found.messageList.compactMap(\.text)) == (3, ["another morning", "Good morning"]))
            let both = try await messages.searchLocalMessages(keywordList: ["morning", "good"], keywordListMatchType: .and)
            #expect(both.messageSearchResultItems.first?.messageList.compactMap(\.text) == ["Good morning"])
            try await server.startAgain()
        }
    }
}
