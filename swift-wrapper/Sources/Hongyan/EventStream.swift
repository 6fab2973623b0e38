// SPDX-License-Identifier: Apache-2.0
import Foundation
import HongyanFFI

/// How many batches wait for a reader: one, while the reader works on the one before. Then the library's thread for listeners waits, and what
/// happens meanwhile is joined there, as references. A batch here holds up to 100 messages.
private let batchesMax = 1

/// Turns a listener into a stream: whole batches, in order, none lost from the moment of the call. The listener ends when the stream is let go of,
/// when the task that reads it is cancelled, and with the client; the stream ends then, too.
@available(iOS 13, macOS 10.15, *)
func eventStream<Event: Sendable>(
    _ lifetime: ClientLifetime, subscribe: (any EventSink<Event>) -> HongyanFFI.Subscription
) -> AsyncStream<Event> {
    let buffer = EventBuffer<Event>()
    guard let key = lifetime.add({ buffer.finish() }) else {
        return AsyncStream { $0.finish() }
    }
    let reader = EventReader(buffer, lifetime: lifetime, key: key, subscription: subscribe(buffer))
    return AsyncStream(unfolding: { await reader.next() }, onCancel: { reader.end() })
}

/// The end of a stream that the app holds: with it the listener ends.
@available(iOS 13, macOS 10.15, *)
private final class EventReader<Event: Sendable>: Sendable {
    private let buffer: EventBuffer<Event>
    private let lifetime: ClientLifetime
    private let key: Int
    private let subscription: HongyanFFI.Subscription

    init(_ buffer: EventBuffer<Event>, lifetime: ClientLifetime, key: Int, subscription: HongyanFFI.Subscription) {
        self.buffer = buffer
        self.lifetime = lifetime
        self.key = key
        self.subscription = subscription
    }

    func next() async -> Event? {
        await buffer.next()
    }

    func end() {
        // First the buffer: a push that waits for room is a call that the cancellation would wait for.
        buffer.abandon()
        subscription.cancel()
        lifetime.remove(key)
    }

    deinit {
        end()
    }
}

/// Batches between the library's thread, which waits where there is no room, and the tasks that read.
@available(iOS 13, macOS 10.15, *)
final class EventBuffer<Event: Sendable>: EventSink, @unchecked Sendable {
    private let condition = NSCondition()
    /// Empty while a reader waits.
    private var batches: [Event] = []
    private var readers: [CheckedContinuation<Event?, Never>] = []
    private var isOpen = true

    func push(_ event: Event) {
        let reader: CheckedContinuation<Event?, Never>? = condition.withLock {
            while isOpen && batches.count >= batchesMax {
                condition.wait()
            }
            guard isOpen else { return nil }
            guard readers.isEmpty else { return readers.removeFirst() }
            batches.append(event)
            return nil
        }
        reader?.resume(returning: event)
    }

    /// The next batch; nothing at the end.
    func next() async -> Event? {
        await withCheckedContinuation { reader in
            let answer: Event?? = condition.withLock {
                if !batches.isEmpty {
                    condition.signal()
                    return .some(batches.removeFirst())
                }
                guard isOpen else { return .some(nil) }
                readers.append(reader)
                return nil
            }
            if let answer {
                reader.resume(returning: answer)
            }
        }
    }

    /// Nothing more comes; what is there can still be read.
    func finish() {
        close(forget: false)
    }

    /// Nobody reads any more.
    func abandon() {
        close(forget: true)
    }

    private func close(forget: Bool) {
        let readers = condition.withLock {
            isOpen = false
            if forget {
                batches = []
            }
            condition.broadcast()
            defer { self.readers = [] }
            return self.readers
        }
        for reader in readers {
            reader.resume(returning: nil)
        }
    }
}
