// SPDX-License-Identifier: Apache-2.0
import Foundation
import HongyanC

/// How many replies and events are on the app's queue: one. Then the library waits: replies wait there, in a bounded number, and events are put
/// together.
private let callsMax = 1

/// The Swift end of one bridge: JSON text out, and replies and events on the app's queue in the order in which they come.
///
/// The library holds it from the beginning until the bridge's last event, whatever the app does meanwhile.
final class BridgeLink: @unchecked Sendable {
    typealias Reply = @Sendable (JSONReply) -> Void

    private let queue: DispatchQueue
    private let onEvent: @Sendable (String) -> Void
    private let room = DispatchSemaphore(value: callsMax)
    /// Held while the library takes a call, which takes no time: the bridge is not freed meanwhile.
    private let lock = NSLock()
    /// Nothing before the beginning and after the end.
    private var bridge: OpaquePointer?
    private var replies: [Int64: Reply] = [:]
    private var lastCallId: Int64 = 0
    private var whenEnded: [@Sendable () -> Void] = []

    init(config: String, queue: DispatchQueue, onEvent: @escaping @Sendable (String) -> Void) throws {
        // One call after another, whatever kind of queue the app gave.
        self.queue = DispatchQueue(label: "im.hongyan.callbacks", target: queue)
        self.onEvent = onEvent
        let own = Unmanaged.passRetained(self)
        var failure: UnsafeMutablePointer<CChar>?
        let bridge = hongyan_bridge_new(
            config,
            { context, callId, reply in BridgeLink.of(context)?.hear(reply: BridgeLink.text(reply), callId: callId) },
            { context, event in BridgeLink.of(context)?.hear(event: BridgeLink.text(event)) },
            own.toOpaque(), &failure)
        guard let bridge = bridge else {
            own.release()
            throw JSONReply(text: BridgeLink.take(failure)).error ?? ImError.unreadable
        }
        lock.lock()
        self.bridge = bridge
        lock.unlock()
    }

    /// Makes a call; its reply comes exactly once.
    func call(_ request: String, reply: @escaping Reply) {
        lock.lock()
        guard let bridge = bridge else {
            lock.unlock()
            queue.async { reply(JSONReply(error: .closed)) }
            return
        }
        lastCallId += 1
        replies[lastCallId] = reply
        hongyan_bridge_call(bridge, lastCallId, request)
        lock.unlock()
    }

    /// Makes a call that never waits.
    func callNow(_ request: String) -> JSONReply {
        lock.lock()
        defer { lock.unlock() }
        guard let bridge = bridge else { return JSONReply(error: .closed) }
        return JSONReply(text: BridgeLink.take(hongyan_bridge_call_now(bridge, request)))
    }

    /// Ends the bridge.
    func close(completion: @escaping @Sendable () -> Void) {
        lock.lock()
        defer { lock.unlock() }
        guard let bridge = bridge else {
            queue.async(execute: completion)
            return
        }
        whenEnded.append(completion)
        hongyan_bridge_shut_down(bridge)
    }

    /// Answers, on the app's queue, what the library is not asked.
    func refuse(_ error: ImError, reply: @escaping Reply) {
        queue.async { reply(JSONReply(error: error)) }
    }

    private func hear(reply text: String, callId: Int64) {
        lock.lock()
        let reply = replies.removeValue(forKey: callId)
        lock.unlock()
        guard let reply = reply else { return }
        room.wait()
        queue.async { [room] in
            reply(JSONReply(text: text))
            room.signal()
        }
    }

    private func hear(event text: String) {
        room.wait()
        queue.async { [onEvent, room] in
            onEvent(text)
            room.signal()
        }
        // A message may hold the word, too.
        if text.contains(BridgeEvent.shutDownListener) && BridgeEvent(text: text).isShutDown {
            end()
        }
    }

    /// Called inside the bridge's last event: nothing is called afterwards, and freeing does not wait.
    private func end() {
        lock.lock()
        let bridge = self.bridge
        let unanswered = replies
        let whenEnded = self.whenEnded
        self.bridge = nil
        replies = [:]
        self.whenEnded = []
        lock.unlock()
        for reply in unanswered.values {
            refuse(.closed, reply: reply)
        }
        for completion in whenEnded {
            queue.async(execute: completion)
        }
        hongyan_bridge_free(bridge)
        Unmanaged.passUnretained(self).release()
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> BridgeLink? {
        guard let context = context else { return nil }
        return Unmanaged<BridgeLink>.fromOpaque(context).takeUnretainedValue()
    }

    private static func text(_ text: UnsafePointer<CChar>?) -> String {
        guard let text = text else { return "" }
        return String(cString: text)
    }

    /// Text that the library gave away.
    private static func take(_ text: UnsafeMutablePointer<CChar>?) -> String {
        guard let text = text else { return "" }
        defer { hongyan_string_free(text) }
        return String(cString: text)
    }
}
