// SPDX-License-Identifier: Apache-2.0

import Hongyan
import HongyanHarness

private let takenBeforeKill = 8
private let writtenInTheDark = "written while it is down"

/// The server is killed while everybody writes.
@MainActor
func crash(_ people: [Person], _ server: ServerProcess) async throws {
    chapter("4 · The server is killed while all three write")
    let before = try await people[0].history(of: group).count
    let run = Watched(Run())
    let sent = try await writeThroughCrash(people, server, run)
    for person in people {
        try await checkHeard(person, sent)
    }

    var histories: [[Message]] = []
    for person in people {
        histories.append(try await person.history(of: group))
    }
    let history = histories[0]
    let arrived = Set(history.dropFirst(before).map(\.messageId))
    let taken = run.now.taken
    try claim("the \(taken.count) messages that the server had taken when it was killed are there", arrived.isSuperset(of: taken))
    let all = sent.values.flatMap(\.ids)
    let isOnce = history.count == before + all.count && arrived == Set(all)
    try claim("all \(all.count) messages arrived, each exactly once", isOnce)
    let isInOrder = sent.allSatisfy { name, own in history.filter { $0.sender == name }.ids.suffix(own.count) == own.ids[...] }
    try claim("each one's messages stand in the order in which they were written", isInOrder)
    let isSame = histories.allSatisfy { $0.ids == history.ids }
    try claim("all three see one order, without a gap", isSame && history.isDense)
    try await readAll(people)
}

/// How far the writing has come.
private struct Run: Sendable {
    /// What the server acknowledged before it was killed.
    var taken: [String] = []
    var isKilled = false
}

/// What everybody wrote, by name. What the server did not take before its end waits in the outboxes.
@MainActor
private func writeThroughCrash(_ people: [Person], _ server: ServerProcess, _ run: Watched<Run>) async throws -> [String: [Message]] {
    let alice = people[0]
    let lines = people.map { person in Task { try await write(person, run) } }
    // Nobody writes on where something fails here.
    defer { run.change { $0.isKilled = true } }
    try await run.wait(for: "enough messages", until: { $0.taken.count >= takenBeforeKill })
    try await server.kill()
    run.change { $0.isKilled = true }
    happens("the server is killed")
    for person in people {
        try await person.until("the loss of the connection") { !$0.isOnline }
    }
    let dark = Task { try await alice.say(writtenInTheDark, to: group) }
    try await alice.until("the line in the outbox") { $0.conversations[group]?.lastMessage?.words == writtenInTheDark }
    let row = try await alice.client.conversations.getConversation(conversationId: group)
    try claim("what is written now waits on Alice's device as “sending”", row.lastMessage?.status == .sending)
    try await server.startAgain()
    happens("the server is back")
    var sent: [String: [Message]] = [:]
    for (person, line) in zip(people, lines) {
        sent[person.name] = try await line.value
    }
    sent[alice.name, default: []].append(try await dark.value)
    return sent
}

/// Writes line after line, each as soon as the one before was taken, until the server is gone.
@MainActor
private func write(_ person: Person, _ run: Watched<Run>) async throws -> [Message] {
    var sent: [Message] = []
    while !run.now.isKilled {
        let message = try await person.say("line \(sent.count + 1)", to: group)
        run.change { run in
            if !run.isKilled {
                run.taken.append(message.messageId)
            }
        }
        sent.append(message)
    }
    return sent
}

@MainActor
private func checkHeard(_ person: Person, _ sent: [String: [Message]]) async throws {
    let byOthers = sent.filter { $0.key != person.name }.values.flatMap { $0 }
    let others = byOthers.sorted { $0.seq < $1.seq }.ids
    let seen = try await person.until("all that the others wrote") { Set($0.messages.ids).isSuperset(of: others) }
    let inGroup = seen.messages.filter { $0.conversationId == group }.ids
    let isOnce = Set(inGroup).count == inGroup.count
    try claim(
        "\(person.name) heard the \(others.count) messages of the others, each once and in order",
        isOnce && inGroup.suffix(others.count) == others[...])
}
