// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import HongyanCallbacks
import HongyanHarness
import Testing

/// The client with completion handlers. The tests wait; the client itself knows nothing of `async`.
@Suite struct CallbackTests {
    @Test func peopleTalkThroughCompletionHandlersAlone() async throws {
        try await onServer { server in
            let (alice, bob) = (try await server.caller("alice"), try await server.caller("bob"))
            for number in 1...50 {
                try await alice.says("\(number)", to: "bob")
            }
            let heard = try await bob.messages(50)
            #expect(heard.map(\.seq) == Array(1...50))
            #expect(heard.map(\.elements) == numbered(1...50).map { [.text($0)] })
            #expect(heard.allSatisfy { $0.sender == "alice" && !$0.isSelf && $0.status == .sent })
            try await bob.says("🙂", to: "alice")
            #expect(try await alice.messages(1).first?.elements == [.text("🙂")])
            let page: ImHistoryPage = try await answer {
                bob.client.getC2cHistoryMessageList(userId: "alice", count: 200, completion: $0)
            }
            #expect(page.isFinished)
            #expect(page.messages.map(\.seq) == (1...51).reversed())
            try await alice.end()
            try await bob.end()
        }
    }

    @Test func repliesToABusyQueueWaitInABoundedNumber() async throws {
        try await onServer { server in
            let queue = DispatchQueue(label: "an app's queue")
            let alice = try Caller("alice", on: server, queue: queue)
            let free = DispatchSemaphore(value: 0)
            queue.async { free.wait() }
            let codes = Watched<[Int?]>([])
            for _ in 1...1100 {
                alice.client.call("getLoginUser", params: [:]) { result in codes.change { $0.append(result.code) } }
            }
            free.signal()
            try await codes.wait(for: "all answers", until: { $0.count == 1100 })
            #expect(codes.now.contains(9507), "what finds no place is refused")
            try await alice.end()
        }
    }

    @Test func groupsConversationsAndDraftsGoTheSameWay() async throws {
        try await onServer { server in
            let (alice, bob) = (try await server.caller("alice"), try await server.caller("bob"))
            let club: String = try await answer {
                alice.client.createGroup(groupName: "Geese", groupId: "geese", memberList: ["bob"], completion: $0)
            }
            #expect(club == "geese")
            let sent: ImMessage = try await answer {
                alice.client.sendGroupTextMessage(text: "hello", groupId: club, completion: $0)
            }
            try await bob.events.wait(for: "the message", until: { $0.flatMap(\.newMessages).contains { $0.messageId == sent.messageId } })
            // The group's name comes on its own, and may come after the message.
            try await bob.events.wait(for: "the group's name", until: { $0.flatMap(\.conversations).contains { $0.showName == "Geese" } })
            let geese: ImConversation = try await answer {
                bob.client.getConversation(conversationId: "group_geese", completion: $0)
            }
            #expect((geese.showName, geese.groupType, geese.lastMessage?.messageId) == ("Geese", "Work", sent.messageId))
            #expect(geese.unreadCount >= 1)
            try await answer { bob.client.cleanConversationUnreadMessageCount(conversationId: "", completion: $0) }
            try await answer { bob.client.setConversationDraft(conversationId: "group_geese", draft: "honk", completion: $0) }
            let list: ImConversationPage = try await answer { bob.client.getConversationList(completion: $0) }
            #expect(list.conversations.map(\.draftText) == ["honk"])
            #expect(list.conversations.map(\.unreadCount) == [0])
            #expect(try await answer { bob.client.getTotalUnreadMessageCount(completion: $0) } == 0)
            try await alice.end()
            try await bob.end()
        }
    }

