// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Why a call failed. The code says what to do, the detail is for the developer's log; neither is meant for the screen of an app's users.
public struct ImError: Error, Equatable, Hashable, Sendable {
    /// One of ``ErrorCode``, or a newer one that the server sent.
    public let code: Int
    /// What went wrong, in words for the developer.
    public let detail: String
    /// Whether the same call may succeed later with nothing changed.
    public let isRetryable: Bool

    /// Makes an error, for an app's own tests and previews.
    public init(code: Int, detail: String, isRetryable: Bool = false) {
        self.code = code
        self.detail = detail
        self.isRetryable = isRetryable
    }
}

extension ImError: LocalizedError {
    /// The code and the detail, for a log.
    public var errorDescription: String? { "\(code) \(detail)" }
}
