// SPDX-License-Identifier: Apache-2.0
// How the bridge's JSON is read: 64-bit numbers are texts, bytes are base64. What is missing has its empty value, so that an older app reads what a
// newer library says.
import Foundation

extension ImError {
    static let closed = ImError(code: ErrorCode.notInitialized, detail: "the client is closed")
    static let unreadable = ImError(code: ErrorCode.internalError, detail: "the library gave what is no reply")
    static let noJSON = ImError(code: ErrorCode.invalidParameters, detail: "params: what it holds cannot be written as JSON")
}

/// An object of the bridge.
struct JSONObject {
    let fields: [String: Any]

    init(_ value: Any?) {
        fields = value as? [String: Any] ?? [:]
    }

    /// An object as text; empty where it is none.
    init(text: String) {
        self.init(try? JSONSerialization.jsonObject(with: Data(text.utf8)))
    }

    /// The object as text; nothing where it holds what JSON cannot.
    static func text(_ fields: [String: Any]) -> String? {
        guard JSONSerialization.isValidJSONObject(fields), let data = try? JSONSerialization.data(withJSONObject: fields) else {
            return nil
        }
        return String(decoding: data, as: UTF8.self)
    }

    func value(_ name: String) -> Any? {
        guard let value = fields[name], !(value is NSNull) else { return nil }
        return value
    }

    func text(_ name: String) -> String { value(name) as? String ?? "" }
    func optionalText(_ name: String) -> String? { value(name) as? String }
    func number(_ name: String) -> Int { value(name) as? Int ?? 0 }
    func optionalNumber(_ name: String) -> Int? { value(name) as? Int }
    func long(_ name: String) -> Int64 { Int64(text(name)) ?? 0 }
    func flag(_ name: String) -> Bool { value(name) as? Bool ?? false }
    func bytes(_ name: String) -> Data { Data(base64Encoded: text(name)) ?? Data() }
    func object(_ name: String) -> JSONObject { JSONObject(value(name)) }
    func list(_ name: String) -> [JSONObject] { JSONObject.list(value(name)) }

    static func list(_ value: Any?) -> [JSONObject] {
        guard let values = value as? [Any] else { return [] }
        return values.map { JSONObject($0) }
    }
}

/// A reply: data, or why there is none.
struct JSONReply {
    let data: Any?
    let error: ImError?

    init(text: String) {
        let reply = JSONObject(text: text)
        let code = reply.optionalNumber("code")
        data = reply.value("data")
        guard let code = code else {
            error = .unreadable
            return
        }
        let isRetryable = reply.flag("isRetryable")
        error = code == ErrorCode.ok ? nil : ImError(code: code, detail: reply.text("desc"), isRetryable: isRetryable)
    }

    init(error: ImError) {
        data = nil
        self.error = error
    }

    func result<Value>(_ read: (Any?) -> Value) -> Result<Value, ImError> {
        if let error = error {
            return .failure(error)
        }
        return .success(read(data))
    }
}

/// An event of the bridge.
struct BridgeEvent {
    static let shutDownListener = "HongyanBridgeListener"

    let listener: String
    let name: String
    let data: Any?

    init(text: String) {
        let event = JSONObject(text: text)
        listener = event.text("listener")
        name = event.text("event")
        data = event.value("data")
    }

    var isShutDown: Bool { listener == BridgeEvent.shutDownListener && name == "onShutDown" }
}
