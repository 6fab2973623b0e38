// SPDX-License-Identifier: Apache-2.0

/// What happens to the connection and to the user's own account. Newer versions may add cases: give a `switch` a `default`.
public enum SdkEvent: Equatable, Sendable {
    /// A connection to the server is being made.
    case connecting
    /// The connection is open and the user is logged in on it.
    case connectSuccess
    /// A connection could not be made, for the reason that the code (see ``ErrorCode``) and the detail say; the SDK tries again by itself while
    /// the user is logged in.
    case connectFailed(code: Int, detail: String)
    /// Another device took the place of this one. The user is logged out here; the app may log in again.
    case kickedOffline
    /// The UserSig has ended. The user is logged out here; the app gets a new UserSig and logs in again.
    case userSigExpired
    /// The user's own profile changed, here or on another device.
    case selfInfoUpdated(UserInfo)
}

/// What happens to messages. Newer versions may add cases: give a `switch` a `default`.
public enum MessageEvent: Equatable, Sendable {
    /// New messages: of others, and of the user's own other devices; never those that were sent from here. Within a conversation they come in its
    /// order, each of them once at the most.
    case newMessages([Message])
    /// The peers of one-to-one conversations have read further.
    case readReceipts([MessageReceipt])
    /// The status of messages that are sent from here: sending, from when they are stored; then sent or failed. Also of those that an earlier run
    /// of the app left in the outbox. A status may be told twice, and one that has passed by then is not told.
    case statusChanged([Message])
}

/// What happens to conversations. Newer versions may add cases: give a `switch` a `default`.
public enum ConversationEvent: Equatable, Sendable {
    /// The SDK begins to bring the conversations up to date with the server.
    case syncStarted
    /// The conversations are up to date.
    case syncFinished
    /// The conversations could not be brought up to date; the SDK tries again by itself.
    case syncFailed
    /// Conversations appeared.
    case new([Conversation])
    /// Conversations changed: a message, the number of unread ones, a name, a draft.
    case changed([Conversation])
    /// The number of unread messages of all conversations together changed.
    case totalUnreadCount(Int64)
}
