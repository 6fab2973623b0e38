// SPDX-License-Identifier: Apache-2.0
// What an app implements to be told. Every method has an empty default, so that a listener has only those that it needs.

/// The connection and the user's own account.
///
/// Calls come one after another, on the ``ImClientConfig/callbackQueue``, or on the SDK's own thread where none is set: a call that takes long
/// delays the next. A trap inside ends the app, as everywhere in Swift.
public protocol SdkListener: AnyObject, Sendable {
    /// A connection to the server is being made.
    func onConnecting()
    /// The connection is open and the user is logged in on it.
    func onConnectSuccess()
    /// A connection could not be made; the SDK tries again by itself while the user is logged in.
    func onConnectFailed(code: Int, detail: String)
    /// Another device took the place of this one. The user is logged out here; the app may log in again.
    func onKickedOffline()
    /// The UserSig has ended. The user is logged out here; the app gets a new UserSig and logs in again.
    func onUserSigExpired()
    /// The user's own profile changed, here or on another device.
    func onSelfInfoUpdated(info: UserInfo)
}

extension SdkListener {
    public func onConnecting() {}
    public func onConnectSuccess() {}
    public func onConnectFailed(code: Int, detail: String) {}
    public func onKickedOffline() {}
    public func onUserSigExpired() {}
    public func onSelfInfoUpdated(info: UserInfo) {}

    func hear(_ event: SdkEvent) {
        switch event {
        case .connecting: onConnecting()
        case .connectSuccess: onConnectSuccess()
        case .connectFailed(let code, let detail): onConnectFailed(code: code, detail: detail)
        case .kickedOffline: onKickedOffline()
        case .userSigExpired: onUserSigExpired()
        case .selfInfoUpdated(let info): onSelfInfoUpdated(info: info)
        }
    }
}

/// Messages.
///
/// Calls come one after another, on the ``ImClientConfig/callbackQueue``, or on the SDK's own thread where none is set: a call that takes long
/// delays the next. A trap inside ends the app, as everywhere in Swift.
public protocol AdvancedMsgListener: AnyObject, Sendable {
    /// New messages: of others, and of the user's own other devices; never those that were sent from here. Within a conversation they come in its
    /// order, each of them once at the most: what waits to be told when the user logs out or the app is stopped is not told later. It is in the
    /// history.
    func onRecvNewMessage(messages: [Message])
    /// The peers of one-to-one conversations have read further.
    func onRecvC2cReadReceipt(receipts: [MessageReceipt])
    /// The status of messages that are sent from here: sending, from when they are stored; then sent or failed. Also of those that an earlier run
    /// of the app left in the outbox. A status may be told twice, and one that has passed by then is not told.
    func onMessageStatusChanged(messages: [Message])
}

extension AdvancedMsgListener {
    public func onRecvNewMessage(messages: [Message]) {}
    public func onRecvC2cReadReceipt(receipts: [MessageReceipt]) {}
    public func onMessageStatusChanged(messages: [Message]) {}

    func hear(_ event: MessageEvent) {
        switch event {
        case .newMessages(let messages): onRecvNewMessage(messages: messages)
        case .readReceipts(let receipts): onRecvC2cReadReceipt(receipts: receipts)
        case .statusChanged(let messages): onMessageStatusChanged(messages: messages)
        }
    }
}

/// Conversations.
///
/// Calls come one after another, on the ``ImClientConfig/callbackQueue``, or on the SDK's own thread where none is set: a call that takes long
/// delays the next. A trap inside ends the app, as everywhere in Swift.
public protocol ConversationListener: AnyObject, Sendable {
    /// The SDK begins to bring the conversations up to date with the server.
    func onSyncServerStart()
    /// The conversations are up to date.
    func onSyncServerFinish()
    /// The conversations could not be brought up to date; the SDK tries again by itself.
    func onSyncServerFailed()
    /// Conversations appeared.
    func onNewConversation(conversations: [Conversation])
    /// Conversations changed: a message, the number of unread ones, a name, a draft.
    func onConversationChanged(conversations: [Conversation])
    /// The number of unread messages of all conversations together changed.
    func onTotalUnreadMessageCountChanged(totalUnreadCount: Int64)
}

extension ConversationListener {
    public func onSyncServerStart() {}
    public func onSyncServerFinish() {}
    public func onSyncServerFailed() {}
    public func onNewConversation(conversations: [Conversation]) {}
    public func onConversationChanged(conversations: [Conversation]) {}
    public func onTotalUnreadMessageCountChanged(totalUnreadCount: Int64) {}

    func hear(_ event: ConversationEvent) {
        switch event {
        case .syncStarted: onSyncServerStart()
        case .syncFinished: onSyncServerFinish()
        case .syncFailed: onSyncServerFailed()
        case .new(let conversations): onNewConversation(conversations: conversations)
        case .changed(let conversations): onConversationChanged(conversations: conversations)
        case .totalUnreadCount(let count): onTotalUnreadMessageCountChanged(totalUnreadCount: count)
        }
    }
}

/// The SDK's own log.
public protocol LogListener: AnyObject, Sendable {
    /// A line of the log, without its time. It comes on the SDK's own thread, never on ``ImClientConfig/callbackQueue``. Lines may be left out where the app takes them too slowly; the log file has them.
    func onLog(level: LogLevel, text: String)
}
