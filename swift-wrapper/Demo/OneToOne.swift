// SPDX-License-Identifier: Apache-2.0

import Hongyan

private let withBob = "c2c_bob"
private let withAlice = "c2c_alice"

/// Two people write to each other.
@MainActor
func oneToOne(_ alice: Person, _ bob: Person) async throws {
    chapter("2 · One to one")
    let letter = try await alice.say("Did my letter arrive?", to: withBob)
    try await bob.untilHeard("Did my letter arrive?")
    try await bob.until("one unread message") { $0.unreadCount == 1 }
    try await bob.read(withAlice)
    try await bob.until("nothing unread") { $0.unreadCount == 0 }
    try await alice.until("Bob's reading") { $0.readByPeer[withBob, default: 0] >= letter.seq }
    let found = try await alice.client.messages.findMessages(messageIds: [letter.messageId])
    try claim("Bob's unread count went to 1 and back to 0, and Alice's letter is marked as read", found.map(\.isPeerRead) == [true])

    let alices = ["Good.", "Then listen:", "we fly at dawn."]
    let bobs = ["It did.", "鸿雁传书", "Safe and dry."]
    async let aliceSaid: Void = say(alices, by: alice, to: withBob)
    async let bobSaid: Void = say(bobs, by: bob, to: withAlice)
    _ = try await (aliceSaid, bobSaid)
    try await alice.untilHeard(bobs[2])
    try await bob.untilHeard(alices[2])
    let (atAlice, atBob) = (try await alice.history(of: withBob), try await bob.history(of: withAlice))
    let isWhole = atAlice.count == 1 + alices.count + bobs.count && atAlice.isDense
    try claim("both wrote at once, and both see the same seven messages in one order", isWhole && atAlice.ids == atBob.ids)
    try await alice.read(withBob)
    try await bob.read(withAlice)
}

@MainActor
private func say(_ texts: [String], by person: Person, to conversationId: String) async throws {
    for text in texts {
        try await person.say(text, to: conversationId)
    }
}
