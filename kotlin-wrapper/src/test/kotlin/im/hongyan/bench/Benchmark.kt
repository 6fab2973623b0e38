// SPDX-License-Identifier: Apache-2.0
package im.hongyan.bench

import im.hongyan.AdvancedMsgListener
import im.hongyan.Conversation
import im.hongyan.ConversationEvent
import im.hongyan.HistorySource
import im.hongyan.Message
import im.hongyan.MessageEvent
import im.hongyan.Platform
import im.hongyan.harness.ServerProcess
import im.hongyan.harness.c2c
import im.hongyan.harness.within
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.yield
import java.util.concurrent.CountDownLatch

private const val HISTORY = 10_000
private const val PAGE = 200
private const val SCREEN = 20
private const val FIND_MAX = 1000
private const val BURST = 1000
private const val BURSTS = 4

/** What calls, records, pages and events cost through the Kotlin library, against a real server on this machine. */
fun main() {
    ServerProcess.start().use { server ->
        runBlocking(Dispatchers.Default) {
            val bob = Person.login(server, "bob")
            val alice = Person.login(server, "alice")
            println("$HISTORY messages are being sent")
            alice.sendMany(HISTORY / 2, bob.user)
            bob.sendMany(HISTORY / 2, alice.user)
            val figures = calls(alice) + records(alice, bob) + histories(server, alice, bob) + events(server, alice)
            val (java, processors) = System.getProperty("java.version") to Runtime.getRuntime().availableProcessors()
            println("Java $java, $processors processors, ${System.getProperty("java.library.path")}")
            println(table(figures))
            listOf(alice, bob).forEach { it.close() }
        }
    }
}

private suspend fun calls(alice: Person): List<Figure> {
    val client = alice.client
    return listOf(
        measure("a property: loginStatus", "call") { client.loginStatus },
        measure("a value made: createTextMessage", "call") { client.messages.createTextMessage("hello") },
        measure("a suspending call: findMessages of nothing", "call") { client.messages.findMessages(emptyList()) },
        measure("... that reads a number from the store", "call") { client.conversations.getTotalUnreadMessageCount() },
        measure("... of the server and back: getUsersInfo", "call") { client.getUsersInfo(listOf(alice.user)) },
    )
}

private suspend fun records(
    alice: Person,
    bob: Person,
): List<Figure> {
    val messages = alice.client.messages
    val ids = alice.readAll(bob.user, PAGE, HistorySource.CLOUD).take(FIND_MAX)
    val many = measure("findMessages of $FIND_MAX", "call") { check(messages.findMessages(ids).size == FIND_MAX) }
    return listOf(
        measure("findMessages of 1", "message") { check(messages.findMessages(ids.take(1)).size == 1) },
        many.forEachOf(FIND_MAX, "message"),
        measure("a page of $SCREEN messages on this device", "page") {
            check(messages.getC2cHistoryMessageList(bob.user, SCREEN).messages.size == SCREEN)
        },
        measure("a page of $PAGE messages on this device", "page") {
            check(messages.getC2cHistoryMessageList(bob.user, PAGE).messages.size == PAGE)
        },
    )
}

private suspend fun histories(
    server: ServerProcess,
    alice: Person,
    bob: Person,
): List<Figure> {
    val onDevice =
        measure("$HISTORY messages by pages of $PAGE, on this device", "history") {
            check(alice.readAll(bob.user, PAGE, HistorySource.CLOUD).size == HISTORY)
        }
    // A place each, so that none takes another's.
    val devices = listOf(Platform.IPAD, Platform.WINDOWS, Platform.WEB).map { Person.login(server, alice.user, it) }
    val fetched =
        measureEach("$HISTORY messages by pages of $PAGE, from the server", "history", devices) { device ->
            check(device.readAll(bob.user, PAGE, HistorySource.CLOUD).size == HISTORY)
        }
    devices.forEach { it.close() }
    return listOf(onDevice, fetched).flatMap { listOf(it, it.forEachOf(HISTORY, "message")) }
}

private suspend fun events(
    server: ServerProcess,
    alice: Person,
): List<Figure> =
    coroutineScope {
        val (carol, dave) = Person.login(server, "carol") to Person.login(server, "dave")
        val gate = Gate().also { alice.client.messages.addAdvancedMsgListener(it) }
        val drafts = counts(alice.client.conversations.events) { (it as? ConversationEvent.Changed)?.conversations }
        val messages = counts(alice.client.messages.events) { (it as? MessageEvent.NewMessages)?.messages }
        // The first draft makes the conversation, which is an event of another kind.
        alice.client.conversations.setConversationDraft(c2c(carol.user), "first")
        var number = 0
        val ofOwn =
            measure("a draft set, until its event is collected", "event") {
                alice.client.conversations.setConversationDraft(c2c(carol.user), "draft ${number++}")
                drafts.receive()
            }
        val ofOther =
            measure("a message sent, until another client collects it", "message") {
                carol.client.messages.sendC2cTextMessage("hello", alice.user)
                messages.receive()
            }
        val bursts =
            measureEach("messages that waited, until they are collected", "burst", List(BURSTS) { it + 1 }, { number ->
                gate.close()
                dave.sendMany(BURST, alice.user)
                alice.holds(number * BURST, dave)
            }) {
                gate.open()
                var count = 0
                while (count < BURST) count += messages.receive()
            }
        listOf(carol, dave).forEach { it.close() }
        coroutineContext.cancelChildren()
        listOf(ofOwn, ofOther, bursts.forEachOf(BURST, "message"))
    }

/** Returns when so many unread messages of [peer] are on this device. */
private suspend fun Person.holds(
    count: Int,
    peer: Person,
) = within("$count messages in the store") {
    // Events do not tell: their thread is held.
    while ((listed(peer)?.unreadCount ?: 0) < count) yield()
}

private suspend fun Person.listed(peer: Person): Conversation? {
    val list = client.conversations.getConversationList()
    return list.conversations.find { it.userId == peer.user }
}

/** A listener that holds the SDK's thread while it is closed. It hears of messages before who was added later. */
private class Gate : AdvancedMsgListener {
    @Volatile private var opened = CountDownLatch(0)

    fun close() {
        opened = CountDownLatch(1)
    }

    fun open() = opened.countDown()

    override fun onRecvNewMessage(messages: List<Message>) = opened.await()
}

/** Collects a flow and tells how many things each of its events brought. */
private fun <E> CoroutineScope.counts(
    events: Flow<E>,
    things: (E) -> List<*>?,
): Channel<Int> {
    val counts = Channel<Int>(Channel.UNLIMITED)
    launch(start = CoroutineStart.UNDISPATCHED) { events.collect { event -> things(event)?.let { counts.send(it.size) } } }
    return counts
}
