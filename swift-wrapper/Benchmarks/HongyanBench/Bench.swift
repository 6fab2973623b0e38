// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hongyan

private let historyCount = 10_000
private let conversation = "c2c_bob"

/// Two users with a long history between them, and what is measured with them.
struct Bench: Sendable {
    private let server: BenchServer
    private let alice: ImClient
    private let bob: ImClient

    /// Logs both in and makes the history.
    init(_ server: BenchServer) async throws {
        self.server = server
        alice = try await server.client("alice")
        bob = try await server.client("bob")
        let took = try await fill()
        print("sent and received \(historyCount) messages, 32 at a time: \(Int(took.microseconds) / historyCount) us each\n")
    }

    func close() async {
        await alice.close()
        await bob.close()
    }

    /// Calls that do as little as possible on the other side.
    func calls() async throws -> [Cost] {
        [
            await measure("a getter (serverTimeMs)", times: 20_000) {
                for _ in 0..<20_000 {
                    _ = alice.serverTimeMs
                }
            },
            try await measure("an async call (findMessages of none)", times: 2_000) {
                for _ in 0..<2_000 {
                    _ = try await alice.messages.findMessages(messageIds: [])
                }
            },
            try await measure("making a message (createTextMessage)", times: 5_000) {
                for _ in 0..<5_000 {
                    _ = try alice.messages.createTextMessage(text: "hello")
                }
            },
        ]
    }

    /// The same 1000 records, one a call and all in one.
    func records() async throws -> [Cost] {
        let ids = try await alice.messages.page(200).messages.map(\.messageId)
        let thousand = (0..<5).flatMap { _ in ids }
        return [
            try await measure("a record alone (findMessages of 1)", times: 500) {
                for id in thousand.prefix(500) {
                    _ = try await alice.messages.findMessages(messageIds: [id])
                }
            },
            try await measure("a record in a list of 1000", times: 10 * thousand.count) {
                for _ in 0..<10 {
                    _ = try await alice.messages.findMessages(messageIds: thousand)
                }
            },
        ]
    }

    /// What a screen asks for.
    func pages() async throws -> [Cost] {
        var costs: [Cost] = []
        for count in [20, 200] {
            costs.append(
                try await measure("a page of \(count) messages of this device", times: 100) {
                    for _ in 0..<100 {
                        _ = try await alice.messages.page(count)
                    }
                })
        }
        return costs
    }

    /// Something that happens here and is told here: a draft.
    func events() async throws -> [Cost] {
        let rounds = 200
        let alone = try await measure("a call that writes (setConversationDraft)", times: rounds) {
            for number in 0..<rounds {
                try await bob.conversations.setConversationDraft(conversationId: "c2c_alice", draft: "\(number)")
            }
        }
        var iterator = alice.conversations.events().makeAsyncIterator()
        let told = try await measure("the same until its event is heard", times: rounds) {
            for number in 0..<rounds {
                try await alice.conversations.setConversationDraft(conversationId: conversation, draft: "\(number)")
                while let event = await iterator.next(), event.draft != "\(number)" {}
            }
        }
        return [alone, told]
    }

    /// A long conversation from its end to its beginning by pages of 200: from this device, and by a new device.
    func histories() async throws -> [Cost] {
        let here = try await measure("a message of \(historyCount), by pages of 200, of this device", times: historyCount) {
            try await readAll(alice, .local)
        }
        var trials: [Double] = []
        for platform in [Platform.mac, .windows, .web] {
            let device = try await server.client("alice", on: platform)
            let took = try await ContinuousClock().measure { try await readAll(device, .cloud) }
            trials.append(took.microseconds / Double(historyCount))
            await device.close()
        }
        return [here, Cost("the same of a new device, from the server", trials: trials)]
    }

    private func readAll(_ client: ImClient, _ source: HistorySource) async throws {
        var (count, last, isFinished) = (0, String?.none, false)
        while !isFinished {
            let page = try await client.messages.page(200, source, after: last)
            (count, last, isFinished) = (count + page.messages.count, page.messages.last?.messageId, page.isFinished)
        }
        guard count == historyCount else { throw BenchFailure("\(count) of \(historyCount) messages were read") }
    }

    /// Makes the history: alice sends, and it ends when bob has heard all.
    private func fill() async throws -> Duration {
        let incoming = bob.messages.events()
        return try await ContinuousClock().measure {
            let sending = Task {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for sender in 0..<32 {
                        group.addTask {
                            for number in stride(from: sender, to: historyCount, by: 32) {
                                let text = "message \(number) of a history that somebody wrote"
                                _ = try await alice.messages.sendC2cTextMessage(text: text, userId: "bob")
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            var heard = 0
            for await event in incoming {
                if case .newMessages(let messages) = event {
                    heard += messages.count
                }
                if heard == historyCount {
                    break
                }
            }
            try await sending.value
        }
    }
}

extension MessageManager {
    fileprivate func page(_ count: Int, _ source: HistorySource = .local, after last: String? = nil) async throws -> HistoryPage {
        try await getHistoryMessageList(
            conversationId: conversation, source: source, count: count, lastMessageId: last)
    }
}

extension ConversationEvent {
    fileprivate var draft: String? {
        guard case .changed(let conversations) = self else { return nil }
        return conversations.first?.draftText
    }
}
