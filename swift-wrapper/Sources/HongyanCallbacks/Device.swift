// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What this device is, as far as UIKit need not be asked, which answers on the main thread alone.
package enum Device {
    /// Whether it is an iPad.
    package static var isPad: Bool { model.hasPrefix("iPad") }

    /// Such as `iPad13,1`; empty where the system has no such names.
    private static var model: String {
        #if canImport(Darwin)
        if let simulated = ProcessInfo.processInfo.environment["SIMULATOR_MODEL_IDENTIFIER"] {
            return simulated
        }
        var system = utsname()
        uname(&system)
        return withUnsafeBytes(of: &system.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        #else
        return ""
        #endif
    }
}
