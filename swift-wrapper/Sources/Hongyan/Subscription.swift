// SPDX-License-Identifier: Apache-2.0

/// What `add…Listener` gives. The listener is called until it is cancelled or until the client is closed; letting go of the subscription does
/// nothing.
public final class Subscription: Sendable {
    private let end: @Sendable () -> Void

    init(end: @escaping @Sendable () -> Void) {
        self.end = end
    }

    /// Ends the calls: once this has returned, no further one begins, and the listener is let go of. It may be used inside a call of the listener
    /// itself, from any thread, and more than once.
    public func cancel() {
        end()
    }
}
