// SPDX-License-Identifier: Apache-2.0
package im.hongyan.guide

import im.hongyan.ConversationEvent
import im.hongyan.Message
import im.hongyan.SdkEvent
import im.hongyan.harness.OnServer
import im.hongyan.harness.ServerProcess
import im.hongyan.harness.TestCertificate
import im.hongyan.harness.awaitFirst
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.clientOf
import im.hongyan.harness.hear
import im.hongyan.harness.numbered
import im.hongyan.harness.text
import im.hongyan.harness.texts
import im.hongyan.harness.within
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** What the guide shows does what the guide says, with a real server. */
class GuideTest : OnServer() {
    @Test
    fun a_session_comes_online_and_tells_of_the_device_that_took_its_place() =
        play {
            val phone = device("alice")
            val session = Session(phone.client, phone.user) { server.userSig(phone.user) }
            launch { session.run() }
            session.state.reaches("online") { it == SessionState.Online }
            loggedIn("alice")
            session.state.reaches("kicked offline") { it == SessionState.KickedOffline }
        }

    @Test
    fun a_usersig_of_another_user_is_refused_with_its_code() =
        play {
            val phone = device("alice")
            val session = Session(phone.client, phone.user) { server.userSig("mallory") }
            launch { session.run() }
            session.state.reaches("refused") { it == SessionState.Refused(70013) }
        }

    @Test
    fun a_session_outlives_a_restart_of_the_server() =
        play {
            val phone = device("alice")
            val session = Session(phone.client, phone.user) { server.userSig(phone.user) }
            launch { session.run() }
            session.state.reaches("online") { it == SessionState.Online }
            server.whileDead {
                session.state.reaches("connecting") { it == SessionState.Connecting }
            }
            session.state.reaches("online again") { it == SessionState.Online }
        }

    @Test
    fun a_session_that_begins_behind_a_page_of_the_networks_own_comes_online_after_it() =
        play {
            ServerProcess.start().use { behind ->
                val phone = clientOf(behind, "https://${behind.address}", TestCertificate.authority)
                val failures = hear(phone.events)
                val session = Session(phone, "alice") { behind.userSig("alice") }
                launch { session.run() }
                // What answers speaks no TLS.
                assertEquals(9502, failures.heard.awaitFirst<SdkEvent.ConnectFailed>("a refusal").code)
                assertEquals(SessionState.Connecting, session.state.value)
                behind.restartWith(TestCertificate)
                session.networkChanged()
                session.state.reaches("online") { it == SessionState.Online }
                phone.close()
            }
        }

