// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What is public of a user.
public struct ImUser: Equatable, Sendable {
    /// The user.
    public let userId: String
    /// The nickname; empty where none was set.
    public let nickName: String
    /// The address of the portrait; empty where none was set.
    public let faceUrl: String

    init(_ json: JSONObject) {
        userId = json.text("userID")
        nickName = json.text("nickName")
        faceUrl = json.text("faceURL")
    }
}

/// One part of a message. Newer versions may add cases: give a `switch` a `default`.
public enum ImElement: Equatable, Sendable {
    /// Text.
    case text(String)
    /// Bytes that only the app understands; the description is the text of a push notice, the extension a further field for the app.
    case custom(data: Data, description: String, extension: String)
    /// What happened in a group, by its number (2 invited, 3 left), who did it, and to whom.
    case groupTips(groupId: String, type: Int, operatorId: String, members: [String], memberCount: Int)
    /// A kind of element newer than this SDK, as it came, in JSON.
    case unknown(json: String)

    init(_ json: JSONObject) {
        switch json.number("elemType") {
        case 1:
            self = .text(json.text("text"))
        case 2:
            self = .custom(data: json.bytes("data"), description: json.text("desc"), extension: json.text("extension"))
        case 9:
            self = .groupTips(
                groupId: json.text("groupID"), type: json.number("type"), operatorId: json.object("opMember").text("userID"),
                members: json.list("memberList").map { $0.text("userID") }, memberCount: json.number("memberCount"))
        default:
            self = .unknown(json: json.text("json"))
        }
    }
}

/// How far sending a message has come.
public enum ImMessageStatus: Int, Sendable {
    /// It waits on this device, or is on its way.
    case sending = 1
    /// The server has it.
    case sent = 2
    /// It will not be sent unless it is sent again.
    case failed = 3
}

/// How urgent a message is.
public enum ImMessagePriority: Int, Sendable {
    /// Not said.
    case `default` = 0
    /// Before all others.
    case high = 1
    /// As usual.
    case normal = 2
    /// Dropped first.
    case low = 3
}

/// A message of a conversation, as it is stored on this device.
public struct ImMessage: Equatable, Sendable {
    /// Names the message, from the moment it is made.
    public let messageId: String
    /// The conversation: `c2c_<userID>` or `group_<groupID>`.
    public let conversationId: String
    /// Its place in the conversation, rising by one from 1, the same on all devices; 0 until the server has it.
    public let seq: Int64
    /// Who sent it.
    public let sender: String
    /// The sender's nickname when it was sent; empty where none was set.
    public let nickName: String
    /// The address of the sender's portrait when it was sent; empty where none was set.
    public let faceUrl: String
    /// The other user of a one-to-one conversation, whoever of the two sent it.
    public let userId: String?
    /// The group of a group conversation.
    public let groupId: String?
    /// When the server stored it, in milliseconds since 1970; until then when it was made.
    public let timestampMs: Int64
    /// How far sending it has come.
    public let status: ImMessageStatus
    /// The code of why sending it failed, of one that failed.
    public let failureCode: Int?
    /// Whether the user sent it, from this device or another.
    public let isSelf: Bool
    /// Whether the user has read it, on any device. Own messages count as read.
    public let isRead: Bool
    /// Whether the other user of a one-to-one conversation has read it.
    public let isPeerRead: Bool
    /// Its parts, at least one.
    public let elements: [ImElement]
    /// Bytes of the app's own beside the elements; empty where there are none.
    public let cloudCustomData: Data
    /// How urgent it is.
    public let priority: ImMessagePriority
    /// Whether it is left out of unread counts.
    public let isExcludedFromUnreadCount: Bool

    init(_ json: JSONObject) {
        messageId = json.text("msgID")
        conversationId = json.text("conversationID")
        seq = json.long("seq")
        sender = json.text("sender")
        nickName = json.text("nickName")
        faceUrl = json.text("faceURL")
        userId = json.optionalText("userID")
        groupId = json.optionalText("groupID")
        timestampMs = json.long("timestampMs")
        status = ImMessageStatus(rawValue: json.number("status")) ?? .sent
        failureCode = json.optionalNumber("failureCode")
        isSelf = json.flag("isSelf")
        isRead = json.flag("isRead")
        isPeerRead = json.flag("isPeerRead")
        elements = json.list("elemList").map { ImElement($0) }
        cloudCustomData = json.bytes("cloudCustomData")
        priority = ImMessagePriority(rawValue: json.number("priority")) ?? .default
        isExcludedFromUnreadCount = json.flag("isExcludedFromUnreadCount")
    }

