// SPDX-License-Identifier: Apache-2.0

import Hongyan
import HongyanHarness
import Testing

/// Streams of events.
@Suite struct StreamTests {
    /// Far above what a stream keeps back for a slow reader: so many events in a row show a stream that nobody reads.
    private static let many = 100

    /// One batch is in the reader's hands, one waits, one is in the hands of the SDK's thread, and the rest is joined behind it, where what came
    /// while that thread was busy may take a call more.
    private static let batchesMax = 5

    @Test func twoStreamsBothGetAll() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let first = collect(bob.client.messages.events(), newTexts)
            let second = collect(bob.client.messages.events(), newTexts)
            let alice = try await server.device("alice")
            for text in numbered(1...50) {
                try await alice.says(text, to: "c2c_bob")
            }
            #expect(try await first.first(50) == numbered(1...50))
            #expect(try await second.first(50) == numbered(1...50))
        }
    }

    @Test func aSlowReaderLosesNothingAndFewBatchesWaitForIt() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let tablet = try await server.device("bob", on: .ipad)
            let gate = Flag(false)
            let batches = Watched(0)
            let slow = collect(bob.client.messages.events(), behind: gate) { event in
                batches.increase()
                return newTexts(event)
            }
            let alice = try await server.device("alice")
            let all = numbered(1...Self.many)
            for (index, text) in all.enumerated() {
                try await alice.says(text, to: "c2c_bob")
                // Each is an event of its own where nobody is slow.
                _ = try await tablet.heard.messages(index + 1)
            }
            #expect(slow.items.now.isEmpty)
            gate.raise()
            #expect(try await slow.first(all.count) == all)
            #expect(try await bob.heard.texts(all.count) == all)
            #expect(batches.now <= Self.batchesMax)
        }
    }

    @Test func whatComesBetweenMakingAStreamAndReadingItIsNotLost() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let tablet = try await server.device("bob", on: .ipad)
            let stream = bob.client.messages.events()
            let alice = try await server.device("alice")
            for text in numbered(1...5) {
                try await alice.says(text, to: "c2c_bob")
                #expect(try await tablet.heard.texts(Int(text) ?? 0).last == text)
            }
            #expect(try await collect(stream, newTexts).first(5) == numbered(1...5))
        }
    }

    @Test func eachKindOfEventHasItsStream() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let conversations = collect(bob.client.conversations.events()) { event -> [String] in
                switch event {
                case .new(let conversations): conversations.map(\.conversationId)
                case .totalUnreadCount(let count): ["\(count) unread"]
                default: []
                }
            }
            let alice = try await server.device("alice")
            let receipts = collect(alice.client.messages.events()) { event -> [String] in
                switch event {
                case .readReceipts(let receipts): receipts.map { "\($0.userId) read \($0.seq)" }
                case .statusChanged(let messages): messages.map { "\($0.status)" }
                case .newMessages: []
                }
            }
            try await alice.says("hello", to: "c2c_bob")
            try await conversations.items.wait(for: "both events", until: { Set($0) == ["c2c_alice", "1 unread"] })
            try await bob.client.conversations.cleanConversationUnreadMessageCount(conversationId: "c2c_alice")
            try await receipts.items.wait(for: "the receipt", until: { $0.last == "bob read 1" })
            #expect(receipts.items.now.dropLast().last == "sent")
        }
    }

    @Test(arguments: Ending.allCases)
    func aStreamThatEndedHoldsNobodyUp(ending: Ending) async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let alice = try await server.device("alice")
            let freed = Flag(false)
            try await end(bob, by: ending, with: alice, freed)
            let before = bob.heard.texts.count
            for number in 1...Self.many {
                try await alice.says("after \(number)", to: "c2c_bob")
                // One event each: waiting keeps the SDK from joining them.
                _ = try await bob.heard.messages(before + number)
            }
            try await freed.wait(for: "the end of what the loop held")
        }
    }

    enum Ending: CaseIterable {
        case byBreak, byCancellation, unread
    }

    private func end(_ bob: Device, by ending: Ending, with alice: Device, _ freed: Flag) async throws {
        let tracer = Tracer(freed)
        switch ending {
        case .byBreak:
            let stream = bob.client.messages.events()
            let loop = Task {
                for await _ in stream {
                    break
                }
                withExtendedLifetime(tracer) {}
            }
            try await alice.says("the first", to: "c2c_bob")
            try await within("the end of the loop") { await loop.value }
        case .byCancellation:
            let collected = collect(bob.client.messages.events()) { event in withExtendedLifetime(tracer) { newTexts(event) } }
            try await alice.says("the first", to: "c2c_bob")
            _ = try await collected.first(1)
            collected.cancel()
            try await collected.hasEnded.wait(for: "the end of the loop")
        case .unread:
            _ = bob.client.messages.events()
        }
    }
}
