// SPDX-License-Identifier: Apache-2.0
import Foundation
import HongyanFFI

/// How many calls of one listener are on the app's queue: one. Then the library's thread for listeners waits, and what happens meanwhile is joined
/// there, as references.
private let callsMax = 1
/// How long a cancellation waits for a call that is just being made. A call that runs longer has begun for certain, and the promise is
/// that none begins afterwards.
private let cancelWaitMax: TimeInterval = 0.25

/// The queue that an app gave for its listeners, with one call after another whatever kind of queue it is.
// Immutable; a `DispatchSpecificKey` is an identity, which Dispatch does not call Sendable everywhere.
final class CallbackQueue: @unchecked Sendable {
    private let queue: DispatchQueue
    private let key = DispatchSpecificKey<Bool>()

    init(target: DispatchQueue) {
        queue = DispatchQueue(label: "im.hongyan.listeners", target: target)
        queue.setSpecific(key: key, value: true)
    }

    /// Whether the caller is called by a listener.
    var isCurrent: Bool { DispatchQueue.getSpecific(key: key) ?? false }

    func async(_ call: @escaping @Sendable () -> Void) {
        queue.async(execute: call)
    }
}

/// Between the library and one listener of the app: on the right queue, in order, bounded, and not after the cancellation.
final class ListenerGate<Event: Sendable>: EventSink, @unchecked Sendable {
    private let queue: CallbackQueue?
    private let condition = NSCondition()
    /// What holds the app's listener.
    private var hear: (@Sendable (Event) -> Void)?
    private var isCancelled = false
    private var isCalling = false
    private var waiting = 0

    init(queue: CallbackQueue?, hear: @escaping @Sendable (Event) -> Void) {
        self.queue = queue
        self.hear = hear
    }

    func push(_ event: Event) {
        guard let queue else {
            condition.withLock { self.hear }?(event)
            return
        }
        let hear: (@Sendable (Event) -> Void)? = condition.withLock {
            while self.hear != nil && waiting >= callsMax {
                condition.wait()
            }
            waiting += self.hear == nil ? 0 : 1
            return self.hear
        }
        guard let hear else { return }
        queue.async { [self] in
            if begin() {
                hear(event)
            }
            end()
        }
    }

    /// The library calls no more; what waits is still told.
    func finish() {
        _ = condition.withLock { takeHear() }
    }

    func cancel() {
        let isInside = queue?.isCurrent ?? true
        _ = condition.withLock {
            isCancelled = true
            condition.broadcast()
            let deadline = Date(timeIntervalSinceNow: cancelWaitMax)
            while isCalling && !isInside && condition.wait(until: deadline) {}
            return takeHear()
        }
    }

    /// Under the lock: what holds the app's listener. It is let go of outside, for a listener may cancel its subscription as it is freed.
    private func takeHear() -> (@Sendable (Event) -> Void)? {
        defer { hear = nil }
        return hear
    }

    private func begin() -> Bool {
        condition.withLock {
            isCalling = !isCancelled
            return isCalling
        }
    }

    private func end() {
        condition.withLock {
            isCalling = false
            waiting -= 1
            condition.broadcast()
        }
    }
}

/// Has a listener of the app called until the subscription is cancelled or the client closed.
func subscription<Event: Sendable>(
    _ lifetime: ClientLifetime, gate: ListenerGate<Event>, subscribe: (any EventSink<Event>) -> HongyanFFI.Subscription
) -> Subscription {
    guard let key = lifetime.add({ gate.cancel() }) else {
        return Subscription {}
    }
    let inner = subscribe(gate)
    return Subscription {
        // First the gate: a call that waits for room on the app's queue is one that the library's cancellation would wait for.
        gate.cancel()
        inner.cancel()
        lifetime.remove(key)
    }
}
