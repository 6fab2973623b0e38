// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What ends together with a client: its streams and subscriptions.
final class ClientLifetime: @unchecked Sendable {
    private let lock = NSLock()
    private var isOver = false
    private var lastKey = 0
    private var endings: [Int: @Sendable () -> Void] = [:]

    /// Has `ending` called when the client is closed. Gives what it is taken back with; nothing where the client is closed already.
    func add(_ ending: @escaping @Sendable () -> Void) -> Int? {
        lock.withLock {
            guard !isOver else { return nil }
            lastKey += 1
            endings[lastKey] = ending
            return lastKey
        }
    }

    func remove(_ key: Int) {
        // What the ending holds is let go of outside of the lock: it may be the last to hold it.
        _ = lock.withLock { endings.removeValue(forKey: key) }
    }

    func end() {
        let endings = lock.withLock {
            isOver = true
            defer { self.endings = [:] }
            return self.endings
        }
        for key in endings.keys.sorted() {
            endings[key]?()
        }
    }
}
