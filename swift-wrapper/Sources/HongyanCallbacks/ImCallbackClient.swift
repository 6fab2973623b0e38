// SPDX-License-Identifier: Apache-2.0
import Foundation

/// How much is written to the log.
public enum ImLogLevel: Int, Sendable {
    /// Nothing.
    case none = 0
    /// Everything, for those who look for an error in the SDK.
    case debug = 3
    /// What the client does.
    case info = 4
    /// What went wrong and was put right, or will be tried again.
    case warn = 5
    /// What failed.
    case error = 6
}

/// One user's way to one server, with completion handlers: for systems before Swift's concurrency (iOS 12), and for code that does not use it.
///
/// All methods may be called from any thread and return at once. Completion handlers and events come one after another on the callback queue, in
/// the order in which they happened. Every call's completion handler is called exactly once: with the result, or with an ``ImError`` at its
/// deadline, 30 seconds unless the method says otherwise; after ``close(completion:)`` with 6013. The client ends when it is closed or let go of.
///
/// ```swift
/// let client = try ImCallbackClient(sdkAppId: 1_400_000_001, serverUrl: "http://127.0.0.1:8080", dataFolder: folder) { event in
///     if case .newMessages(let messages) = event { show(messages) }
/// }
/// client.login(userId: "alice", userSig: userSig) { result in … }
/// ```
public final class ImCallbackClient: Sendable {
    /// Called with what became of a call.
    public typealias Completion<Value> = @Sendable (Result<Value, ImError>) -> Void

    private let link: BridgeLink

    /// Makes a client. Nothing is connected yet.
    ///
    /// Codes: 6017 for a config that is not valid, 6029 for an unencrypted server that was not allowed, 6022 for a data folder that cannot be used.
    ///
    /// - Parameters:
    ///   - sdkAppId: The app, as the server knows it.
    ///   - serverUrl: The server: `https://host:port`; `http` is for this machine alone.
    ///   - dataFolder: A folder of the app's own, for what the SDK stores. It is made where it does not exist.
    ///   - logLevel: The least important lines that the log file gets.
    ///   - isInsecureAllowed: Whether unencrypted connections beyond this machine are allowed. For development only: everybody on the way can read
    ///     and change what passes.
    ///   - extraRootCertificates: Certificates in PEM that the server's may lead to beside those that browsers trust.
    ///   - publicKeyPins: The only keys that are trusted, where there are any: each the SHA-256 of a SubjectPublicKeyInfo in base64, of the
    ///     server's certificate, one between, or the root.
    ///   - callbackQueue: Where completion handlers and events come, one after another. While it is busy the SDK waits, and puts the events
    ///     that happen meanwhile together; of more than 1000 calls without an answer the further ones are answered 9507.
    ///   - onEvent: Called with what happens. The client holds it until it ends: capture the client weakly.
    public init(
        sdkAppId: Int, serverUrl: String, dataFolder: URL, logLevel: ImLogLevel = .info, isInsecureAllowed: Bool = false,
        extraRootCertificates: String = "", publicKeyPins: [String] = [],
        callbackQueue: DispatchQueue = .main, onEvent: @escaping @Sendable (ImEvent) -> Void
    ) throws {
        var config: [String: Any] = [
            "sdkAppID": sdkAppId, "serverURL": serverUrl, "dataFolder": dataFolder.path, "logLevel": logLevel.rawValue,
            "isInsecureAllowed": isInsecureAllowed, "extraRootCertificates": extraRootCertificates, "publicKeyPins": publicKeyPins,
        ]
        if Device.isPad {
            config["platform"] = "iPad"
        }
        guard let text = JSONObject.text(config) else { throw ImError.noJSON }
        link = try BridgeLink(config: text, queue: callbackQueue) { event in
            if let event = ImEvent(BridgeEvent(text: event)) {
                onEvent(event)
            }
        }
    }

    deinit {
        link.close {}
    }

