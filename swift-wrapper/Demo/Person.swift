// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hongyan
import HongyanHarness

/// Somebody with a device.
@MainActor
final class Person {
    let name: String
    let screen: Screen
    let client: ImClient
    private let server: ServerProcess
    private let told = Watched(Seen())
    private var listening: [Task<Void, Never>] = []

    var seen: Seen { told.now }

    init(_ name: String, on server: ServerProcess, screen: Screen, platform: Platform = .iphone) throws {
        (self.name, self.server, self.screen) = (name, server, screen)
        let folder = server.folder.appendingPathComponent("device-\(UUID())")
        client = try ImClient(
            config: ImClientConfig(sdkAppId: server.sdkAppId, serverUrl: server.url, dataFolder: folder, platform: platform))
        // The streams stand before anything happens. They end when the client is closed.
        let (events, messages, conversations) = (client.events(), client.messages.events(), client.conversations.events())
        listening = [
            Task { for await event in events { apply(event) } },
            Task { for await event in messages { apply(event) } },
            Task { for await event in conversations { apply(event) } },
        ]
    }

    func logIn() async throws {
        let userSig = try await server.sign(name)
        try await within("the login of \(name)") { [client, name] in try await client.login(userId: name, userSig: userSig) }
        try await until("being online") { $0.isOnline }
    }

    /// Returns when the server has the message.
    @discardableResult
    func say(_ text: String, to conversationId: String) async throws -> Message {
        screen.show("→ \(text)")
        let message = try client.messages.createTextMessage(text: text)
        let sent = try await within("the end of a send") { [client] in
            try await client.messages.sendMessage(message, conversationId: conversationId)
        }
        screen.show("✓ sent as \(sent.seq)")
        return sent
    }

    func read(_ conversationId: String) async throws {
        try await within("the end of a read") { [client] in
            try await client.conversations.cleanConversationUnreadMessageCount(conversationId: conversationId)
        }
    }

    /// The pages of a conversation, each with the newest message first.
    func pages(of conversationId: String, count: Int) async throws -> [[Message]] {
        try await within("the history of \(name)") { [client] in
            var pages: [[Message]] = []
            while true {
                let page = try await client.messages.getHistoryMessageList(
                    conversationId: conversationId, count: count, lastMessageId: pages.last?.last?.messageId)
                pages.append(page.messages)
                if page.isFinished {
                    return pages
                }
            }
        }
    }

    /// All of a conversation, oldest first.
    func history(of conversationId: String) async throws -> [Message] {
        try await pages(of: conversationId, count: 100).flatMap { $0 }.reversed()
    }

    /// Waits until what this device has been told is so.
    @discardableResult
    func until(_ what: String, _ isSo: @escaping @Sendable (Seen) -> Bool) async throws -> Seen {
        try await told.wait(for: "\(what) for \(name)") { isSo($0) ? $0 : nil }
    }

    func untilHeard(_ words: String) async throws {
        try await until("“\(words)”") { seen in seen.messages.contains { $0.words == words } }
    }

    func leave() async {
        await client.close()
        for task in listening {
            await task.value
        }
    }

    private func apply(_ event: SdkEvent) {
        switch event {
        case .connectSuccess: showOnline(true)
        case .connecting, .connectFailed, .kickedOffline, .userSigExpired: showOnline(false)
        case .selfInfoUpdated: break
        }
    }

    private func showOnline(_ isOnline: Bool) {
        if isOnline != seen.isOnline {
            screen.show(isOnline ? "● online" : "○ offline")
        }
        told.change { $0.isOnline = isOnline }
    }

    private func apply(_ event: MessageEvent) {
        switch event {
        case .newMessages(let messages):
            messages.forEach { screen.show("← #\($0.seq) \($0.sender): \($0.words)") }
            told.change { $0.messages += messages }
        case .readReceipts(let receipts):
            for receipt in receipts {
                screen.show("✓✓ \(receipt.userId) has read up to \(receipt.seq)")
                told.change { $0.readByPeer[receipt.conversationId] = receipt.seq }
            }
        case .statusChanged: break
        }
    }

    private func apply(_ event: ConversationEvent) {
        switch event {
        case .new(let conversations), .changed(let conversations):
            told.change { seen in conversations.forEach { seen.conversations[$0.conversationId] = $0 } }
        case .totalUnreadCount(let count):
            screen.show("\(count) unread")
            told.change { $0.unreadCount = count }
        case .syncStarted, .syncFinished, .syncFailed: break
        }
    }
}
