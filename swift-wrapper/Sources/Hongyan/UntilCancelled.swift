// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Awaits what the library does. A task that is cancelled meanwhile gets a `CancellationError` at once, and the work runs to its end in the
/// library: nothing is left half done. Where the work had not begun yet, it never does, so that no later call is overtaken by it.
@available(iOS 13, macOS 10.15, *)
func untilCancelled<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let waiter = Waiter<Value>()
    return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
            guard waiter.begin(continuation) else { return }
            Task {
                guard waiter.isWaiting else { return }
                do {
                    waiter.end(.success(try await work()))
                } catch {
                    waiter.end(.failure(ImError(error)))
                }
            }
        }
    } onCancel: {
        waiter.end(.failure(CancellationError()))
    }
}

/// Resumes a continuation once, with what comes first.
@available(iOS 13, macOS 10.15, *)
private final class Waiter<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var continuation: CheckedContinuation<Value, any Error>?
    /// What came before the continuation did: a cancellation.
    private var early: Result<Value, any Error>?
    private var isOver = false

    /// Whether somebody still waits for the end.
    var isWaiting: Bool { lock.withLock { !isOver } }

    /// Whether the work is to be begun.
    func begin(_ continuation: CheckedContinuation<Value, any Error>) -> Bool {
        let early: Result<Value, any Error>? = lock.withLock {
            if !isOver {
                self.continuation = continuation
            }
            return self.early
        }
        guard let early else { return true }
        continuation.resume(with: early)
        return false
    }

    func end(_ result: Result<Value, any Error>) {
        let continuation: CheckedContinuation<Value, any Error>? = lock.withLock {
            guard !isOver else { return nil }
            isOver = true
            if self.continuation == nil {
                early = result
            }
            defer { self.continuation = nil }
            return self.continuation
        }
        continuation?.resume(with: result)
    }
}