    /// Ends the client: the connection, all its tasks and what it has open. Calls that run end with 7009, later ones are answered 6013. The user
    /// stays logged in on the server, as when the app is stopped. The completion handler is called when nothing of the client runs any more. It may
    /// be called more than once.
    public func close(completion: @escaping @Sendable () -> Void = {}) {
        link.close(completion: completion)
    }

    // MARK: Any method

    /// Makes any call of the bridge by its native name; the reply's data is as JSON gives it. `docs/bridge.md` lists the methods, their parameters
    /// and data: 64-bit numbers are texts, bytes are base64.
    ///
    /// Codes beside those of the method: 7013 for a method that this version does not know, 6017 for a parameter that is missing, unknown or not of
    /// its type, 9507 while 1000 calls wait.
    public func call(_ method: String, params: [String: Any] = [:], completion: @escaping Completion<Any?>) {
        guard let request = JSONObject.text(["method": method, "params": params]) else {
            return link.refuse(.noJSON) { completion($0.result { $0 }) }
        }
        link.call(request) { completion($0.result { $0 }) }
    }

    /// Makes a call whose data is read.
    private func call<Value>(
        _ method: String, _ params: [String: Any?], _ completion: @escaping Completion<Value>, read: @escaping @Sendable (Any?) -> Value
    ) {
        var present: [String: Any] = [:]
        for (name, value) in params {
            if let value = value {
                present[name] = value
            }
        }
        call(method, params: present) { completion($0.map(read)) }
    }

    /// Makes a call that has no data.
    private func call(_ method: String, _ params: [String: Any?], _ completion: @escaping Completion<Void>) {
        call(method, params, completion) { _ in () }
    }

    /// Asks for what is known at once.
    private func now(_ method: String) -> Any? {
        let request = JSONObject.text(["method": method]) ?? ""
        return link.callNow(request).data
    }

    // MARK: Account

    /// Who is logged in; nothing where nobody is.
    public var loginUser: String? { now("getLoginUser") as? String }

    /// Whether a user is logged in. While the SDK makes a lost connection again, the user stays logged in.
    public var isLoggedIn: Bool { now("getLoginStatus") as? Int == 1 }

    /// The server's time in milliseconds since 1970, whatever the device's clock says. Before the first login it is the device's own time; 0 after the
    /// end.
    public var serverTimeMs: Int64 { JSONObject(now("getServerTime")).long("serverTimeMs") }

    /// Opens what was last known of a user, so that the app can show it before the login or without a network. A login of the same user goes on with it.
    ///
    /// Codes: 7003 for a user id that is not valid, 7014 while another user is logged in or logging in.
    public func initLocalStorage(userId: String, completion: @escaping Completion<Void>) {
        call("initLocalStorage", ["userID": userId], completion)
    }

    /// Logs a user in: the SDK then keeps the connection up by itself until a logout, until the client ends, or the app is told
    /// ``ImEvent/kickedOffline`` or ``ImEvent/userSigExpired``. The first login of a user makes the account. Without a network it tries for 30
    /// seconds and answers 6012. A server whose certificate is not trusted is not tried again: the login ends at once, with 9501.
    ///
    /// Codes: 7501 while a login runs, 7502 while a logout runs, 7003 for a user id that is not valid, 9501 or 9502 where the connection cannot be
    /// encrypted, 6206 or 70001 for a UserSig that ended, 70002 to 70014 for one that is not right, 70050 after too many failed logins, 6023 where
    /// a logout came first.
    public func login(userId: String, userSig: String, completion: @escaping Completion<Void>) {
        call("login", ["userID": userId, "userSig": userSig], completion)
    }

    /// Logs the user out, here and on the server. Codes: 6014 where nobody is logged in, 7502 while a logout runs.
    public func logout(completion: @escaping Completion<Void>) {
        call("logout", [:], completion)
    }

    /// Profiles of up to 100 users, in the order asked for; users who do not exist are left out. Needs the server.
    public func getUsersInfo(userIds: [String], completion: @escaping Completion<[ImUser]>) {
        call("getUsersInfo", ["userIDList": userIds], completion) { JSONObject.list($0).map { ImUser($0) } }
    }