    @Test
    fun the_list_shows_what_was_there_and_what_comes() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            val carol = loggedIn("carol")
            bob.send("from bob", c2c(alice.user))
            alice.messages.awaitOne("the message of bob") { true }
            val list = ConversationList(alice.client, this)
            list.rows.reaches("bob's row") { rows -> rows.map(::preview) == listOf("from bob") }
            carol.send("from carol", c2c(alice.user))
            list.rows.reaches("carol above") { rows -> rows.map(::preview) == listOf("from carol", "from bob") }
            list.unreadCount.reaches("two unread") { it == 2L }
            alice.client.conversations.setConversationDraft(c2c(bob.user), "half a")
            list.rows.reaches("the draft on top") { rows -> rows.map(::preview) == listOf("Draft: half a", "from carol") }
        }

    @Test
    fun what_cannot_be_read_is_shown_and_ends_nothing() =
        play {
            val alice = device("alice")
            val list = ConversationList(alice.client, this)
            list.problem.reaches("nobody's list") { it?.code == 6014 }
            alice.close()
            ConversationList(alice.client, this).problem.reaches("a closed client's list") { it?.code == 6013 }
            ChatScreen(alice.client, "c2c_bob", this).problem.reaches("a closed client's chat") { it?.code == 6013 }
            assertTrue(isActive, "nothing escaped")
        }

    @Test
    fun a_chat_goes_both_ways_with_ticks() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            val here = ChatScreen(alice.client, c2c(bob.user), this)
            val there = ChatScreen(bob.client, c2c(alice.user), this)
            here.send("hello").join()
            assertNull(here.problem.value)
            there.timeline.reaches("hello") { it.messages.texts() == listOf("hello") }
            there.send("hello yourself").join()
            here.timeline.reaches("both") { it.messages.texts() == listOf("hello", "hello yourself") }
            assertEquals(
                Tick.SENT,
                tickOf(
                    here.timeline.value.messages
                        .first(),
                ),
            )
            there.markRead().join()
            here.timeline.reaches("the tick") { tickOf(it.messages.first()) == Tick.READ }
        }

    @Test
    fun older_messages_come_by_pages_without_gap_or_repetition() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            bob.sendAll(numbered(50), c2c(alice.user))
            val screen = ChatScreen(alice.client, c2c(bob.user), this)
            screen.timeline.reaches("the newest page") { it.messages.lastOrNull()?.text() == "50" }
            while (screen.timeline.value.hasOlder) {
                screen.loadOlder()?.join()
            }
            assertEquals(
                numbered(50),
                screen.timeline.value.messages
                    .texts(),
            )
        }

    @Test
    fun a_message_written_while_the_server_is_down_is_shown_at_once_and_sent_when_it_is_back() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            val screen = ChatScreen(alice.client, c2c(bob.user), this)
            val texts = numbered(5)
            server.whileDead {
                texts.forEach {
                    screen.send(it)
                    screen.timeline.reaches("the row of $it") { shown -> shown.messages.lastOrNull()?.text() == it }
                }
                assertEquals(
                    texts.map { Tick.ON_ITS_WAY },
                    screen.timeline.value.messages
                        .map(::tickOf),
                )
            }
            screen.timeline.reaches("the ticks") { it.messages.map(::tickOf) == texts.map { Tick.SENT } }
            assertEquals(
                texts,
                screen.timeline.value.messages
                    .texts(),
            )
            assertEquals(texts, bob.messages.awaitTexts(texts.size))
        }

    @Test
    fun a_refused_message_fails_with_its_code_and_stays_where_it_failed() =
        play {
            val alice = loggedIn("alice")
            val screen = ChatScreen(alice.client, c2c("nobody_of_this_name"), this)
            screen.send("into the void").join()
            screen.timeline.reaches("the failed row") { it.messages.map(::tickOf) == listOf(Tick.FAILED) }
            assertEquals(Advice.REPORT, adviceFor(checkNotNull(screen.problem.value)))
        }

    @Test
    fun a_draft_is_there_when_the_screen_is_opened_again() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            ChatScreen(alice.client, c2c(bob.user), this).saveDraft("half a").join()
            assertEquals("half a", ChatScreen(alice.client, c2c(bob.user), this).draft())
        }

    @Test
    fun a_long_absence_leaves_no_hole_in_what_is_shown() =
        play {
            val alice = loggedIn("alice")
            val bob = loggedIn("bob")
            bob.send("before", c2c(alice.user))
            val screen = ChatScreen(alice.client, c2c(bob.user), this)
            screen.timeline.reaches("the first") { it.messages.texts() == listOf("before") }
            val seen = alice.conversations.events.size
            alice.client.logout()
            bob.sendAll(numbered(250), c2c(alice.user))
            alice.client.login(alice.user, server.userSig(alice.user))
            alice.conversations.awaitOne("the sync", seen) { it == ConversationEvent.SyncFinished }
            screen.timeline.reaches("the newest") { it.messages.lastOrNull()?.text() == "250" }
            screen.timeline.reaches("no hole") { isDense(it.messages) }
            assertFalse(
                screen.timeline.value.messages
                    .isEmpty(),
            )
        }

    private fun isDense(messages: List<Message>) = messages.zipWithNext().all { (one, next) -> next.seq == one.seq + 1 }

    private suspend fun <T> Flow<T>.reaches(
        what: String,
        isIt: (T) -> Boolean,
    ): T = within(what) { first(isIt) }
}
