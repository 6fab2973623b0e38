// SPDX-License-Identifier: Apache-2.0
import Foundation
import HongyanFFI

/// The user's messages.
@available(iOS 13, macOS 10.15, *)
public final class MessageManager: Sendable {
    private let manager: HongyanFFI.MessageManager
    private let lifetime: ClientLifetime
    private let queue: CallbackQueue?

    init(_ manager: HongyanFFI.MessageManager, lifetime: ClientLifetime, queue: CallbackQueue?) {
        self.manager = manager
        self.lifetime = lifetime
        self.queue = queue
    }

    // MARK: Sending

    /// Makes a text message; nothing is stored or sent. Codes: 6016 for text with NUL, 8001 for more than 12 KiB.
    public func createTextMessage(text: String) throws(ImError) -> OutgoingMessage {
        try call { try manager.createTextMessage(text: text) }
    }

    /// Makes a message of bytes that only the app understands; nothing is stored or sent. `description` is the text of a push notice,
    /// `extension` a further field. Codes: 6016 for text with NUL, 8001 for more than 12 KiB together.
    public func createCustomMessage(data: Data, description: String = "", extension: String = "") throws(ImError) -> OutgoingMessage {
        try call { try manager.createCustomMessage(data: data, description: description, extension: `extension`) }
    }

    /// Sends a message to `c2c_<userID>` or `group_<groupID>`.
    ///
    /// The message is stored first (status sending), survives a kill of the app, and goes out in the order of the calls of its conversation. The
    /// call ends when the server has stored it, with the message at its place. Without a connection it waits for one, for 60 seconds while the user is
    /// logged in. After an error the message stays with status failed and its code, for ``resendMessage(messageId:)``; errors before storing
    /// (those of bad input, 6014, 6022, 9507) leave nothing behind.
    ///
    /// Listeners hear ``MessageEvent/statusChanged(_:)`` (never ``MessageEvent/newMessages(_:)``) and ``ConversationEvent/changed(_:)`` or
    /// ``ConversationEvent/new(_:)``.
    ///
    /// Codes: 6004 for a bad conversation id, 6012 and 9508 at the deadline (without and with a lost connection), 6014 when not logged in, 6016 and
    /// 6017 for bad elements or an id that was sent before, 6022 where the disk is full, 7009 when the session ended meanwhile (logout,
    /// kicked, expired UserSig, close: the message keeps status sending and waits for the next login), 8001 for more than 12 KiB, 9507 where 10,000
    /// wait already; from the server 10007 for a group that the user is not in, 10010 for no such group, 20003 for no such user.
    public func sendMessage(_ message: OutgoingMessage, conversationId: String) async throws -> Message {
        try await untilCancelled { [manager] in try await manager.sendMessage(message: message, conversationId: conversationId) }
    }

    /// Sends a text to a user: ``createTextMessage(text:)`` and ``sendMessage(_:conversationId:)`` in one. Code 7003 for a bad user id.
    public func sendC2cTextMessage(text: String, userId: String) async throws -> Message {
        try await untilCancelled { [manager] in try await manager.sendC2cTextMessage(text: text, userId: userId) }
    }

    /// Sends bytes to a user: ``createCustomMessage(data:description:extension:)`` and ``sendMessage(_:conversationId:)`` in one. Code 7003 for a bad
    /// user id.
    public func sendC2cCustomMessage(data: Data, userId: String) async throws -> Message {
        try await untilCancelled { [manager] in try await manager.sendC2cCustomMessage(data: data, userId: userId) }
    }

    /// Sends a text to a group: ``createTextMessage(text:)`` and ``sendMessage(_:conversationId:)`` in one. Code 8501 for a bad group id.
    public func sendGroupTextMessage(text: String, groupId: String, priority: MessagePriority = .default) async throws -> Message {
        try await untilCancelled { [manager] in try await manager.sendGroupTextMessage(text: text, groupId: groupId, priority: priority) }
    }