    @Test func errorsHaveTheSameCodes() async throws {
        try await onServer { server in
            let alice = try Caller("alice", on: server)
            #expect(!alice.client.isLoggedIn)
            #expect(try await refusal { alice.client.logout(completion: $0) } == 6014)
            #expect(try await refusal { alice.client.login(userId: "alice", userSig: "none", completion: $0) } == 70003)
            try await alice.login()
            #expect((alice.client.isLoggedIn, alice.client.loginUser) == (true, "alice"))
            let tooLong = String(repeating: "x", count: 12 * 1024 + 1)
            let codes = [
                try await refusal { alice.client.sendC2cTextMessage(text: "x", userId: "no\nbody", completion: $0) },
                try await refusal { alice.client.sendGroupTextMessage(text: "x", groupId: "none", completion: $0) },
                try await refusal { alice.client.sendC2cTextMessage(text: tooLong, userId: "alice", completion: $0) },
                try await refusal { alice.client.call("makeCoffee", completion: $0) },
                try await refusal { alice.client.call("login", params: ["sugar": 2], completion: $0) },
            ]
            #expect(codes == [7003, 10010, 8001, 7013, 6017])
            try await alice.end()
        }
    }

    @Test func everyCompletionHandlerIsCalledOnceAlsoAtTheEnd() async throws {
        try await onServer { server in
            let alice = try await server.caller("alice")
            try await server.kill()
            let codes = Watched<[Int?]>([])
            for number in 1...20 {
                alice.client.sendC2cTextMessage(text: "\(number)", userId: "alice") { result in
                    codes.change { $0.append(result.code) }
                }
            }
            try await alice.end()
            try await codes.wait(for: "all completion handlers", until: { $0.count >= 20 })
            #expect(codes.now.allSatisfy { $0 == 7009 || $0 == 6013 }, "\(codes.now)")
            #expect(try await refusal { alice.client.logout(completion: $0) } == 6013)
            try await alice.end()
            #expect(codes.now.count == 20)
        }
    }

    @Test func everythingComesOnTheQueueOfTheAppAndOnce() async throws {
        // Only ever compared.
        nonisolated(unsafe) let key = DispatchSpecificKey<Bool>()
        let queue = DispatchQueue(label: "an app's queue")
        queue.setSpecific(key: key, value: true)
        try await onServer { server in
            let places = Watched<[Bool]>([])
            let note: @Sendable () -> Void = { places.change { $0.append(DispatchQueue.getSpecific(key: key) == true) } }
            let alice = try Caller("alice", on: server, queue: queue) { _ in note() }
            try await alice.login()
            let order = Watched<[Int]>([])
            for number in 1...100 {
                alice.client.getTotalUnreadMessageCount { _ in
                    note()
                    order.change { $0.append(number) }
                }
            }
            try await order.wait(for: "all completion handlers", until: { $0.count == 100 })
            #expect(order.now.sorted() == Array(1...100))
            #expect(places.now.allSatisfy { $0 })
            try await alice.end()
        }
    }

    @Test func aClientThatIsLetGoOfEndsAndFreesWhatItHeld() async throws {
        try await onServer { server in
            let freed = Flag(false)
            try await loginAndForget(server, freed)
            try await freed.wait(for: "the end of a client that nobody holds")
            // Its folder is free again.
            let again = try await server.caller("alice")
            try await again.end()
        }
    }

    @Test func aClientOutlivesTheServersRestart() async throws {
        try await onServer { server in
            let (alice, bob) = (try await server.caller("alice"), try await server.caller("bob"))
            try await server.kill()
            let isSent = Watched<Int?>(nil)
            alice.client.sendC2cTextMessage(text: "written offline", userId: "bob") { result in
                isSent.change { $0 = result.code ?? 0 }
            }
            try await server.startAgain()
            alice.client.networkChanged()
            bob.client.networkChanged()
            try await isSent.wait(for: "the send", until: { $0 == 0 })
            #expect(try await bob.messages(1).map(\.elements) == [[.text("written offline")]])
            try await alice.end()
            try await bob.end()
        }
    }

    private func loginAndForget(_ server: TestServer, _ freed: Flag) async throws {
        let tracer = Tracer(freed)
        let alice = try Caller("alice", on: server) { _ in withExtendedLifetime(tracer) {} }
        try await alice.login()
    }
}
