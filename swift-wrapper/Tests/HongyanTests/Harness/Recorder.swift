// SPDX-License-Identifier: Apache-2.0

import Hongyan
import HongyanHarness

/// One call of a listener.
enum Heard: Sendable, Equatable {
    case connecting
    case connected
    case connectFailed(Int)
    case kickedOffline
    case userSigExpired
    case selfInfo(UserInfo)
    case messages([Message])
    case receipts([MessageReceipt])
    case status([Message])
    case syncStarted
    case syncFinished
    case syncFailed
    case conversationsNew([Conversation])
    case conversationsChanged([Conversation])
    case totalUnread(Int64)
}

/// What one client's listeners heard since it was made, in order.
final class Recorder: Sendable {
    let heard = Watched<[Heard]>([])

    func note(_ one: Heard) {
        heard.change { $0.append(one) }
    }

    /// How many calls until now: what came before can be told from what comes after.
    var count: Int { heard.now.count }

    /// Every message heard of as new, in order.
    var messages: [Message] { heard.now.flatMap(\.newMessages) }

    /// Every text heard of as new, in order.
    var texts: [String] { messages.compactMap(\.text) }

    /// Waits for one call that fulfils a condition, after the first `seen` calls.
    func wait(for what: String, after seen: Int = 0, _ condition: @escaping @Sendable (Heard) -> Bool) async throws {
        try await heard.wait(for: what, until: { $0.dropFirst(seen).contains(where: condition) })
    }

    /// Waits until so many messages with text were heard of as new, and gives them in order.
    func messages(_ count: Int) async throws -> [Message] {
        try await heard.wait(for: "\(count) new messages") { heard in
            let messages = heard.flatMap(\.newMessages).filter { $0.text != nil }
            return messages.count >= count ? messages : nil
        }
    }

    /// The same, their texts.
    func texts(_ count: Int) async throws -> [String] {
        try await messages(count).compactMap(\.text)
    }
}

extension Heard {
    var newMessages: [Message] {
        if case .messages(let messages) = self { messages } else { [] }
    }
}

extension Recorder: SdkListener {
    func onConnecting() { note(.connecting) }
    func onConnectSuccess() { note(.connected) }
    func onConnectFailed(code: Int, detail: String) { note(.connectFailed(code)) }
    func onKickedOffline() { note(.kickedOffline) }
    func onUserSigExpired() { note(.userSigExpired) }
    func onSelfInfoUpdated(info: UserInfo) { note(.selfInfo(info)) }
}

extension Recorder: AdvancedMsgListener {
    func onRecvNewMessage(messages: [Message]) { note(.messages(messages)) }
    func onRecvC2cReadReceipt(receipts: [MessageReceipt]) { note(.receipts(receipts)) }
    func onMessageStatusChanged(messages: [Message]) { note(.status(messages)) }
}

extension Recorder: ConversationListener {
    func onSyncServerStart() { note(.syncStarted) }
    func onSyncServerFinish() { note(.syncFinished) }
    func onSyncServerFailed() { note(.syncFailed) }
    func onNewConversation(conversations: [Conversation]) { note(.conversationsNew(conversations)) }
    func onConversationChanged(conversations: [Conversation]) { note(.conversationsChanged(conversations)) }
    func onTotalUnreadMessageCountChanged(totalUnreadCount: Int64) { note(.totalUnread(totalUnreadCount)) }
}
