// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hongyan
import Testing

/// Sending and receiving.
@Suite struct MessageTests {
    @Test func messagesGoBothWaysBetweenTwo() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let bob = try await server.device("bob")
            let sent = try await alice.says("hello", to: "c2c_bob")
            let received = try #require(try await bob.heard.messages(1).first)
            #expect(received.messageId == sent.messageId)
            #expect((received.sender, received.userId, received.text) == ("alice", "alice", "hello"))
            #expect((sent.isSelf, sent.status, received.isSelf) == (true, .sent, false))
            try await bob.says("hello yourself", to: "c2c_alice")
            #expect(try await alice.heard.texts(1) == ["hello yourself"])
            #expect(try await alice.history("c2c_bob").map(\.text) == ["hello", "hello yourself"])
        }
    }

    @Test func allOfAGroupHearTheOneOrder() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let carol = try await server.device("carol")
            let alice = try await server.device("alice")
            let club = try await alice.group("club", with: ["bob", "carol"])
            for person in [alice, bob, carol] {
                try await person.says("I am \(person.user)", to: club)
            }
            let order = try await server.device("alice", on: .web).history(club).compactMap(\.text)
            #expect(Set(order) == ["I am alice", "I am bob", "I am carol"])
            for person in [alice, bob, carol] {
                #expect(try await person.heard.texts(2) == order.filter { $0 != "I am \(person.user)" })
            }
        }
    }

    @Test(arguments: ["by listener", "by stream"])
    func twoHundredMessagesComeInOrderAndOnce(how: String) async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let collected = collect(bob.client.messages.events(), newMessages)
            let alice = try await server.device("alice")
            for text in numbered(1...200) {
                try await alice.says(text, to: "c2c_bob")
            }
            let heard = try await bob.heard.messages(200)
            let messages = how == "by listener" ? heard : try await collected.first(200)
            #expect(messages.map(\.seq) == Array(1...200))
            #expect(messages.compactMap(\.text) == numbered(1...200))
            #expect(Set(messages.map(\.messageId)).count == 200)
        }
    }

    @Test(arguments: ["🙂👩‍👩‍👧‍👦 洪雁 é\u{301} \u{202E}ab", "", " ", "\n", String(repeating: "x", count: 12 * 1024)])
    func aTextArrivesByteForByte(text: String) async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let bob = try await server.device("bob")
            let sent = try await alice.says(text, to: "c2c_bob")
            let heard = try await bob.heard.messages(1)
            for message in [sent] + heard + (try await bob.history("c2c_alice")) {
                #expect(message.text.map { Array($0.utf8) } == Array(text.utf8))
            }
        }
    }

    @Test func bytesArriveAsTheyWere() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let bob = try await server.device("bob")
            let bytes = Data((0...255).map(UInt8.init))
            _ = try await alice.client.messages.sendC2cCustomMessage(data: bytes, userId: "bob")
            try await bob.heard.wait(for: "the bytes") { heard in
                heard.newMessages.contains { message in
                    if case .custom(let data, _, _)? = message.elements.first { data == bytes } else { false }
                }
            }
        }
    }

    @Test func aTextOfMoreThanTwelveKibibytesIsRefused() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            _ = try await server.device("bob")
            let tooLong = String(repeating: "x", count: 12 * 1024 + 1)
            #expect(try await code { try await alice.says(tooLong, to: "c2c_bob") } == 8001)
            #expect(try await alice.history("c2c_bob").isEmpty)
        }
    }
}