    static func list(_ value: Any?) -> [ImMessage] { JSONObject.list(value).map { ImMessage($0) } }
}

/// A page of history.
public struct ImHistoryPage: Equatable, Sendable {
    /// The messages, in the order in which they were asked for.
    public let messages: [ImMessage]
    /// Whether there is nothing further that way. An empty page is always finished.
    public let isFinished: Bool

    init(_ json: JSONObject) {
        messages = ImMessage.list(json.value("messageList"))
        isFinished = json.flag("isFinished")
    }
}

/// How far the other user of a one-to-one conversation has read.
public struct ImMessageReceipt: Equatable, Sendable {
    /// Who has read.
    public let userId: String
    /// In which conversation.
    public let conversationId: String
    /// Up to and with the message of this sequence.
    public let seq: Int64
    /// The server's time of that message, in milliseconds since 1970; 0 where this device never had it.
    public let timestampMs: Int64

    init(_ json: JSONObject) {
        userId = json.text("userID")
        conversationId = json.text("conversationID")
        seq = json.long("seq")
        timestampMs = json.long("timestampMs")
    }
}

/// A conversation as the list shows it.
public struct ImConversation: Equatable, Sendable {
    /// `c2c_<userID>` or `group_<groupID>`.
    public let conversationId: String
    /// The other user of a one-to-one conversation.
    public let userId: String?
    /// The group of a group conversation.
    public let groupId: String?
    /// The group's type, such as `Work`.
    public let groupType: String?
    /// What to call it: the group's name or the other user's nickname; the id where there is none.
    public let showName: String
    /// The address of its picture; empty where there is none.
    public let faceUrl: String
    /// How many messages are unread.
    public let unreadCount: Int
    /// The last message, those not sent among them.
    public let lastMessage: ImMessage?
    /// The draft; nothing where there is none. It is on this device only.
    public let draftText: String?
    /// When the draft was set, in milliseconds since 1970; 0 where there is none.
    public let draftTimestampMs: Int64
    /// Where it stands in the list, highest first; equal ones are ordered by their ids. It rises and is no time.
    public let orderKey: Int64
    /// The server's time of the last message that the user has read of a one-to-one conversation, in milliseconds since 1970; 0 where none is.
    public let c2cReadTimestampMs: Int64
    /// Up to and with which sequence the user has read a group conversation.
    public let groupReadSequence: Int64

    init(_ json: JSONObject) {
        conversationId = json.text("conversationID")
        userId = json.optionalText("userID")
        groupId = json.optionalText("groupID")
        groupType = json.optionalText("groupType")
        showName = json.text("showName")
        faceUrl = json.text("faceUrl")
        unreadCount = json.number("unreadCount")
        lastMessage = json.value("lastMessage") == nil ? nil : ImMessage(json.object("lastMessage"))
        draftText = json.optionalText("draftText")
        draftTimestampMs = json.long("draftTimestampMs")
        orderKey = json.long("orderKey")
        c2cReadTimestampMs = json.long("c2cReadTimestampMs")
        groupReadSequence = json.long("groupReadSequence")
    }

    static func list(_ value: Any?) -> [ImConversation] { JSONObject.list(value).map { ImConversation($0) } }
}

/// A page of the list of conversations.
public struct ImConversationPage: Equatable, Sendable {
    /// The conversations, in the order of the list.
    public let conversations: [ImConversation]
    /// What the next page is asked for with; nothing after the last.
    public let nextCursor: String?

    init(_ json: JSONObject) {
        conversations = ImConversation.list(json.value("conversationList"))
        nextCursor = json.flag("isFinished") ? nil : json.optionalText("nextSeq")
    }
}

/// How a call about a member went.
public enum ImMemberResult: Int, Sendable {
    /// It failed: there is no such user.
    case failed = 0
    /// It is done.
    case ok = 1
    /// There was nothing to do: the user was a member already.
    case invalid = 2
    /// It waits for somebody's approval.
    case pending = 3
    /// The group, or the user's number of groups, is full.
    case overLimit = 4
}
