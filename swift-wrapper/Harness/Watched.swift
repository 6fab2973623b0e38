// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A value that any thread changes and that somebody waits for: woken by the change, never by a clock.
package final class Watched<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value
    /// Each says whether it has what it waited for.
    private var waiting: [(Value) -> Bool] = []

    package init(_ value: Value) {
        self.value = value
    }

    package var now: Value {
        lock.withLock { value }
    }

    /// Changes the value and wakes those who waited for it.
    package func change(_ change: (inout Value) -> Void) {
        lock.withLock {
            change(&value)
            // Resuming a continuation only queues its task, so that it may be done under the lock.
            waiting.removeAll { isSatisfied in isSatisfied(value) }
        }
    }

    /// Waits until the value holds what `find` looks for, and gives that.
    package func wait<T: Sendable>(for what: String, _ find: @escaping @Sendable (Value) -> T?) async throws -> T {
        do {
            return try await within(what) {
                await withCheckedContinuation { continuation in self.enlist(find, continuation) }
            }
        } catch let overdue as Overdue {
            throw Overdue(overdue.what, seen: String(String(describing: now).suffix(2000)))
        }
    }

    /// Waits until the value fulfils a condition.
    package func wait(for what: String, until condition: @escaping @Sendable (Value) -> Bool) async throws {
        _ = try await wait(for: what) { condition($0) ? true : nil }
    }

    private func enlist<T: Sendable>(
        _ find: @escaping @Sendable (Value) -> T?,
        _ continuation: CheckedContinuation<T, Never>
    ) {
        lock.withLock {
            if let found = find(value) {
                continuation.resume(returning: found)
                return
            }
            waiting.append { value in
                guard let found = find(value) else { return false }
                continuation.resume(returning: found)
                return true
            }
        }
    }
}

extension Watched where Value == Int {
    package func increase() {
        change { $0 += 1 }
    }
}

/// Something that happens once and stays so.
package typealias Flag = Watched<Bool>

extension Watched where Value == Bool {
    package func raise() {
        change { $0 = true }
    }

    package func wait(for what: String) async throws {
        try await wait(for: what, until: { $0 })
    }
}

/// Raises its flag when it is freed.
package final class Tracer: Sendable {
    private let freed: Flag

    package init(_ freed: Flag) {
        self.freed = freed
    }

    deinit {
        freed.raise()
    }
}
