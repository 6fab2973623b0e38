// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.Device
import im.hongyan.harness.Freed
import im.hongyan.harness.Heard
import im.hongyan.harness.ON_PURPOSE
import im.hongyan.harness.OnServer
import im.hongyan.harness.awaitFirst
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.collectGarbage
import im.hongyan.harness.numbered
import im.hongyan.harness.texts
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import java.util.concurrent.atomic.AtomicReference

/** A listener lives until its subscription is cancelled, whatever it does and whoever else lives. */
class ListenersTest : OnServer() {
    /** A listener that does something at each batch of new messages. */
    private class OnMessages(
        val act: (List<Message>) -> Unit,
    ) : AdvancedMsgListener {
        override fun onRecvNewMessage(messages: List<Message>) = act(messages)
    }

    @Test
    fun `a listener that throws hears the next event and keeps it from nobody`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val thrown = listOf(IllegalStateException(ON_PURPOSE), AssertionError(ON_PURPOSE), StackOverflowError(ON_PURPOSE))
            val calls = Heard<List<Message>>()
            bob.client.messages.addAdvancedMsgListener(
                OnMessages { messages ->
                    calls.note(messages)
                    throw thrown[calls.events.size % thrown.size]
                },
            )
            val after = Heard<MessageEvent>()
            bob.client.messages.addAdvancedMsgListener(OnMessages { after.note(MessageEvent.NewMessages(it)) })

            repeat(COUNT) { index ->
                alice.send("$index", c2c(bob.user))
                calls.await("its call") { calls -> calls.takeIf { calls.flatten().size == index + 1 } }
                bob.messages.awaitTexts(index + 1)
            }
            val expected = List(COUNT) { "$it" }
            assertEquals(expected, calls.events.flatten().texts())
            assertEquals(expected, after.awaitTexts(COUNT))
            assertEquals(List(COUNT) { thrown[(it + 1) % thrown.size] }, bob.thrown.events, "the app is told of each")
            bob.send("the client works", c2c(alice.user))
            assertEquals(listOf("the client works"), alice.messages.awaitTexts(1))
        }

    @Test
    fun `listeners of all kinds that throw leave the client whole`() =
        play {
            val bob = device("bob")
            bob.client.addSdkListener(
                object : SdkListener {
                    override fun onConnecting(): Unit = throw NoClassDefFoundError(ON_PURPOSE)

                    override fun onConnectSuccess(): Unit = throw IllegalArgumentException(ON_PURPOSE)
                },
            )
            bob.client.conversations.addConversationListener(
                object : ConversationListener {
                    override fun onSyncServerStart(): Unit = throw AssertionError(ON_PURPOSE)

                    override fun onSyncServerFinish(): Unit = throw IllegalStateException(ON_PURPOSE)
                },
            )
            bob.login()
            assertEquals(4, bob.thrown.await("all four") { it.takeIf { it.size >= 4 } }.size)
            bob.client.setSelfInfo(nickName = "Bob")
            val changed = bob.sdk.awaitFirst<SdkEvent.SelfInfoUpdated>("the profile")
            assertEquals("Bob", changed.info.nickName)
        }

    /** Adds a listener that nothing here refers to, and ignores the handle. */
    private fun addForgotten(bob: Device): Heard<MessageEvent> {
        val heard = Heard<MessageEvent>()
        bob.client.messages.addAdvancedMsgListener(OnMessages { heard.note(MessageEvent.NewMessages(it)) })
        return heard
    }

    @Test
    fun `a listener whose handle was ignored hears on after garbage collections`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val heard = addForgotten(bob)
            repeat(COUNT) {
                collectGarbage()
                alice.send("${it + 1}", c2c(bob.user))
                heard.awaitTexts(it + 1)
            }
            assertEquals(numbered(COUNT), heard.awaitTexts(COUNT))
        }

    /** Adds a listener and forgets all but its subscription. */
    private fun addWatched(
        bob: Device,
        heard: Heard<MessageEvent>,
    ): Pair<Subscription, Freed> {
        val listener = OnMessages { heard.note(MessageEvent.NewMessages(it)) }
        return bob.client.messages.addAdvancedMsgListener(listener) to Freed(listener)
    }

    @Test
    fun `a cancelled listener hears no more and is freed`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val heard = Heard<MessageEvent>()
            val (subscription, freed) = addWatched(bob, heard)
            alice.send("1", c2c(bob.user))
            heard.awaitTexts(1)

            subscription.cancel()
            subscription.cancel()
            alice.send("2", c2c(bob.user))
            bob.messages.awaitTexts(2)
            assertEquals(listOf("1"), heard.awaitTexts(1))
            freed.await("a listener whose subscription was cancelled")
        }

    @Test
    fun `a listener may cancel itself and hears no more`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val own = AtomicReference<Subscription>()
            val heard = Heard<List<Message>>()
            own.set(
                bob.client.messages.addAdvancedMsgListener(
                    OnMessages { messages ->
                        heard.note(messages)
                        own.get().cancel()
                    },
                ),
            )
            numbered(3).forEachIndexed { index, text ->
                alice.send(text, c2c(bob.user))
                bob.messages.awaitTexts(index + 1)
            }
            assertEquals(listOf("1"), heard.events.flatten().texts())
        }

    private companion object {
        const val COUNT = 6
    }
}
