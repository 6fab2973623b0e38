// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hongyan
import HongyanHarness

/// A user's device: a real client in a folder of its own, with listeners that keep what they hear.
final class Device: Sendable {
    let user: String
    let client: ImClient
    let heard = Recorder()
    private let server: TestServer
    private let folder: URL
    private let platform: Platform

    init(user: String, on platform: Platform, of server: TestServer, folder: URL, queue: DispatchQueue?) throws {
        (self.user, self.platform, self.server, self.folder) = (user, platform, server, folder)
        var config = server.config(platform: platform, folder: folder)
        config.callbackQueue = queue
        client = try ImClient(config: config)
        // Subscriptions last until the client is closed, whether or not the handle is kept.
        client.addSdkListener(heard)
        client.messages.addAdvancedMsgListener(heard)
        client.conversations.addConversationListener(heard)
    }

    /// The same device after the app was started again. It is not logged in.
    func reopened() throws -> Device {
        try Device(user: user, on: platform, of: server, folder: folder, queue: nil)
    }

    /// Logs in and waits until the conversations are up to date.
    func login() async throws {
        let seen = heard.count
        try await login(userSig: try await server.sign(user))
        try await heard.wait(for: "a sync", after: seen) { $0 == .syncFinished }
    }

    func login(userSig: String) async throws {
        try await within("the end of a login") { [client, user] in
            try await client.login(userId: user, userSig: userSig)
        }
    }

    func close() async throws {
        try await within("the end of a client") { [client] in await client.close() }
    }

    /// Sends a text and waits until the server has it.
    @discardableResult
    func says(_ text: String, to conversation: String) async throws -> Message {
        let messages = client.messages
        return try await within("the end of a send") {
            let message = try messages.createTextMessage(text: text)
            return try await messages.sendMessage(message, conversationId: conversation)
        }
    }

    /// The whole history as this device shows it, oldest first, paged back from the newest.
    func history(_ conversation: String, page count: Int = 100) async throws -> [Message] {
        let messages = client.messages
        return try await within("the history of \(conversation)") {
            var all: [Message] = []
            while true {
                let page = try await messages.getHistoryMessageList(
                    conversationId: conversation, count: count, lastMessageId: all.last?.messageId)
                all += page.messages
                if page.isFinished {
                    return all.reversed()
                }
            }
        }
    }

    /// The conversation list, all pages of it.
    func conversations() async throws -> [Conversation] {
        var all: [Conversation] = []
        var cursor: String?
        repeat {
            let page = try await client.conversations.getConversationList(cursor: cursor, count: 50)
            all += page.conversations
            cursor = page.nextCursor
        } while cursor != nil
        return all
    }

    /// Makes a Work group of this user and others, and gives the id of its conversation.
    func group(_ id: String, with members: [String]) async throws -> String {
        let groups = client.groups
        let groupId = try await within("a new group") {
            try await groups.createGroup(groupName: id, groupId: id, memberList: members)
        }
        return "group_\(groupId)"
    }
}

/// The code of the error that an operation ends with.
func code(of operation: () async throws -> some Any) async throws -> Int? {
    do {
        _ = try await operation()
        return nil
    } catch let error as ImError {
        return error.code
    }
}

func numbered(_ numbers: ClosedRange<Int>) -> [String] {
    numbers.map(String.init)
}
