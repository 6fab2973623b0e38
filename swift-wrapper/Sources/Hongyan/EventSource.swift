// SPDX-License-Identifier: Apache-2.0
// What the library calls: each of its listeners becomes events of one kind, which go to a stream or to a listener of the app.
import HongyanFFI

/// Where events of one listener go.
protocol EventSink<Event>: AnyObject, Sendable {
    associatedtype Event: Sendable

    /// Takes the next event. Called by the library's thread for listeners alone; it may wait.
    func push(_ event: Event)
    /// The library calls no more.
    func finish()
}

/// Lets the sink know when the library lets go of its listener: on a cancellation, and where a client is dropped without being closed.
class EventSource<Event: Sendable>: @unchecked Sendable {
    // Immutable: that a subclass with nothing of its own is Sendable cannot be said without `@unchecked`.
    final let sink: any EventSink<Event>

    init(_ sink: any EventSink<Event>) {
        self.sink = sink
    }

    deinit {
        sink.finish()
    }
}

final class SdkEventSource: EventSource<SdkEvent>, HongyanFFI.SdkListener, @unchecked Sendable {
    func onConnecting() { sink.push(.connecting) }
    func onConnectSuccess() { sink.push(.connectSuccess) }
    func onConnectFailed(code: Int32, detail: String) { sink.push(.connectFailed(code: Int(code), detail: detail)) }
    func onKickedOffline() { sink.push(.kickedOffline) }
    func onUserSigExpired() { sink.push(.userSigExpired) }
    func onSelfInfoUpdated(info: UserInfo) { sink.push(.selfInfoUpdated(info)) }
}

final class MessageEventSource: EventSource<MessageEvent>, HongyanFFI.AdvancedMsgListener, @unchecked Sendable {
    func onRecvNewMessage(messages: [Message]) { sink.push(.newMessages(messages)) }
    func onRecvC2cReadReceipt(receipts: [MessageReceipt]) { sink.push(.readReceipts(receipts)) }
    func onMessageStatusChanged(messages: [Message]) { sink.push(.statusChanged(messages)) }
}

final class ConversationEventSource: EventSource<ConversationEvent>, HongyanFFI.ConversationListener, @unchecked Sendable {
    func onSyncServerStart() { sink.push(.syncStarted) }
    func onSyncServerFinish() { sink.push(.syncFinished) }
    func onSyncServerFailed() { sink.push(.syncFailed) }
    func onNewConversation(conversations: [Conversation]) { sink.push(.new(conversations)) }
    func onConversationChanged(conversations: [Conversation]) { sink.push(.changed(conversations)) }
    func onTotalUnreadMessageCountChanged(totalUnreadCount: Int64) { sink.push(.totalUnreadCount(totalUnreadCount)) }
}

/// A line of the log.
struct LogLine: Sendable {
    let level: LogLevel
    let text: String
}

final class LogSource: EventSource<LogLine>, HongyanFFI.LogListener, @unchecked Sendable {
    func onLog(level: LogLevel, text: String) { sink.push(LogLine(level: level, text: text)) }
}