    /// Sends bytes to a group: ``createCustomMessage(data:description:extension:)`` and ``sendMessage(_:conversationId:)`` in one. Code 8501 for a bad
    /// group id.
    public func sendGroupCustomMessage(data: Data, groupId: String, priority: MessagePriority = .default) async throws -> Message {
        try await untilCancelled { [manager] in try await manager.sendGroupCustomMessage(data: data, groupId: groupId, priority: priority) }
    }

    /// Sends a message that failed again, under the same id: if the server has it after all, it is there once. Effect, events and codes are those of
    /// ``sendMessage(_:conversationId:)``; 7014 for a message that did not fail or does not exist.
    public func resendMessage(messageId: String) async throws -> Message {
        try await untilCancelled { [manager] in try await manager.resendMessage(messageId: messageId) }
    }

    // MARK: Reading

    /// Reads a page of a conversation's history, either way.
    ///
    /// From the cloud, what this device lacks is fetched and kept; where the server cannot be reached, or nobody is logged in, the page is what this
    /// device has. So it is, as all there is, where the server refuses: what was fetched of a group that the user has left stays readable here, also
    /// after joining it again, while a new install shows what came after the joining. What was not sent stands among the messages at the place
    /// where it was written. No listener hears of what is read.
    ///
    /// - Parameters:
    ///   - conversationId: `c2c_<userID>` or `group_<groupID>`.
    ///   - direction: Which way; the page has this order.
    ///   - source: Where.
    ///   - count: How many messages at the most, 1 to 200. About 20 fill a screen.
    ///   - lastMessageId: The message after which the reading starts; it is not part of the page. It goes before `lastMessageSeq`.
    ///   - lastMessageSeq: The sequence at which the reading starts; it is part of the page. Without it, and without `lastMessageId`, the reading
    ///     starts at the conversation's end, or, for newer messages, its beginning.
    ///
    /// Codes: 6004 for a bad conversation id, 6014 where no user's data is open, 6017 for a bad count or a last message that is not on this device;
    /// where nothing of the conversation is on this device, 10007 for a group that the user is not in, 10010 for no such group, 20003 for no such
    /// user; 6001 where what is kept here proved to be of another server: it is being loaded anew, and the page is to be asked for again.
    public func getHistoryMessageList(
        conversationId: String, direction: HistoryDirection = .older, source: HistorySource = .cloud, count: Int = 20,
        lastMessageId: String? = nil, lastMessageSeq: Int64? = nil
    ) async throws -> HistoryPage {
        let option = HistoryOption(
            conversationId: conversationId, direction: direction, source: source, count: Int32(clamping: count),
            lastMessageId: lastMessageId, lastMessageSeq: lastMessageSeq)
        return try await untilCancelled { [manager] in try await manager.getHistoryMessageList(option: option) }
    }

    /// Reads older messages with a user from the cloud, newest first, before `lastMessageId` or from the end: see
    /// ``getHistoryMessageList(conversationId:direction:source:count:lastMessageId:lastMessageSeq:)``.
    public func getC2cHistoryMessageList(userId: String, count: Int = 20, lastMessageId: String? = nil) async throws -> HistoryPage {
        try await untilCancelled { [manager] in
            try await manager.getC2cHistoryMessageList(userId: userId, count: Int32(clamping: count), lastMessageId: lastMessageId)
        }
    }

    /// Reads older messages of a group from the cloud, newest first, before `lastMessageId` or from the end: see
    /// ``getHistoryMessageList(conversationId:direction:source:count:lastMessageId:lastMessageSeq:)``.
    public func getGroupHistoryMessageList(groupId: String, count: Int = 20, lastMessageId: String? = nil) async throws -> HistoryPage {
        try await untilCancelled { [manager] in
            try await manager.getGroupHistoryMessageList(groupId: groupId, count: Int32(clamping: count), lastMessageId: lastMessageId)
        }
    }

    /// Finds messages on this device by their ids, in the order asked for; those that are not there are left out. It works offline. Codes: 6014 where
    /// no user's data is open, 6017 for an id of no form or more than 1000 ids.
    public func findMessages(messageIds: [String]) async throws -> [Message] {
        try await untilCancelled { [manager] in try await manager.findMessages(messageIds: messageIds) }
    }

