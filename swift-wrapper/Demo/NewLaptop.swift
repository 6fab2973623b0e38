// SPDX-License-Identifier: Apache-2.0

import Hongyan
import HongyanHarness

private let pageMessagesMax = 6

/// Bob takes up a second device, which has nothing yet, and pages back.
@MainActor
func newLaptop(of bob: Person, _ alice: Person, _ server: ServerProcess) async throws {
    chapter("5 · Bob opens a new laptop and pages back")
    let screen = Screen(column: bob.screen.column, mark: "▯ ")
    let laptop = try Person(bob.name, on: server, screen: screen, platform: .mac)
    try await ending {
        try await laptop.logIn()
        let pages = try await laptop.pages(of: group, count: pageMessagesMax)
        for page in pages {
            laptop.screen.show("page: #\(page.first?.seq ?? 0) to #\(page.last?.seq ?? 0)")
        }
        let known = try await alice.history(of: group).ids
        let isPaged = pages.allSatisfy { $0.count <= pageMessagesMax } && pages.flatMap { $0 }.reversed().ids == known
        try claim("pages of \(pageMessagesMax) brought all \(known.count) messages, each once, as Alice's device has them", isPaged)
        try claim("history on a new device is not told as new", laptop.seen.messages.isEmpty)

        try await alice.say("Land in sight!", to: group)
        for device in [bob, laptop] {
            try await device.until("one unread message") { $0.unreadCount == 1 }
        }
        try await laptop.read(group)
        try await bob.until("the laptop's reading") { $0.unreadCount == 0 }
        let unread = try await bob.client.conversations.getTotalUnreadMessageCount()
        try claim("what is read on the laptop is read on the phone", unread == 0)
    } with: {
        await laptop.leave()
    }
}
