// SPDX-License-Identifier: Apache-2.0

import Hongyan

private let groupId = "geese"

/// The group's conversation.
let group = "group_\(groupId)"

/// Alice makes a group, and everybody says something in it.
@MainActor
func groupOfThree(_ people: [Person]) async throws {
    chapter("3 · A Work group")
    let (alice, bob, carol) = (people[0], people[1], people[2])
    _ = try await alice.client.groups.createGroup(groupName: "Wild geese", groupId: groupId, memberList: [bob.name, carol.name])
    alice.screen.show("has made the group")
    let tip = "brought in bob and carol"
    for person in [bob, carol] {
        try await person.untilHeard(tip)
    }
    let said = [(alice, "Everybody here?"), (bob, "Here."), (carol, "在这里。")]
    for (person, text) in said {
        try await person.say(text, to: group)
    }
    for person in [alice, bob] {
        try await person.untilHeard("在这里。")
    }
    var histories: [[Message]] = []
    for person in people {
        histories.append(try await person.history(of: group))
    }
    let isWhole = histories[0].map(\.words) == [tip] + said.map { $0.1 }
    let isSame = histories.allSatisfy { $0.ids == histories[0].ids }
    try claim("all three see the tip and the three messages, in one order", isWhole && isSame)
    try await readAll(people)
    try claim("all have read it, nobody has anything unread", people.allSatisfy { $0.seen.unreadCount == 0 })
}

/// Everybody reads the group, and sees that nothing is left.
@MainActor
func readAll(_ people: [Person]) async throws {
    for person in people {
        try await person.read(group)
    }
    for person in people {
        try await person.until("nothing unread") { $0.unreadCount == 0 }
    }
}
