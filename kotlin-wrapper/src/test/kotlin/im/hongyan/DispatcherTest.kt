// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.DEADLINE
import im.hongyan.harness.Heard
import im.hongyan.harness.OnServer
import im.hongyan.harness.Stage
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.numbered
import im.hongyan.harness.text
import im.hongyan.harness.texts
import im.hongyan.harness.within
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread

/** Listeners are called on the dispatcher that the app gave, flows are collected where their collector is. */
class DispatcherTest : OnServer() {
    /** What was heard where. */
    private data class Call(
        val thread: String,
        val texts: List<String>,
    )

    private class OnMessages(
        val heard: Heard<Call>,
        val calls: AtomicInteger = AtomicInteger(),
    ) : AdvancedMsgListener {
        override fun onRecvNewMessage(messages: List<Message>) {
            assertEquals(1, calls.incrementAndGet(), "calls overlap")
            heard.note(Call(Thread.currentThread().name, messages.texts()))
            calls.decrementAndGet()
        }
    }

    /** Sends to a device with listeners on a dispatcher, and gives what they heard and where. */
    private suspend fun Stage.heardOn(dispatcher: CoroutineDispatcher?): List<Call> {
        val alice = loggedIn("alice")
        val bob = loggedIn("bob", eventDispatcher = dispatcher)
        val heard = Heard<Call>()
        bob.client.messages.addAdvancedMsgListener(OnMessages(heard))
        alice.sendAll(numbered(COUNT), c2c(bob.user))
        return heard.await("all texts") { calls -> calls.takeIf { it.flatMap(Call::texts).size >= COUNT } }
    }

    @Test
    fun `listeners are called in order on the app's own thread`() =
        play {
            Executors.newSingleThreadExecutor { Thread(it, "app") }.asCoroutineDispatcher().use { main ->
                val calls = heardOn(main)
                assertEquals(setOf("app"), calls.map { it.thread.substringBefore(" @") }.toSet())
                assertEquals(numbered(COUNT), calls.flatMap { it.texts })
            }
        }

    @Test
    fun `listeners are called in order and one at a time on a dispatcher of many threads`() =
        play { assertEquals(numbered(COUNT), heardOn(Dispatchers.IO).flatMap { it.texts }) }

    @Test
    fun `without a dispatcher listeners are called in order on one thread of the client's own`() =
        play {
            val calls = heardOn(null)
            assertEquals(1, calls.map { it.thread }.toSet().size)
            assertEquals(numbered(COUNT), calls.flatMap { it.texts })
        }

    @Test
    fun `nothing piles up behind a busy thread of the app`() =
        play {
            val alice = loggedIn("alice")
            val tablet = loggedIn("bob", Platform.IPAD)
            Executors.newSingleThreadExecutor().asCoroutineDispatcher().use { main ->
                val bob = loggedIn("bob", eventDispatcher = main)
                val heard = Heard<Call>()
                bob.client.messages.addAdvancedMsgListener(OnMessages(heard))
                val free = CountDownLatch(1)
                launch(main) { free.await() }
                // Each is an event of its own where nobody is busy.
                numbered(COUNT).forEachIndexed { index, text ->
                    alice.send(text, c2c(bob.user))
                    tablet.messages.awaitTexts(index + 1)
                }
                free.countDown()
                val calls = heard.await("all texts") { calls -> calls.takeIf { it.flatMap(Call::texts).size >= COUNT } }
                assertEquals(numbered(COUNT), calls.flatMap { it.texts })
                assertTrue(calls.size < COUNT / 2, "${calls.size} calls for $COUNT messages")
            }
        }

    @Test
    fun `a flow is collected in order on its collector's thread`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            Executors.newSingleThreadExecutor { Thread(it, "collector") }.asCoroutineDispatcher().use { main ->
                val heard = Heard<Call>()
                val collecting = CompletableDeferred<Unit>()
                val job =
                    launch(main) {
                        launch(start = CoroutineStart.UNDISPATCHED) {
                            bob.messageFlow.collect { event ->
                                val texts = (event as? MessageEvent.NewMessages)?.messages?.map { it.text() }.orEmpty()
                                heard.note(Call(Thread.currentThread().name, texts))
                            }
                        }
                        collecting.complete(Unit)
                    }
                within("the collection") { collecting.await() }
                alice.sendAll(numbered(COUNT), c2c(bob.user))
                val calls = heard.await("all texts") { calls -> calls.takeIf { it.flatMap(Call::texts).size >= COUNT } }
                assertEquals(setOf("collector"), calls.map { it.thread.substringBefore(" @") }.toSet())
                assertEquals(numbered(COUNT), calls.flatMap { it.texts })
                job.cancelAndJoin()
            }
        }

    @Test
    fun `no call begins on the app's thread after a cancel there`() =
        play {
            Executors.newSingleThreadExecutor().asCoroutineDispatcher().use { main ->
                val (alice, bob) = loggedIn("alice") to loggedIn("bob", eventDispatcher = main)
                repeat(ROUNDS) { round ->
                    val calls = AtomicInteger()
                    val subscription =
                        bob.client.messages.addAdvancedMsgListener(
                            object : AdvancedMsgListener {
                                override fun onRecvNewMessage(messages: List<Message>) {
                                    calls.incrementAndGet()
                                }
                            },
                        )
                    val sending = launch { alice.sendAll(numbered(COUNT), c2c(bob.user)) }
                    val seen = bob.messages.events.size
                    bob.messages.awaitOne("an event of round $round", seen) { true }
                    val before =
                        withContext(main) {
                            subscription.cancel()
                            calls.get()
                        }
                    within("the sends") { sending.join() }
                    bob.messages.await("the last text") { it.takeIf { heard -> heard.size > seen } }
                    assertEquals(before, calls.get())
                }
                assertTrue(bob.client.loginStatus == LoginStatus.LOGGED_IN)
            }
        }

    /** Begins to cancel while a call runs on another thread; [call] gets the thread that cancels. */
    private fun cancelDuring(call: (Thread) -> Unit): Thread {
        val begun = CountDownLatch(1)
        val cancels = CompletableFuture<Thread>()
        val delivery = DispatchedDelivery(Dispatchers.IO, ListenerGuard { throw it })
        thread(isDaemon = true) {
            delivery.deliver {
                begun.countDown()
                call(cancels.get())
            }
        }
        begun.await()
        return thread(isDaemon = true, start = false) { delivery.end() }.also {
            cancels.complete(it)
            it.start()
        }
    }

    @Test
    fun `a cancel from elsewhere waits for the call that has begun`() {
        val isCalled = AtomicBoolean()
        val cancelling =
            cancelDuring { cancelling ->
                // Ended is what it is where nothing waits for this call.
                while (cancelling.state != Thread.State.TIMED_WAITING && cancelling.state != Thread.State.TERMINATED) Thread.yield()
                if (cancelling.state == Thread.State.TIMED_WAITING) isCalled.set(true)
            }
        cancelling.join()
        assertTrue(isCalled.get())
    }

    @Test
    fun `a cancel from elsewhere does not wait for a call that waits for it`() {
        val cancelling = cancelDuring { cancelling -> cancelling.join() }
        cancelling.join(DEADLINE.inWholeMilliseconds)
        assertFalse(cancelling.isAlive)
    }

    private companion object {
        const val COUNT = 60
        const val ROUNDS = 3
    }
}
