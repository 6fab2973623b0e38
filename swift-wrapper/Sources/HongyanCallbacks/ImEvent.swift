// SPDX-License-Identifier: Apache-2.0

/// What an ``ImCallbackClient`` tells of. Newer versions may add cases: give a `switch` a `default`.
public enum ImEvent: Equatable, Sendable {
    /// A connection to the server is being made.
    case connecting
    /// The connection is open and the user is logged in on it.
    case connectSuccess
    /// A connection could not be made, for the reason that the code and the detail say; the SDK tries again by itself while the user is logged in.
    case connectFailed(code: Int, detail: String)
    /// Another device took the place of this one. The user is logged out here; the app may log in again.
    case kickedOffline
    /// The UserSig has ended. The user is logged out here; the app gets a new UserSig and logs in again.
    case userSigExpired
    /// The user's own profile changed, here or on another device.
    case selfInfoUpdated(ImUser)
    /// New messages: of others, and of the user's own other devices; never those that were sent from here. Within a conversation they come in its
    /// order, each of them once at the most.
    case newMessages([ImMessage])
    /// The peers of one-to-one conversations have read further.
    case readReceipts([ImMessageReceipt])
    /// The status of messages that are sent from here: sending, from when they are stored; then sent or failed. Also of those that an earlier run
    /// of the app left in the outbox. A status may be told twice, and one that has passed by then is not told.
    case messageStatusChanged([ImMessage])
    /// The SDK begins to bring the conversations up to date with the server.
    case syncStarted
    /// The conversations are up to date.
    case syncFinished
    /// The conversations could not be brought up to date; the SDK tries again by itself.
    case syncFailed
    /// Conversations appeared.
    case newConversations([ImConversation])
    /// Conversations changed: a message, the number of unread ones, a name, a draft.
    case conversationsChanged([ImConversation])
    /// The number of unread messages of all conversations together changed.
    case totalUnreadCount(Int64)

    /// Nothing for an event that this version has no case for.
    init?(_ event: BridgeEvent) {
        let data = event.data
        switch event.name {
        case "onConnecting": self = .connecting
        case "onConnectSuccess": self = .connectSuccess
        case "onConnectFailed":
            let why = JSONObject(data)
            self = .connectFailed(code: why.number("code"), detail: why.text("desc"))
        case "onKickedOffline": self = .kickedOffline
        case "onUserSigExpired": self = .userSigExpired
        case "onSelfInfoUpdated": self = .selfInfoUpdated(ImUser(JSONObject(data)))
        case "onRecvNewMessage": self = .newMessages(ImMessage.list(data))
        case "onRecvC2CReadReceipt": self = .readReceipts(JSONObject.list(data).map { ImMessageReceipt($0) })
        case "onMessageStatusChanged": self = .messageStatusChanged(ImMessage.list(data))
        case "onSyncServerStart": self = .syncStarted
        case "onSyncServerFinish": self = .syncFinished
        case "onSyncServerFailed": self = .syncFailed
        case "onNewConversation": self = .newConversations(ImConversation.list(data))
        case "onConversationChanged": self = .conversationsChanged(ImConversation.list(data))
        case "onTotalUnreadMessageCountChanged": self = .totalUnreadCount(Int64(data as? String ?? "") ?? 0)
        default: return nil
        }
    }
}
