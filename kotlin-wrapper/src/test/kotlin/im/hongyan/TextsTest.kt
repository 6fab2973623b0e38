// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.harness.OnServer
import im.hongyan.harness.awaitTexts
import im.hongyan.harness.c2c
import im.hongyan.harness.failureOf
import im.hongyan.harness.texts
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

/** Texts arrive as they were written, or are refused. */
class TextsTest : OnServer() {
    @Test
    fun `texts of every kind arrive as they were written`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val texts =
                listOf(
                    "",
                    " \t\r\n ",
                    "👩‍👩‍👧‍👦🇨🇳👍🏽",
                    "鸿雁传书",
                    "a\u0301 \u202Eright to left\u202C \uFEFF\u200B",
                    "\u0001\u007F\uFFFF\uD83F\uDFFF",
                    "\"quoted\" \\ 'and' </escaped>",
                )
            alice.sendAll(texts, c2c(bob.user))
            assertEquals(texts, bob.messages.awaitTexts(texts.size))
            assertEquals(texts, bob.history(c2c(alice.user)).texts())
            assertEquals(texts, alice.history(c2c(bob.user)).texts())
        }

    @Test
    fun `a text of 12 KiB is sent`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            val texts = listOf("a".repeat(BYTES_MAX), "雁".repeat(BYTES_MAX / 3), "😀".repeat(BYTES_MAX / 4))
            alice.sendAll(texts, c2c(bob.user))
            assertEquals(texts, bob.messages.awaitTexts(texts.size))
        }

    @Test
    fun `a text of a byte more is refused with 8001 and nothing is sent`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            listOf("a".repeat(BYTES_MAX + 1), "雁".repeat(BYTES_MAX / 3) + "a").forEach { text ->
                val refused = assertThrows(ImException::class.java) { alice.client.messages.createTextMessage(text) }
                assertEquals(8001, refused.code)
                assertEquals(8001, failureOf { alice.client.messages.sendC2cTextMessage(text, bob.user) }.code)
            }
            assertEquals(emptyList<Conversation>(), alice.listed())
        }

    @Test
    fun `a text that cannot be written is refused with its code and nothing is sent`() =
        play {
            val (alice, bob) = loggedIn("alice") to loggedIn("bob")
            // Half of a surrogate pair is no text in UTF-8.
            val refused = mapOf("NUL \u0000 inside" to 6016, "\uD83D" to 6017, "half \uDE00 of it" to 6017)
            refused.forEach { (text, code) ->
                val failure = assertThrows(ImException::class.java) { alice.client.messages.createTextMessage(text) }
                assertEquals(code, failure.code)
                assertEquals(code, failureOf { alice.client.messages.sendC2cTextMessage(text, bob.user) }.code)
            }
            assertEquals(emptyList<Conversation>(), alice.listed())
        }

    private companion object {
        const val BYTES_MAX = 12 * 1024
    }
}
