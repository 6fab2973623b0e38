// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Hongyan
import HongyanHarness
import Testing

/// What a listener does, and what is done with its subscription, disturbs nobody else.
@Suite struct ListenerTests {
    @Test func aListenerWhoseHandleWasDroppedGoesOnHearing() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let heard = Watched<[String]>([])
            subscribeAndForget(bob.client, heard)
            let alice = try await server.device("alice")
            for text in numbered(1...20) {
                try await alice.says(text, to: "c2c_bob")
            }
            try await heard.wait(for: "all texts", until: { $0 == numbered(1...20) })
        }
    }

    @Test func aCancelledListenerIsFreed() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let freed = Flag(false)
            let subscriptions = subscribeTraced(alice.client, freed)
            #expect(!freed.now)
            for subscription in subscriptions {
                subscription.cancel()
                subscription.cancel()
            }
            try await freed.wait(for: "the end of a cancelled listener")
        }
    }

    @Test func closingTheClientFreesItsListeners() async throws {
        try await onServer { server in
            let alice = try await server.device("alice")
            let freed = Flag(false)
            _ = subscribeTraced(alice.client, freed)
            try await alice.close()
            try await freed.wait(for: "the end of the listeners of a closed client")
        }
    }

    @Test func aListenerThatCancelsItselfHearsNoMoreAndTheOthersDo() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let calls = Watched(0)
            let subscription = Watched<Subscription?>(nil)
            let once = OnMessages { _ in
                calls.increase()
                subscription.now?.cancel()
            }
            subscription.change { $0 = bob.client.messages.addAdvancedMsgListener(once) }
            let after = Watched<[String]>([])
            bob.client.messages.addAdvancedMsgListener(OnMessages { messages in after.change { $0 += messages } })
            let alice = try await server.device("alice")
            for text in numbered(1...5) {
                try await alice.says(text, to: "c2c_bob")
                try await after.wait(for: "the text at the listener after it", until: { $0.contains(text) })
            }
            #expect(calls.now == 1)
            #expect(try await bob.heard.texts(5) == numbered(1...5), "the listener before it hears all")
        }
    }

    @Test func aListenerThatCallsTheSdkAndWaitsForItHearsTheNextEvent() async throws {
        try await onServer { server in
            let bob = try await server.device("bob")
            let answers = Watched<[Int64]>([])
            bob.client.messages.addAdvancedMsgListener(OnMessages { _ in
                #expect(bob.client.loginUser == "bob")
                let isDone = DispatchSemaphore(value: 0)
                Task {
                    let total = try? await bob.client.conversations.getTotalUnreadMessageCount()
                    answers.change { $0.append(total ?? -1) }
                    isDone.signal()
                }
                #expect(isDone.wait(timeout: .now() + deadlineSeconds) == .success)
            })
            let alice = try await server.device("alice")
            for number in 1...5 {
                try await alice.says("\(number)", to: "c2c_bob")
                try await answers.wait(for: "the answer inside the listener", until: { $0.count >= number })
            }
            #expect(answers.now == [1, 2, 3, 4, 5])
        }
    }

    @Test func nothingPilesUpOnABusyQueueOfTheApp() async throws {
        try await onServer { server in
            let queue = DispatchQueue(label: "an app's queue")
            let bob = try await server.device("bob", queue: queue)
            let tablet = try await server.device("bob", on: .ipad)
            let calls = Watched(0)
            let texts = Watched<[String]>([])
            bob.client.messages.addAdvancedMsgListener(OnMessages { messages in
                calls.increase()
                texts.change { $0 += messages }
            })
            let alice = try await server.device("alice")
            let free = DispatchSemaphore(value: 0)
            queue.async { free.wait() }
            for text in numbered(1...60) {
                try await alice.says(text, to: "c2c_bob")
                _ = try await tablet.heard.messages(Int(text) ?? 0)
            }
            free.signal()
            try await texts.wait(for: "all texts", until: { $0 == numbered(1...60) })
            #expect(calls.now <= 5)
        }
    }

    @Test func listenersAreCalledOnTheQueueOfTheAppInOrder() async throws {
        let queue = DispatchQueue(label: "an app's queue")
        // Only ever compared.
        nonisolated(unsafe) let key = DispatchSpecificKey<String>()
        queue.setSpecific(key: key, value: "here")
        try await onServer { server in
            let bob = try await server.device("bob", on: .ipad, queue: queue)
            let places = Watched<[String?]>([])
            let texts = Watched<[String]>([])
            bob.client.messages.addAdvancedMsgListener(OnMessages { messages in
                places.change { $0.append(DispatchQueue.getSpecific(key: key)) }
                texts.change { $0 += messages }
            })
            let alice = try await server.device("alice")
            for text in numbered(1...100) {
                try await alice.says(text, to: "c2c_bob")
            }
            try await texts.wait(for: "all texts", until: { $0.count >= 100 })
            #expect(texts.now == numbered(1...100))
            #expect(places.now.allSatisfy { $0 == "here" })
        }
    }
}

/// A listener that hears the texts of new messages.
private final class OnMessages: AdvancedMsgListener {
    private let hear: @Sendable ([String]) -> Void

    init(_ hear: @escaping @Sendable ([String]) -> Void) {
        self.hear = hear
    }

    func onRecvNewMessage(messages: [Message]) {
        hear(messages.compactMap(\.text))
    }
}

/// A listener to everything, with the defaults for all of it.
private final class Traced: SdkListener, AdvancedMsgListener, ConversationListener {
    private let tracer: Tracer

    init(_ tracer: Tracer) {
        self.tracer = tracer
    }
}

// These stand apart so that nothing of the test's own frame holds what they make.

private func subscribeAndForget(_ client: ImClient, _ heard: Watched<[String]>) {
    client.messages.addAdvancedMsgListener(OnMessages { texts in heard.change { $0 += texts } })
}

private func subscribeTraced(_ client: ImClient, _ freed: Flag) -> [Subscription] {
    let listener = Traced(Tracer(freed))
    return [
        client.addSdkListener(listener),
        client.messages.addAdvancedMsgListener(listener),
        client.conversations.addConversationListener(listener),
    ]
}
