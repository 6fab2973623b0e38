// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How long anything may take before it has failed. It is far above what a busy machine needs, so that only
/// what never comes runs into it.
package let deadlineSeconds = 60.0

/// What was waited for did not come.
package struct Overdue: Error, CustomStringConvertible {
    package let what: String
    package let description: String

    package init(_ what: String, seen: String? = nil) {
        self.what = what
        description = "\(what) did not come within \(Int(deadlineSeconds)) s" + (seen.map { "; seen: \($0)" } ?? "")
    }
}

/// An operation's result, or a failure that names it. What misses its deadline is left behind, not waited for: a call
/// that hangs and heeds no cancellation is one of the faults that tests look for.
package func within<T: Sendable>(
    _ what: String,
    _ operation: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        let answer = FirstAnswer(continuation)
        let work = Task {
            do {
                answer.give(.success(try await operation()))
            } catch {
                answer.give(.failure(error))
            }
        }
        answer.expire(after: deadlineSeconds) {
            work.cancel()
            return Overdue(what)
        }
    }
}

/// A continuation that two sides race for.
private final class FirstAnswer<T: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var continuation: CheckedContinuation<T, any Error>?
    private var timer: DispatchWorkItem?

    init(_ continuation: CheckedContinuation<T, any Error>) {
        self.continuation = continuation
    }

    func expire(after seconds: Double, _ failure: @escaping @Sendable () -> any Error) {
        let timer = DispatchWorkItem { [weak self] in self?.give(.failure(failure())) }
        lock.withLock { self.timer = timer }
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds, execute: timer) // tidy: sleeps because this is the deadline itself
        if lock.withLock({ continuation == nil }) {
            timer.cancel()
        }
    }

    func give(_ result: Result<T, any Error>) {
        let (waiting, timer) = lock.withLock {
            defer { self.continuation = nil }
            return (self.continuation, self.timer)
        }
        timer?.cancel()
        waiting?.resume(with: result)
    }
}
