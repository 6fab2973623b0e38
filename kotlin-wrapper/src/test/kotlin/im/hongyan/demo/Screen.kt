// SPDX-License-Identifier: Apache-2.0
package im.hongyan.demo

import kotlin.time.DurationUnit
import kotlin.time.TimeSource

private const val WIDTH = 30
private val began = TimeSource.Monotonic.markNow()

/** What one person sees, in a column of its own. */
class Screen(
    val column: Int,
    private val mark: String = "",
) {
    fun show(line: String) {
        val seconds = began.elapsedNow().toDouble(DurationUnit.SECONDS)
        println("%7.3fs ".format(seconds) + " ".repeat(WIDTH * column) + mark + line)
    }
}

fun chapter(title: String) = println("\n── $title ──")

/** Something that happens to all. */
fun happens(what: String) = println("         ⚡ $what")

/** Says what was checked; what does not hold ends the demo. */
fun claim(
    what: String,
    holds: Boolean,
) {
    check(holds) { "this does not hold: $what" }
    println("         ✓ $what")
}
