// SPDX-License-Identifier: Apache-2.0
package im.hongyan.demo

import im.hongyan.Platform
import im.hongyan.harness.ServerProcess
import im.hongyan.harness.within
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.toList

private const val PAGE = 6

/** Bob takes up a second device, which has nothing yet, and pages back. */
suspend fun newLaptop(
    bob: Person,
    alice: Person,
    server: ServerProcess,
    scope: CoroutineScope,
) {
    chapter("5 · Bob opens a new laptop and pages back")
    val laptop = Person(bob.name, server, Screen(bob.screen.column, "▯ "), scope, Platform.WINDOWS)
    try {
        laptop.logIn()
        val pages =
            within("the history by pages") {
                laptop
                    .pages(GROUP, PAGE)
                    .onEach { page -> laptop.screen.show("page: #${page.first().seq} to #${page.last().seq}") }
                    .toList()
            }
        val known = alice.history(GROUP).ids()
        val isPaged = pages.all { it.size <= PAGE } && pages.flatten().reversed().ids() == known
        claim("pages of $PAGE brought all ${known.size} messages, each once, as Alice's device has them", isPaged)
        claim("history on a new device is not told as new", laptop.seen.messages.isEmpty())

        alice.say("Land in sight!", GROUP)
        listOf(bob, laptop).forEach { device -> device.until("one unread message") { it.unreadCount == 1L } }
        laptop.read(GROUP)
        bob.until("the laptop's reading") { it.unreadCount == 0L }
        claim("what is read on the laptop is read on the phone", bob.client.conversations.getTotalUnreadMessageCount() == 0L)
    } finally {
        laptop.close()
    }
}
