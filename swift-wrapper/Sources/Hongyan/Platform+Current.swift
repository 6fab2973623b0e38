// SPDX-License-Identifier: Apache-2.0
import HongyanCallbacks

extension Platform {
    /// What this device is.
    public static var current: Platform {
        #if os(macOS) || targetEnvironment(macCatalyst)
        .mac
        #elseif os(Linux)
        .linux
        #elseif os(Windows)
        .windows
        #else
        Device.isPad ? .ipad : .iphone
        #endif
    }
}
