// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Why a call failed. The code says what to do, the detail is for the developer's log; neither is meant for the screen of an app's users.
public enum ImError: Error, Equatable, Hashable, Sendable {
    /// The one kind there is: what an app tells apart, it tells by the code, and a server may send codes that are newer than the app.
    case failed(code: Int, detail: String, isRetryable: Bool)

    /// Makes an error, for an app's own tests and previews.
    public init(code: Int, detail: String, isRetryable: Bool = false) {
        self = .failed(code: code, detail: detail, isRetryable: isRetryable)
    }

    /// One of ``ErrorCode``, or a newer one that the server sent.
    public var code: Int {
        switch self {
        case let .failed(code, _, _): code
        }
    }

    /// What went wrong, in words for the developer.
    public var detail: String {
        switch self {
        case let .failed(_, detail, _): detail
        }
    }

    /// Whether the same call may succeed later with nothing changed.
    public var isRetryable: Bool {
        switch self {
        case let .failed(_, _, isRetryable): isRetryable
        }
    }
}

extension ImError: LocalizedError {
    /// The code and the detail, for a log.
    public var errorDescription: String? { "\(code) \(detail)" }
}
