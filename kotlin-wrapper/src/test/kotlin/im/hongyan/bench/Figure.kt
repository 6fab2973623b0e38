// SPDX-License-Identifier: Apache-2.0
package im.hongyan.bench

import kotlin.math.ceil
import kotlin.system.measureNanoTime

/** What one thing costs in microseconds, by several trials in one run. */
class Figure(
    private val name: String,
    val per: String,
    private val micros: List<Double>,
) {
    val median: Double = micros.sorted()[micros.size / 2]

    /** The same measurement, told for each of the [count] things that it consists of. */
    fun forEachOf(
        count: Int,
        per: String,
    ): Figure = Figure(name, per, micros.map { it / count })

    /** A line of the table. */
    fun line(cheapest: Double): String {
        val spread = "%.1f to %.1f".format(micros.min(), micros.max())
        return LINE.format(name, per, "%.1f".format(median), spread, "%.1f".format(median / cheapest))
    }
}

private const val LINE = "%-52s %-10s %12s %24s %12s"
private const val TRIALS = 11
private const val TRIAL_NS = 200_000_000.0
private const val WARM_UP_NS = 2_000_000_000L
private const val NS_PER_MICRO = 1000.0

/** The figures, each beside its ratio to the cheapest call. */
fun table(figures: List<Figure>): String {
    val cheapest = figures.filter { it.per == "call" }.minOf { it.median }
    val head = LINE.format("", "for a", "median µs", "least to most", "× a call")
    return (listOf(head) + figures.map { it.line(cheapest) }).joinToString("\n")
}

/** Measures what can be done again and again: until it is warm, and then in trials long enough for the clock. */
suspend fun measure(
    name: String,
    per: String,
    work: suspend () -> Unit,
): Figure {
    val warm = System.nanoTime() + WARM_UP_NS
    var last: Long
    do {
        last = measureNanoTime { work() }
    } while (System.nanoTime() < warm)
    val calls = ceil(TRIAL_NS / last).toInt()
    return Figure(name, per, List(TRIALS) { measureNanoTime { repeat(calls) { work() } } / NS_PER_MICRO / calls })
}

/** Measures one call of each of [works], after it was made ready. */
suspend fun <T> measureEach(
    name: String,
    per: String,
    works: List<T>,
    ready: suspend (T) -> Unit = {},
    work: suspend (T) -> Unit,
): Figure =
    Figure(
        name,
        per,
        works.map {
            ready(it)
            measureNanoTime { work(it) } / NS_PER_MICRO
        },
    )
