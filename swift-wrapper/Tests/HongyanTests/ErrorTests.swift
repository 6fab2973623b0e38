// SPDX-License-Identifier: Apache-2.0

import Hongyan
import Testing

/// Each failure has its code, and changes nothing.
@Suite struct ErrorTests {
    @Test func aUserSigThatIsNotGoodOpensNothing() async throws {
        try await onServer { server in
            let alice = try server.openDevice("alice")
            let refused = [
                ("that is none", "not a UserSig", ErrorCode.userSigMalformed),
                ("of another user", try await server.sign("bob"), 70013),
                ("that is empty", "", 70002),
            ]
            for (what, userSig, expected) in refused {
                let code = try await code { try await alice.login(userSig: userSig) }
                #expect(code == expected, "a UserSig \(what)")
                #expect(alice.client.loginStatus == .notLoggedIn)
                #expect(alice.client.loginUser == nil)
            }
            try await alice.login()
            #expect(alice.client.loginUser == "alice")
        }
    }

    @Test func aUserSigThatEndedIsToldByEventAndByCode() async throws {
        try await onServer { server in
            let alice = try server.openDevice("alice")
            let old = try await server.sign("alice", options: ["--time", "1000000000", "--expire", "60"])
            let code = try #require(try await code { try await alice.login(userSig: old) })
            #expect([70001, ErrorCode.userSigExpiredLocally].contains(code))
            try await alice.heard.wait(for: "the expiry") { $0 == .userSigExpired }
        }
    }

    @Test func callsWithoutALoginAreRefused() async throws {
        try await onServer { server in
            let client = try server.openDevice("alice").client
            let notLoggedIn = ErrorCode.notLoggedIn
            #expect(notLoggedIn == 6014)
            #expect(try await code { try await client.logout() } == notLoggedIn)
            #expect(try await code { try await client.getUsersInfo(userIds: ["bob"]) } == notLoggedIn)
            #expect(try await code { try await client.conversations.getConversationList() } == notLoggedIn)
            #expect(try await code { try await client.groups.quitGroup(groupId: "club") } == notLoggedIn)
            let sent = try await code { try await client.messages.sendC2cTextMessage(text: "hello", userId: "bob") }
            #expect(sent == notLoggedIn)
        }
    }

    @Test func badInputIsAnsweredWithItsCodeAndChangesNothing() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let (messages, groups) = (alice.client.messages, alice.client.groups)
            let badUser = "no\nbody"
            #expect(try await code { try await messages.sendC2cTextMessage(text: "x", userId: badUser) } == 7003)
            #expect(try await code { try await messages.sendGroupTextMessage(text: "x", groupId: "none") } == 10010)
            #expect(try await code { try await alice.says("x", to: "nowhere") } == 6004)
            #expect(try await code { try messages.createTextMessage(text: "a\0b") } == 6016)
            #expect(try await code { try await groups.createGroup(groupType: "Choir", groupName: "x") } == 6017)
            let page = { try await messages.getHistoryMessageList(conversationId: "c2c_bob", count: 201) }
            #expect(try await code(of: page) == 6017)
            let trusting = { (roots: String, pins: [String]) in
                var config = server.config()
                (config.extraRootCertificates, config.publicKeyPins) = (roots, pins)
                return config
            }
            for config in [trusting("no PEM", []), trusting("", ["no digest"])] {
                #expect(try await code { try ImClient(config: config) } == 6017)
            }
            let shown = try await alice.conversations().filter { $0.conversationId != "group_none" }
            #expect(shown.isEmpty)
        }
    }

    @Test func anErrorSaysItsCodeItsWordsAndWhetherToTryAgain() async throws {
        try await onServer { server in
            let alice = try server.openDevice("alice")
            do {
                try await alice.client.logout()
                Issue.record("nobody is logged in")
            } catch let error as ImError {
                #expect(error.code == 6014)
                #expect(!error.detail.isEmpty)
                #expect(!error.isRetryable)
                #expect("\(error)".contains("6014"))
                #expect(error.localizedDescription.contains(error.detail))
            }
        }
    }

    @Test func aConfigThatIsNotGoodMakesNoClient() async throws {
        try await onServer { server in
            var config = server.config()
            config.serverUrl = "no address"
            let code = try await code { try ImClient(config: config) }
            #expect(code == ErrorCode.invalidParameters)
        }
    }
}
