// SPDX-License-Identifier: Apache-2.0
package im.hongyan.demo

import im.hongyan.Message
import im.hongyan.MessageStatus
import im.hongyan.harness.ServerProcess
import im.hongyan.harness.within
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.update

private const val TAKEN_BEFORE_KILL = 8
private const val WRITTEN_IN_THE_DARK = "written while it is down"

/** The server is killed while everybody writes. */
suspend fun crash(
    people: List<Person>,
    server: ServerProcess,
) {
    chapter("4 · The server is killed while all three write")
    val before = people.first().history(GROUP).ids()
    val run = Run()
    val sent = writeThroughCrash(people, server, run)
    people.forEach { checkHeard(it, sent) }

    val histories = people.map { it.history(GROUP) }
    val history = histories.first()
    val arrived = history.ids().drop(before.size)
    val taken = run.taken.value
    claim("the ${taken.size} messages that the server had taken when it was killed are there", arrived.containsAll(taken))
    val all = sent.values.flatten().ids()
    claim("all ${all.size} messages arrived, each exactly once", arrived.size == all.size && arrived.toSet() == all.toSet())
    val isInOrder = sent.all { (name, own) -> history.filter { it.sender == name }.ids().takeLast(own.size) == own.ids() }
    claim("each one's messages stand in the order in which they were written", isInOrder)
    claim("all three see one order, without a gap", histories.all { it.ids() == history.ids() } && history.isDense())
    people.forEach { it.read(GROUP) }
    people.forEach { person -> person.until("nothing unread") { it.unreadCount == 0L } }
}

/** How far the writing has come. */
private class Run {
    /** What the server acknowledged before it was killed. */
    val taken = MutableStateFlow(emptyList<String>())
    var isKilled = false
}

/** What everybody wrote, by name. What the server did not take before its end waits in the outboxes. */
private suspend fun writeThroughCrash(
    people: List<Person>,
    server: ServerProcess,
    run: Run,
): Map<String, List<Message>> =
    coroutineScope {
        val alice = people.first()
        val lines = people.map { person -> async { write(person, run) } }
        within("enough messages") { run.taken.first { it.size >= TAKEN_BEFORE_KILL } }
        val dark =
            server.whileDead {
                run.isKilled = true
                happens("the server is killed")
                people.forEach { person -> person.until("the loss of the connection") { !it.isOnline } }
                val dark = async { alice.say(WRITTEN_IN_THE_DARK, GROUP) }
                alice.until("the line in the outbox") { it.conversations[GROUP]?.lastMessage?.words() == WRITTEN_IN_THE_DARK }
                val row = alice.client.conversations.getConversation(GROUP)
                claim("what is written now waits on Alice's device as “sending”", row.lastMessage?.status == MessageStatus.SENDING)
                dark
            }
        happens("the server is back")
        val sent = people.map { it.name }.zip(lines.awaitAll()).toMap()
        sent + (alice.name to sent.getValue(alice.name) + dark.await())
    }

/** Writes line after line, each as soon as the one before was taken, until the server is gone. */
private suspend fun write(
    person: Person,
    run: Run,
): List<Message> {
    val sent = mutableListOf<Message>()
    while (!run.isKilled) {
        val message = person.say("line ${sent.size + 1}", GROUP)
        if (!run.isKilled) run.taken.update { it + message.messageId }
        sent += message
    }
    return sent
}

private suspend fun checkHeard(
    person: Person,
    sent: Map<String, List<Message>>,
) {
    val byOthers = (sent - person.name).values.flatten()
    val others = byOthers.sortedBy { it.seq }.ids()
    val seen = person.until("all that the others wrote") { it.messages.ids().containsAll(others) }
    val inGroup = seen.messages.filter { it.conversationId == GROUP }.ids()
    val isOnce = inGroup.toSet().size == inGroup.size
    claim(
        "${person.name} heard the ${others.size} messages of the others, each once and in order",
        isOnce && inGroup.takeLast(others.size) == others,
    )
}
