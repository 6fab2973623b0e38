// SPDX-License-Identifier: Apache-2.0

import Hongyan
import HongyanHarness
import Testing

/// Calls from many tasks, and tasks that are cancelled.
@Suite struct TaskTests {
    @Test func manyTasksAtOnceLoseAndDoubleNothing() async throws {
        let (tasks, each) = (32, 20)
        try await onServer { server in
            let alice = try await server.device("alice")
            let bob = try await server.device("bob")
            try await within("all tasks") {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for task in 1...tasks {
                        group.addTask {
                            var last: Int64 = 0
                            for number in 1...each {
                                let sent = try await alice.says("\(task).\(number)", to: "c2c_bob")
                                #expect(sent.seq > last, "the messages of one task keep their order")
                                last = sent.seq
                                let page = try await bob.client.messages.getC2cHistoryMessageList(userId: "alice")
                                #expect(page.messages.count <= 20)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            let heard = try await bob.heard.messages(tasks * each)
            #expect(heard.map(\.seq) == (1...Int64(tasks * each)).map { $0 })
            #expect(Set(heard.compactMap(\.text)).count == tasks * each)
            #expect(try await alice.history("c2c_bob").map(\.messageId) == heard.map(\.messageId))
        }
    }

    @Test func aCancelledCallEndsAtOnceAndTheMessageGoesOutOnce() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let bob = try await server.device("bob")
            try await server.kill()
            let sends = try await alice.queue(["sent though nobody waits"], to: "c2c_bob")
            sends.cancel()
            await #expect(throws: CancellationError.self) { try await within("the cancelled call") { try await sends.value } }
            let waiting = try await alice.history("c2c_bob")
            #expect(waiting.map(\.status) == [.sending])
            try await server.startAgain()
            alice.client.networkChanged()
            bob.client.networkChanged()
            #expect(try await bob.heard.texts(1) == ["sent though nobody waits"])
            try await alice.says("right afterwards", to: "c2c_bob")
            #expect(try await bob.heard.messages(2).map(\.seq) == [1, 2])
            #expect(try await alice.history("c2c_bob").map(\.status) == [.sent, .sent])
        }
    }

    @Test func callsCancelledAtAnyMomentLeaveTheStoreRight() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let bob = try await server.device("bob")
            for number in 1...50 {
                let send = Task { try await alice.client.messages.sendC2cTextMessage(text: "\(number)", userId: "bob") }
                // Some are cancelled before they began, some midway, some after their end.
                for _ in 0..<(number % 10) * 20 {
                    await Task.yield()
                }
                send.cancel()
                let result = await send.result
                if case .failure(let error) = result {
                    #expect(error is CancellationError)
                }
            }
            try await alice.says("right afterwards", to: "c2c_bob")
            // What nobody waits for any more ends with the client. What it left behind goes out before the last message.
            try await alice.close()
            let again = try alice.reopened()
            try await again.login()
            let last = try await again.says("the last", to: "c2c_bob")
            let heard = try await bob.heard.messages(Int(last.seq))
            #expect(heard.map(\.seq) == Array(1...last.seq), "dense, and none twice")
            #expect(Set(heard.compactMap(\.text)).count == heard.count)
            #expect(try await again.history("c2c_bob").map(\.messageId) == heard.map(\.messageId))
            try await again.close()
        }
    }

    @Test func aTaskThatIsCancelledAlreadyDoesNotCall() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let call = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await alice.client.messages.sendC2cTextMessage(text: "never", userId: "alice")
            }
            await #expect(throws: CancellationError.self) { try await within("the call") { try await call.value } }
            try await alice.says("something", to: "c2c_alice")
            #expect(try await alice.history("c2c_alice").compactMap(\.text) == ["something"])
        }
    }
}