    /// Changes the user's own profile: what is given, the rest stays. Needs the server.
    public func setSelfInfo(nickName: String? = nil, faceUrl: String? = nil, completion: @escaping Completion<Void>) {
        call("setSelfInfo", ["nickName": nickName, "faceURL": faceUrl], completion)
    }

    /// Tells the SDK whether people look at the app.
    public func setForeground(_ isForeground: Bool) {
        call("setForeground", ["isForeground": isForeground]) { _ in }
    }

    /// Tells the SDK that the device's network changed or came back: the connection is checked, or made, at once.
    public func networkChanged() {
        call("networkChanged", [:]) { _ in }
    }

    // MARK: Messages

    /// Sends a text to a user. It is stored first, survives a kill of the app, and the completion handler is called when the server has stored it;
    /// without a connection it waits for one, for 60 seconds. After an error the message stays with status failed, for
    /// ``resendMessage(messageId:completion:)``.
    ///
    /// Codes: 6012 and 9508 at the deadline, 6014 when not logged in, 6016 for text with NUL, 6022 where the disk is full, 7003 for a bad user id,
    /// 7009 when the session ended meanwhile, 8001 for more than 12 KiB, 9507 where too many wait already; from the server 20003 for no such user.
    public func sendC2cTextMessage(text: String, userId: String, completion: @escaping Completion<ImMessage>) {
        call("sendC2CTextMessage", ["text": text, "userID": userId], completion) { ImMessage(JSONObject($0)) }
    }

    /// Sends bytes to a user, see ``sendC2cTextMessage(text:userId:completion:)``.
    public func sendC2cCustomMessage(data: Data, userId: String, completion: @escaping Completion<ImMessage>) {
        call("sendC2CCustomMessage", ["customData": data.base64EncodedString(), "userID": userId], completion) { ImMessage(JSONObject($0)) }
    }

    /// Sends a text to a group, see ``sendC2cTextMessage(text:userId:completion:)``. Codes of its own: 8501 for a bad group id; from the server 10007
    /// for a group that the user is not in, 10010 for no such group.
    public func sendGroupTextMessage(
        text: String, groupId: String, priority: ImMessagePriority = .default, completion: @escaping Completion<ImMessage>
    ) {
        let params: [String: Any?] = ["text": text, "groupID": groupId, "priority": priority.rawValue]
        call("sendGroupTextMessage", params, completion) { ImMessage(JSONObject($0)) }
    }

    /// Sends bytes to a group, see ``sendGroupTextMessage(text:groupId:priority:completion:)``.
    public func sendGroupCustomMessage(
        data: Data, groupId: String, priority: ImMessagePriority = .default, completion: @escaping Completion<ImMessage>
    ) {
        let params: [String: Any?] = ["customData": data.base64EncodedString(), "groupID": groupId, "priority": priority.rawValue]
        call("sendGroupCustomMessage", params, completion) { ImMessage(JSONObject($0)) }
    }

    /// Sends a message that failed again, under the same id: if the server has it after all, it is there once. Code 7014 for a message that did not fail
    /// or does not exist.
    public func resendMessage(messageId: String, completion: @escaping Completion<ImMessage>) {
        call("resendMessage", ["msgID": messageId], completion) { ImMessage(JSONObject($0)) }
    }

    /// Reads older messages with a user, newest first, before `lastMessageId` or from the end. What this device lacks is fetched; without a connection the
    /// page is what this device has. Codes: 6014 where no user's data is open, 6017 for a bad count (1 to 200) or a last message that is not
    /// on this device.
    public func getC2cHistoryMessageList(
        userId: String, count: Int = 20, lastMessageId: String? = nil, completion: @escaping Completion<ImHistoryPage>
    ) {
        let params: [String: Any?] = ["userID": userId, "count": count, "lastMsgID": lastMessageId]
        call("getC2CHistoryMessageList", params, completion) { ImHistoryPage(JSONObject($0)) }
    }

