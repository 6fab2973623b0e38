// SPDX-License-Identifier: Apache-2.0

import Hongyan

/// Messages on their way: in the store of their device, and maybe no further.
struct Queued: Sendable {
    fileprivate let sends: [Task<Message, any Error>]

    /// What became of them.
    var value: [Message] {
        get async throws {
            var sent: [Message] = []
            for send in sends {
                sent.append(try await send.value)
            }
            return sent
        }
    }

    /// Cancels the tasks that wait for the sends.
    func cancel() {
        for send in sends {
            send.cancel()
        }
    }
}

extension Device {
    /// Begins to send texts and waits only until each is in the store.
    func queue(_ texts: [String], to conversation: String) async throws -> Queued {
        var sends: [Task<Message, any Error>] = []
        for text in texts {
            let message = try client.messages.createTextMessage(text: text)
            sends.append(Task { [client] in
                try await client.messages.sendMessage(message, conversationId: conversation)
            })
            try await heard.wait(for: "a queued message") { $0.tellsOf(message.messageId) }
        }
        return Queued(sends: sends)
    }
}

extension Heard {
    /// Whether this call shows that a message of this device is stored.
    fileprivate func tellsOf(_ id: String) -> Bool {
        switch self {
        case .status(let messages): messages.contains { $0.messageId == id }
        case .conversationsNew(let all), .conversationsChanged(let all): all.contains { $0.lastMessage?.messageId == id }
        default: false
        }
    }
}
