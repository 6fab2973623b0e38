// SPDX-License-Identifier: Apache-2.0
package im.hongyan.demo

import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch

private const val WITH_BOB = "c2c_bob"
private const val WITH_ALICE = "c2c_alice"

/** Two people write to each other. */
suspend fun oneToOne(
    alice: Person,
    bob: Person,
) {
    chapter("2 · One to one")
    val letter = alice.say("Did my letter arrive?", WITH_BOB)
    bob.untilHeard("Did my letter arrive?")
    bob.until("one unread message") { it.unreadCount == 1L }
    bob.read(WITH_ALICE)
    bob.until("nothing unread") { it.unreadCount == 0L }
    alice.until("Bob's reading") { (it.readByPeer[WITH_BOB] ?: 0) >= letter.seq }
    val found = alice.client.messages.findMessages(listOf(letter.messageId))
    claim("Bob's unread count went to 1 and back to 0, and Alice's letter is marked as read", found.single().isPeerRead)

    val alices = listOf("Good.", "Then listen:", "we fly at dawn.")
    val bobs = listOf("It did.", "鸿雁传书", "Safe and dry.")
    coroutineScope {
        launch { alices.forEach { alice.say(it, WITH_BOB) } }
        launch { bobs.forEach { bob.say(it, WITH_ALICE) } }
    }
    alice.untilHeard(bobs.last())
    bob.untilHeard(alices.last())
    val (atAlice, atBob) = alice.history(WITH_BOB) to bob.history(WITH_ALICE)
    val isWhole = atAlice.size == 1 + alices.size + bobs.size && atAlice.isDense()
    claim("both wrote at once, and both see the same seven messages in one order", isWhole && atAlice.ids() == atBob.ids())
    alice.read(WITH_BOB)
    bob.read(WITH_ALICE)
}
