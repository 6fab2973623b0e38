// SPDX-License-Identifier: Apache-2.0

/// What `add…Listener` gives. The listener is called until it is cancelled or until the client is closed; letting go of the subscription does
/// nothing.
public final class Subscription: Sendable {
    private let end: @Sendable () -> Void

    init(end: @escaping @Sendable () -> Void) {
        self.end = end
    }

    /// Ends the calls: once this has returned, no further one begins, and the listener is let go of. A call that has begun on another thread is waited
    /// for, 250 milliseconds at the most; one that takes longer ends by itself, and it is the last. It may be used inside a call of the listener
    /// itself, from any thread, and more than once.
    public func cancel() {
        end()
    }
}
