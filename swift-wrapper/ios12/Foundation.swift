// SPDX-License-Identifier: Apache-2.0
// What the package uses of Apple's Foundation and Dispatch, all of it older than iOS 12: declarations alone, so that the compiler can check the
// package for iOS where Apple's SDK is not. See ios12/typecheck.

public protocol LocalizedError: Error {
    var errorDescription: String? { get }
}

public struct Data: Equatable, Hashable, Sendable, RandomAccessCollection {
    public init() { fatalError() }
    public init?(base64Encoded: String) { fatalError() }
    public init<Bytes: Sequence>(_ bytes: Bytes) where Bytes.Element == UInt8 { fatalError() }
    public func base64EncodedString() -> String { fatalError() }
    public var startIndex: Int { fatalError() }
    public var endIndex: Int { fatalError() }
    public subscript(position: Int) -> UInt8 { fatalError() }
}

public struct URL: Equatable, Hashable, Sendable {
    public var path: String { fatalError() }
}

public struct Date: Equatable, Hashable, Sendable {
    public init(timeIntervalSinceNow: TimeInterval) { fatalError() }
}

public typealias TimeInterval = Double

open class NSObject {
    public init() {}
}

open class NSNull: NSObject {}

public protocol NSLocking {
    func lock()
    func unlock()
}

extension NSLocking {
    // Apple's is compiled into the app, and so it is there on every system.
    public func withLock<Value>(_ body: () throws -> Value) rethrows -> Value { fatalError() }
}

open class NSLock: NSObject, NSLocking, @unchecked Sendable {
    open func lock() {}
    open func unlock() {}
}

open class NSCondition: NSObject, NSLocking, @unchecked Sendable {
    open func lock() {}
    open func unlock() {}
    open func wait() {}
    open func wait(until limit: Date) -> Bool { fatalError() }
    open func signal() {}
    open func broadcast() {}
}

open class JSONSerialization: NSObject {
    open class func isValidJSONObject(_ object: Any) -> Bool { fatalError() }
    open class func data(withJSONObject object: Any) throws -> Data { fatalError() }
    open class func jsonObject(with data: Data) throws -> Any { fatalError() }
}

extension StringProtocol {
    public func contains<Other: StringProtocol>(_ other: Other) -> Bool { fatalError() }
}

open class DispatchQueue: NSObject, @unchecked Sendable {
    open class var main: DispatchQueue { fatalError() }
    public init(label: String, target: DispatchQueue? = nil) {}
    public func async(execute work: @escaping @Sendable @convention(block) () -> Void) {}
    public func setSpecific<Value>(key: DispatchSpecificKey<Value>, value: Value?) {}
    public class func getSpecific<Value>(key: DispatchSpecificKey<Value>) -> Value? { fatalError() }
}

public final class DispatchSpecificKey<Value> {
    public init() {}
}

open class DispatchSemaphore: NSObject, @unchecked Sendable {
    public init(value: Int) {}
    open func wait() {}
    @discardableResult
    open func signal() -> Int { fatalError() }
}
