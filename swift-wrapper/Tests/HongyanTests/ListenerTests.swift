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

    @Test func aListenerThatCancelsAsItIsFreedEndsWithTheClientThatNobodyHolds() async throws {
        try await onServer { server in
            let freed = Flag(false)
            try subscribeAndForgetClient(server.config(), freed)
            try await freed.wait(for: "the end of a listener that cancels as it is freed")
        }
    }

    @Test func aBusyQueueOfTheAppHoldsUpNoLineOfTheLog() async throws {
        try await onServer { server in
            let queue = DispatchQueue(label: "an app's queue")
            let log = Lines()
            var config = server.config()
            (config.callbackQueue, config.logListener, config.logLevel) = (queue, log, .debug)
            let free = DispatchSemaphore(value: 0)
            queue.async { free.wait() }
            defer { free.signal() }
            let client = try ImClient(config: config)
            let texts = collect(client.messages.events(), newTexts)
            let userSig = try await server.sign("bob")
            try await within("the login") { try await client.login(userId: "bob", userSig: userSig) }
            let alice = try await server.device("alice")
            try await alice.says("hello", to: "c2c_bob")
            try await texts.items.wait(for: "the text in the stream", until: { $0 == ["hello"] })
            #expect(log.count.now > 0)
            try await within("the end of a client") { await client.close() }
        }
    }

    @Test func aCancelFromElsewhereWaitsForTheCallThatHasBegunOnTheQueueOfTheApp() async throws {
        // What is asked for is much shorter than what a cancel waits at the most.
        let isCalled = try await cancelDuringCall { cancelled in
            #expect(cancelled.wait(timeout: .now() + 0.02) == .timedOut, "the cancel did not wait")
        }
        #expect(isCalled)
    }

    @Test func aCancelFromElsewhereDoesNotWaitForACallThatWaitsForIt() async throws {
        _ = try await cancelDuringCall { cancelled in
            #expect(cancelled.wait(timeout: .now() + deadlineSeconds) == .success)
        }
    }

    /// Cancels from elsewhere while a call runs on the app's queue; `call` gets what the end of the cancel signals. Gives whether the call
    /// had ended by then.
    private func cancelDuringCall(_ call: @escaping @Sendable (DispatchSemaphore) -> Void) async throws -> Bool {
        let (hasBegun, hasEnded, wasEnded) = (Flag(false), Flag(false), Watched<Bool?>(nil))
        try await onServer { server in
            let bob = try await server.device("bob", queue: DispatchQueue(label: "an app's queue"))
            let (cancels, cancelled) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            let subscription = bob.client.messages.addAdvancedMsgListener(OnMessages { _ in
                hasBegun.raise()
                cancels.wait()
                call(cancelled)
                hasEnded.raise()
            })
            let alice = try await server.device("alice")
            try await alice.says("hello", to: "c2c_bob")
            try await hasBegun.wait(for: "the call")
            DispatchQueue(label: "elsewhere").async {
                cancels.signal()
                subscription.cancel()
                wasEnded.change { $0 = hasEnded.now }
                cancelled.signal()
            }
            try await hasEnded.wait(for: "the end of the call")
            try await wasEnded.wait(for: "the end of the cancel", until: { $0 != nil })
        }
        return wasEnded.now == true
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

/// A listener that ends its own subscription as it is freed.
private final class CancelsItself: SdkListener {
    let subscription = Watched<Subscription?>(nil)
    private let freed: Flag

    init(_ freed: Flag) {
        self.freed = freed
    }

    deinit {
        subscription.now?.cancel()
        freed.raise()
    }
}

/// Counts the lines of the log.
private final class Lines: LogListener {
    let count = Watched(0)

    func onLog(level: LogLevel, text: String) {
        count.increase()
    }
}

// These stand apart so that nothing of the test's own frame holds what they make.

private func subscribeAndForget(_ client: ImClient, _ heard: Watched<[String]>) {
    client.messages.addAdvancedMsgListener(OnMessages { texts in heard.change { $0 += texts } })
}

private func subscribeAndForgetClient(_ config: ImClientConfig, _ freed: Flag) throws {
    let client = try ImClient(config: config)
    let listener = CancelsItself(freed)
    listener.subscription.change { $0 = client.addSdkListener(listener) }
}

private func subscribeTraced(_ client: ImClient, _ freed: Flag) -> [Subscription] {
    let listener = Traced(Tracer(freed))
    return [
        client.addSdkListener(listener),
        client.messages.addAdvancedMsgListener(listener),
        client.conversations.addConversationListener(listener),
    ]
}
