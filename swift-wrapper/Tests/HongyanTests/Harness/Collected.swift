// SPDX-License-Identifier: Apache-2.0

import Hongyan
import HongyanHarness

/// What a task takes out of a stream.
final class Collected<Item: Sendable>: Sendable {
    let items = Watched<[Item]>([])
    /// Raised when the stream's loop is over, because the stream ended or the task was cancelled.
    let hasEnded = Flag(false)
    private let task = Watched<Task<Void, Never>?>(nil)

    /// Waits until so many were taken out, and gives them in order.
    func first(_ count: Int) async throws -> [Item] {
        try await items.wait(for: "\(count) items of a stream") { $0.count >= count ? $0 : nil }
    }

    func cancel() {
        task.now?.cancel()
    }

    fileprivate func run(_ loop: @escaping @Sendable () async -> Void) {
        let running = Task { [hasEnded] in
            await loop()
            hasEnded.raise()
        }
        task.change { $0 = running }
    }
}

/// Reads a stream to its end in a task of its own, and keeps what `pick` finds in each event. Before each event it waits
/// for `gate`.
func collect<Event: Sendable, Item: Sendable>(
    _ stream: AsyncStream<Event>,
    behind gate: Flag? = nil,
    _ pick: @escaping @Sendable (Event) -> [Item]
) -> Collected<Item> {
    let collected = Collected<Item>()
    collected.run { [items = collected.items] in
        for await event in stream {
            try? await gate?.wait(for: "a gate to open")
            items.change { $0 += pick(event) }
        }
    }
    return collected
}

/// The messages that an event brings as new.
func newMessages(_ event: MessageEvent) -> [Message] {
    if case .newMessages(let messages) = event { messages } else { [] }
}

/// Their texts.
func newTexts(_ event: MessageEvent) -> [String] {
    newMessages(event).compactMap(\.text)
}