    /// Reads older messages of a group, see ``getC2cHistoryMessageList(userId:count:lastMessageId:completion:)``.
    public func getGroupHistoryMessageList(
        groupId: String, count: Int = 20, lastMessageId: String? = nil, completion: @escaping Completion<ImHistoryPage>
    ) {
        let params: [String: Any?] = ["groupID": groupId, "count": count, "lastMsgID": lastMessageId]
        call("getGroupHistoryMessageList", params, completion) { ImHistoryPage(JSONObject($0)) }
    }

    // MARK: Conversations

    /// Reads a page of the list from this device: highest `orderKey` first. `cursor` is the `nextCursor` of the page before. It works offline.
    public func getConversationList(cursor: String? = nil, count: Int = 100, completion: @escaping Completion<ImConversationPage>) {
        call("getConversationList", ["nextSeq": cursor, "count": count], completion) { ImConversationPage(JSONObject($0)) }
    }

    /// Reads one conversation, `c2c_<userID>` or `group_<groupID>`, from this device. Code 6004 for one that this device does not know.
    public func getConversation(conversationId: String, completion: @escaping Completion<ImConversation>) {
        call("getConversation", ["conversationID": conversationId], completion) { ImConversation(JSONObject($0)) }
    }

    /// How many messages are unread in all conversations together, as this device knows.
    public func getTotalUnreadMessageCount(completion: @escaping Completion<Int64>) {
        call("getTotalUnreadMessageCount", [:], completion) { Int64($0 as? String ?? "") ?? 0 }
    }

    /// Marks all messages of a conversation as read, on all devices of the user; `c2c` is all one-to-one conversations, `group` all groups, the empty text
    /// all. Needs the server.
    public func cleanConversationUnreadMessageCount(conversationId: String, completion: @escaping Completion<Void>) {
        call("cleanConversationUnreadMessageCount", ["conversationID": conversationId], completion)
    }

    /// Keeps a text that is being written, on this device only; nothing or an empty one clears it.
    public func setConversationDraft(conversationId: String, draft: String?, completion: @escaping Completion<Void>) {
        call("setConversationDraft", ["conversationID": conversationId, "draftText": draft], completion)
    }

    // MARK: Groups

    /// Makes a group, with the user as its owner, and gives its id. Needs the server. Codes: 6017 for an unknown kind, 8501 for a bad group id, 8502 for a
    /// name of more than 100 bytes, 8507 for more than 20 members; from the server 10019 for users who do not exist, 10021 and 10025 for an id that
    /// is taken.
    public func createGroup(
        groupType: String = "Work", groupName: String, groupId: String? = nil, faceUrl: String = "", memberList: [String] = [],
        completion: @escaping Completion<String>
    ) {
        let params: [String: Any?] = [
            "groupType": groupType, "groupName": groupName, "groupID": groupId, "faceURL": faceUrl,
            "memberList": memberList.map { ["userID": $0] },
        ]
        call("createGroup", params, completion) { $0 as? String ?? "" }
    }

    /// Adds users to a group and says of each how it went. Needs the server. Codes: 8507 for more than 20 users, 8510 for none; from the server 10007 where the
    /// user is no member, 10010 for no such group.
    public func inviteUserToGroup(groupId: String, userIds: [String], completion: @escaping Completion<[String: ImMemberResult]>) {
        call("inviteUserToGroup", ["groupID": groupId, "userIDList": userIds], completion) { data in
            var results: [String: ImMemberResult] = [:]
            for result in JSONObject.list(data) {
                results[result.text("userID")] = ImMemberResult(rawValue: result.number("result")) ?? .failed
            }
            return results
        }
    }

    /// Leaves a group. The conversation stays on this device with what was read of it. Needs the server.
    public func quitGroup(groupId: String, completion: @escaping Completion<Void>) {
        call("quitGroup", ["groupID": groupId], completion)
    }
}
