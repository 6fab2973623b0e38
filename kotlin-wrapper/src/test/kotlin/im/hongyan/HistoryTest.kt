// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.Device
import im.hongyan.harness.OnServer
import im.hongyan.harness.Stage
import im.hongyan.harness.assertDense
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.ids
import im.hongyan.harness.numbered
import im.hongyan.harness.texts
import im.hongyan.harness.within
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Pages give a conversation's messages exactly once. */
class HistoryTest : OnServer() {
    /** Two users with [COUNT] messages between them. */
    private suspend fun Stage.correspondents(): Pair<Device, Device> {
        val pair = loggedIn("alice") to loggedIn("bob")
        val (alice, bob) = pair
        val sends = numbered(COUNT).map { text -> async { alice.send(text, c2c(bob.user)) } }
        within("the end of all sends") { sends.awaitAll() }
        bob.messages.awaitTexts(COUNT)
        return pair
    }

    @Test
    fun `pages in both directions give every message once`() =
        play {
            val (alice, bob) = correspondents()
            val older = bob.historyPages(c2c(alice.user), HistoryDirection.OLDER, PAGE)
            val newer = bob.historyPages(c2c(alice.user), HistoryDirection.NEWER, PAGE)

            assertEquals(listOf(PAGE, PAGE, COUNT - 2 * PAGE), older.map { it.size })
            assertEquals(listOf(PAGE, PAGE, COUNT - 2 * PAGE), newer.map { it.size })
            assertDense(newer.flatten())
            assertEquals(newer.flatten().ids(), older.flatten().ids().reversed())
            assertEquals(numbered(COUNT).sorted(), newer.flatten().texts().sorted())
        }

    @Test
    fun `a device that was never there pages through what only the server holds`() =
        play {
            val (alice, bob) = correspondents()
            val tablet = loggedIn("bob", Platform.IPAD)
            val shown = tablet.historyPages(c2c(alice.user), HistoryDirection.OLDER, PAGE).flatten()
            assertDense(shown.reversed())
            assertEquals(bob.history(c2c(alice.user)).ids(), shown.reversed().ids())
        }

    @Test
    fun `history begins at a message or a sequence that is asked for`() =
        play {
            val (alice, bob) = correspondents()
            val shown = bob.history(c2c(alice.user))
            val all = shown.ids()
            val middle = shown[COUNT / 2]
            val before =
                within("a page") {
                    bob.client.messages.getC2cHistoryMessageList(
                        alice.user,
                        count = 5,
                        lastMessageId = middle.messageId,
                    )
                }
            assertEquals(all.subList(COUNT / 2 - 5, COUNT / 2).reversed(), before.messages.ids())
            val from =
                within("a page") {
                    bob.client.messages.getHistoryMessageList(
                        c2c(alice.user),
                        HistoryDirection.NEWER,
                        count = 5,
                        lastMessageSeq = middle.seq,
                    )
                }
            assertEquals(all.subList(COUNT / 2, COUNT / 2 + 5), from.messages.ids())
            assertTrue(!before.isFinished && !from.isFinished)
            val screen = within("a page") { bob.client.messages.getHistoryMessageList(c2c(alice.user)) }
            assertEquals(all.takeLast(20).reversed(), screen.messages.ids(), "a page of 20 from the newest, unless asked")
        }

    private companion object {
        const val COUNT = 250
        const val PAGE = 100
    }
}
