// SPDX-License-Identifier: Apache-2.0
package im.hongyan.harness

import java.lang.ref.ReferenceQueue
import java.lang.ref.WeakReference
import kotlin.time.TimeSource

/** Watches one object until the garbage collector has taken it. */
class Freed(
    watched: Any,
) {
    private val queue = ReferenceQueue<Any>()
    private val reference = WeakReference(watched, queue)

    /** Collects garbage until the object is gone; fails where something holds it. */
    fun await(what: String) {
        val start = TimeSource.Monotonic.markNow()
        do {
            System.gc()
            if (queue.remove(COLLECTION_MS) === reference) return
        } while (start.elapsedNow() < DEADLINE)
        throw AssertionError("something holds $what")
    }

    private companion object {
        /** How long one collection may take before another is asked for. */
        const val COLLECTION_MS = 100L
    }
}

/** Collects garbage: what nobody holds at the call is gone after it. */
fun collectGarbage() = Freed(Any()).await("an object that nobody holds")
