// SPDX-License-Identifier: Apache-2.0
package im.hongyan.harness

import im.hongyan.Message
import im.hongyan.text
import org.junit.jupiter.api.Assertions.assertEquals

fun c2c(user: String) = "c2c_$user"

fun group(groupId: String) = "group_$groupId"

fun numbered(count: Int): List<String> = List(count) { "${it + 1}" }

fun Message.hasText(): Boolean = text != null

/** The text of a message that has one. */
fun Message.text(): String = checkNotNull(text) { "a message without text" }

fun List<Message>.texts(): List<String> = map { it.text() }

/** Their ids. Messages themselves cannot be compared: they hold arrays of bytes. */
fun List<Message>.ids(): List<String> = map { it.messageId }

/** Checks that messages of one conversation stand at sequences that rise by one. */
fun assertDense(messages: List<Message>) {
    val first = messages.firstOrNull()?.seq ?: return
    assertEquals(List(messages.size) { first + it }, messages.map { it.seq }, "a gap, a repetition or a wrong order")
}
