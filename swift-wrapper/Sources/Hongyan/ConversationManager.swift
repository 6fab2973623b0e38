// SPDX-License-Identifier: Apache-2.0
import HongyanFFI

/// The user's conversations. The list is kept on this device and can be read without a connection, and, after
/// ``ImClient/initLocalStorage(userId:)``, before login.
@available(iOS 13, macOS 10.15, *)
public final class ConversationManager: Sendable {
    private let manager: HongyanFFI.ConversationManager
    private let lifetime: ClientLifetime
    private let queue: CallbackQueue?

    init(_ manager: HongyanFFI.ConversationManager, lifetime: ClientLifetime, queue: CallbackQueue?) {
        self.manager = manager
        self.lifetime = lifetime
        self.queue = queue
    }

    /// Reads a page of the list from this device: highest `orderKey` first, equal ones by id.
    ///
    /// `cursor` is the `nextCursor` of the page before, nothing for the first page. `count` is 1 to 1000. It works offline. Codes: 6014 where no
    /// user's data is open, 6017 for a bad cursor or count.
    public func getConversationList(cursor: String? = nil, count: Int = 100) async throws -> ConversationPage {
        try await untilCancelled { [manager] in try await manager.getConversationList(cursor: cursor, count: Int32(clamping: count)) }
    }

    /// Reads one conversation from this device, whether the list shows it or not.
    ///
    /// It works offline. Codes: 6004 for an id of neither form or a conversation that this device does not know, 6014 where no user's data is open.
    public func getConversation(conversationId: String) async throws -> Conversation {
        try await untilCancelled { [manager] in try await manager.getConversation(conversationId: conversationId) }
    }

    /// How many messages are unread in all conversations together, as this device knows.
    ///
    /// It works offline. Codes: 6014 where no user's data is open.
    public func getTotalUnreadMessageCount() async throws -> Int64 {
        try await untilCancelled { [manager] in try await manager.getTotalUnreadMessageCount() }
    }

    /// Marks messages as read, on all devices of the user. A read position never moves back.
    ///
    /// `conversationId` names one conversation, or is `c2c` for all one-to-one conversations, `group` for all groups, empty for all.
    /// `cleanTimestampMs` (one-to-one; the server's time in milliseconds since 1970) or `cleanSequence` (groups) says up to and with where
    /// one conversation is read; 0 is everything, which is the only choice for several.
    ///
    /// Listeners hear ``ConversationEvent/changed(_:)`` and ``ConversationEvent/totalUnreadCount(_:)``; the other user of a one-to-one
    /// conversation hears ``MessageEvent/readReceipts(_:)``. It needs a connection: 9508 without one, 6012 at the deadline. Codes: 6004 for an
    /// id of no form, 6014 when not logged in, 6017 for negative numbers or a position with several conversations.
    public func cleanConversationUnreadMessageCount(
        conversationId: String, cleanTimestampMs: Int64 = 0, cleanSequence: Int64 = 0
    ) async throws {
        try await untilCancelled { [manager] in
            try await manager.cleanConversationUnreadMessageCount(
                conversationId: conversationId, cleanTimestampMs: cleanTimestampMs, cleanSequence: cleanSequence)
        }
    }

    /// Keeps a text that is being written, on this device only; nothing or an empty one clears it. It raises the conversation in the list of this
    /// device.
    ///
    /// Listeners hear ``ConversationEvent/changed(_:)``, or ``ConversationEvent/new(_:)`` of one that was not in the list. It works
    /// offline. Codes: 6004 for an id of neither form, 6014 where no user's data is open, 6017 for more than 64 KiB, 6022 where the disk is full.
    public func setConversationDraft(conversationId: String, draft: String?) async throws {
        try await untilCancelled { [manager] in try await manager.setConversationDraft(conversationId: conversationId, draft: draft) }
    }

    /// What happens to conversations, from the moment of this call on, in whole batches.
    ///
    /// Every call gives a stream of its own, which is read once. It ends with the client, when the task that reads it is cancelled, and when the app
    /// lets go of it; on a closed client at once. While one batch waits to be read, the SDK waits, for all listeners and
    /// streams of this client, and puts what happens meanwhile together: each one's last state is told, but a stream that nobody reads must not be kept.
    public func events() -> AsyncStream<ConversationEvent> {
        eventStream(lifetime) { manager.addConversationListener(listener: ConversationEventSource($0)) }
    }

    /// Has a listener hear of conversations until the subscription is cancelled or the client is closed; on a closed client it hears nothing.
    @discardableResult
    public func addConversationListener(_ listener: any ConversationListener) -> Subscription {
        subscription(lifetime, gate: ListenerGate(queue: queue) { listener.hear($0) }) {
            manager.addConversationListener(listener: ConversationEventSource($0))
        }
    }
}