    /// Searches the messages on this device by words, senders, types and time; what was never fetched is not found. It works offline. Tips of groups are
    /// not found, messages that wait or failed are.
    ///
    /// A keyword is found where its words follow each other, whatever stands between them that is no letter, digit or emoji. Its last word may be the
    /// beginning of a longer one: `hel` finds `Hello`, `ell` does not. In Chinese, Japanese, Korean, Thai and other scripts without blanks, and among
    /// emoji, each character is a word, so that any part of a text is found. Case, width and the accents of Latin, modern Greek and Russian letters
    /// make no difference. A keyword without a letter, digit or emoji is found in no message.
    ///
    /// The messages of one conversation come newest first. Of all conversations come those that have some, each with the number of messages, and with
    /// the message itself where it is exactly one. After an update from a version without search, the first search waits until what is stored was made ready.
    ///
    /// - Parameters:
    ///   - keywordList: What is looked for in texts, and in the descriptions of custom elements: at most 5 keywords of 512 bytes. It may be empty only where
    ///     senders or types are named.
    ///   - keywordListMatchType: Whether one of the keywords is enough.
    ///   - senderUserIdList: Users of whom one sent it, at most 5; empty for anybody. The user may be among them.
    ///   - messageTypeList: Kinds of which it has an element; empty for both.
    ///   - conversationId: The conversation that it is in: `c2c_<userID>` or `group_<groupID>`; nothing for all.
    ///   - searchTimePositionMs: The latest time that it may be of, in milliseconds since 1970; 0 for now. The same time for every page keeps what arrives
    ///     meanwhile from moving the pages.
    ///   - searchTimePeriodMs: How long before that at the most, in milliseconds; 0 for any time.
    ///   - pageIndex: Which page is asked for, the first is 0.
    ///   - pageSize: How many messages of one conversation, or how many conversations, a page has at the most, 1 to 100.
    ///
    /// Codes: 6004 for a bad conversation id, 6014 where no user's data is open, 6017 where nothing is looked for, for too many or too long keywords, too many
    /// senders, a time before 1970 or a bad page, 6022 where the disk is full while what is stored is made ready, 7003 for a bad user id.
    public func searchLocalMessages(
        keywordList: [String], keywordListMatchType: KeywordListMatchType = .or, senderUserIdList: [String] = [],
        messageTypeList: [MessageType] = [], conversationId: String? = nil, searchTimePositionMs: Int64 = 0, searchTimePeriodMs: Int64 = 0,
        pageIndex: Int = 0, pageSize: Int = 20
    ) async throws -> MessageSearchResult {
        let param = MessageSearchParam(
            keywordList: keywordList, keywordListMatchType: keywordListMatchType, senderUserIdList: senderUserIdList,
            messageTypeList: messageTypeList, conversationId: conversationId, searchTimePositionMs: searchTimePositionMs,
            searchTimePeriodMs: searchTimePeriodMs, pageIndex: Int32(clamping: pageIndex), pageSize: Int32(clamping: pageSize))
        return try await untilCancelled { [manager] in try await manager.searchLocalMessages(param: param) }
    }

    // MARK: Hearing

    /// What happens to messages, from the moment of this call on, in whole batches.
    ///
    /// Every call gives a stream of its own, which is read once. It ends with the client, when the task that reads it is cancelled, and when the app
    /// lets go of it; on a closed client at once. While one batch waits to be read, the SDK waits, for all listeners and
    /// streams of this client, and puts what happens meanwhile together: no message is lost, but a stream that nobody reads must not be kept.
    public func events() -> AsyncStream<MessageEvent> {
        eventStream(lifetime) { manager.addAdvancedMsgListener(listener: MessageEventSource($0)) }
    }

    /// Has a listener hear of messages until the subscription is cancelled or the client is closed; on a closed client it hears nothing.
    @discardableResult
    public func addAdvancedMsgListener(_ listener: any AdvancedMsgListener) -> Subscription {
        subscription(lifetime, gate: ListenerGate(queue: queue) { listener.hear($0) }) {
            manager.addAdvancedMsgListener(listener: MessageEventSource($0))
        }
    }
}
