// SPDX-License-Identifier: Apache-2.0
package im.hongyan.harness

import im.hongyan.ImException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.withTimeout
import kotlin.time.Duration.Companion.seconds

/** How long anything may take: far above what a busy machine needs, so that only what never comes runs into it. */
val DEADLINE = 30.seconds

/** The result of [work], or a failure of the test that says what was waited for. */
suspend fun <R> within(
    what: String,
    work: suspend CoroutineScope.() -> R,
): R =
    try {
        withTimeout(DEADLINE, work)
    } catch (late: TimeoutCancellationException) {
        throw AssertionError("$what did not come within $DEADLINE", late)
    }

/** The error that [work] fails with; anything else fails the test. */
suspend fun failureOf(work: suspend () -> Any?): ImException {
    val result =
        try {
            within("the end of a call that is refused") { work() }
        } catch (refused: ImException) {
            return refused
        }
    throw AssertionError("the call was to be refused and gave $result")
}
