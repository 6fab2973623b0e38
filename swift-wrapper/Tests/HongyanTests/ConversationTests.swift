// SPDX-License-Identifier: Apache-2.0

import Hongyan
import Testing

/// The conversation list, unread counts, read positions and drafts.
@Suite struct ConversationTests {
    @Test func theListIsOrderedPagedAndCounted() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let friends = ["ann", "ben", "cem", "dan", "eve"]
            for friend in friends {
                let device = try await server.device(friend)
                try await device.says("first", to: "c2c_bob")
                try await device.says("second", to: "c2c_bob")
            }
            _ = try await bob.heard.messages(10)
            let list = bob.client.conversations
            var (seen, cursor) = ([Conversation](), String?.none)
            repeat {
                let page = try await list.getConversationList(cursor: cursor, count: 2)
                #expect((1...2).contains(page.conversations.count))
                (seen, cursor) = (seen + page.conversations, page.nextCursor)
            } while cursor != nil
            #expect(seen.map(\.conversationId) == friends.reversed().map { "c2c_\($0)" })
            #expect(seen.map(\.unreadCount) == Array(repeating: 2, count: 5))
            #expect(seen.compactMap { $0.lastMessage?.text } == Array(repeating: "second", count: 5))
            #expect(try await list.getTotalUnreadMessageCount() == 10)
        }
    }

    @Test func readingClearsTheCountOnAllDevicesAndTellsTheSender() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let phone = try await server.device("bob")
            let laptop = try await server.device("bob", on: .mac)
            try await alice.says("one", to: "c2c_bob")
            let two = try await alice.says("two", to: "c2c_bob")
            try await alice.says("three", to: "c2c_bob")
            for device in [phone, laptop] {
                try await device.heard.wait(for: "three unread") { $0 == .totalUnread(3) }
            }
            try await phone.client.conversations.cleanConversationUnreadMessageCount(
                conversationId: "c2c_alice", cleanTimestampMs: two.timestampMs)
            let (seen, left) = (two.seq, try await left(laptop, "c2c_alice"))
            #expect(left <= 1)
            try await alice.heard.wait(for: "the receipt") { heard in
                if case .receipts(let receipts) = heard { receipts.contains { $0.userId == "bob" && $0.seq >= seen } } else { false }
            }
            #expect(try await alice.history("c2c_bob").prefix(2).map(\.isPeerRead) == [true, true])
            try await phone.client.conversations.cleanConversationUnreadMessageCount(conversationId: "")
            for device in [phone, laptop] {
                try await device.heard.wait(for: "nothing unread") { $0 == .totalUnread(0) }
                #expect(try await device.conversations().map(\.unreadCount) == [0])
            }
        }
    }

    @Test func readingInAGroupGoesBySequence() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let alice = try await server.device("alice")
            let club = try await alice.group("club", with: ["bob"])
            let first = try await alice.says("first", to: club)
            try await alice.says("second", to: club)
            _ = try await bob.heard.messages(2)
            // The group's name and type come on their own, and may come after the messages.
            try await bob.heard.wait(for: "the group's type") { $0.changed?.contains { $0.groupType == "Work" } == true }
            let list = bob.client.conversations
            try await list.cleanConversationUnreadMessageCount(conversationId: club, cleanSequence: first.seq)
            let conversation = try await list.getConversation(conversationId: club)
            #expect((conversation.unreadCount, conversation.groupReadSequence) == (1, first.seq))
            #expect((conversation.groupType, conversation.showName) == ("Work", "club"))
        }
    }

    @Test func aDraftIsKeptOverARestartOfTheAppAndCleared() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let seen = alice.heard.count
            try await alice.client.conversations.setConversationDraft(conversationId: "c2c_bob", draft: "half a sen")
            try await alice.heard.wait(for: "the draft", after: seen) { $0.drafts == ["half a sen"] }
            try await alice.close()
            let again = try alice.reopened()
            // Nobody is logged in yet, and there may be no network.
            try await again.client.initLocalStorage(userId: "alice")
            let list = again.client.conversations
            #expect(try await list.getConversation(conversationId: "c2c_bob").draftText == "half a sen")
            try await list.setConversationDraft(conversationId: "c2c_bob", draft: nil)
            #expect(try await list.getConversation(conversationId: "c2c_bob").draftText == nil)
            try await again.close()
        }
    }

    @Test func aProfileChangesOnAllDevices() async throws {
        try await onServer { server in
            let phone = try await server.device("alice")
            let laptop = try await server.device("alice", on: .mac)
            try await phone.client.setSelfInfo(nickName: "Alice 🦢")
            try await phone.client.setSelfInfo(faceUrl: "https://example.org/a.png")
            let alice = UserInfo(userId: "alice", nickName: "Alice 🦢", faceUrl: "https://example.org/a.png")
            for device in [phone, laptop] {
                try await device.heard.wait(for: "the new profile") { $0 == .selfInfo(alice) }
            }
            let bob = try await server.device("bob")
            #expect(try await bob.client.getUsersInfo(userIds: ["alice", "nobody"]) == [alice])
        }
    }

    private func left(_ device: Device, _ conversation: String) async throws -> Int64 {
        try await device.heard.heard.wait(for: "the count of what is left") { heard in
            heard.compactMap(\.changed).flatMap { $0 }.last { $0.conversationId == conversation && $0.unreadCount <= 1 }
        }.unreadCount
    }
}

extension Heard {
    fileprivate var changed: [Conversation]? {
        switch self {
        case .conversationsNew(let all), .conversationsChanged(let all): all
        default: nil
        }
    }

    fileprivate var drafts: [String]? {
        changed?.compactMap(\.draftText)
    }
}
