// SPDX-License-Identifier: Apache-2.0
// The one place where an error of the library becomes an ``ImError``.
import HongyanFFI

extension ImError {
    init(_ error: any Error) {
        switch error {
        case let error as ImError:
            self = error
        case let HongyanFFI.ImError.Failed(code, detail, isRetryable):
            self.init(code: Int(code), detail: detail, isRetryable: isRetryable)
        default:
            // What the generated code throws by itself, and an app cannot put right: a defect in the library.
            self.init(code: ErrorCode.internalError, detail: String(describing: error))
        }
    }
}

/// Calls what does not wait.
func call<Value>(_ work: () throws -> Value) throws(ImError) -> Value {
    do {
        return try work()
    } catch {
        throw ImError(error)
    }
}
