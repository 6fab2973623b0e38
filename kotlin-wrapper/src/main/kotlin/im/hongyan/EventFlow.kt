// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import kotlinx.coroutines.Job
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.runBlocking

/**
 * The batches of events that wait for a collector: one, while the collector works on the one before. Then the SDK's
 * thread waits, and what happens meanwhile is joined there, as references. A batch here holds up to 100 messages.
 */
private const val BATCHES_MAX = 1

/**
 * A flow over a listener: every collection is a subscription of its own, made before the collector first suspends, and
 * cancelled when the collection ends, however it does. When the client is closed, what waits is still collected and then
 * the flow completes.
 */
internal fun <E> eventFlow(
    guard: ListenerGuard,
    subscribe: (EventStream<E>) -> Subscription,
): Flow<E> =
    flow {
        val stream = EventStream<E>(guard)
        val subscription = subscribe(stream)
        try {
            for (event in stream.channel) emit(event)
        } finally {
            subscription.cancel()
        }
    }

/** What lies between the SDK's thread and one collector. */
internal class EventStream<E>(
    private val guard: ListenerGuard,
) : Delivery {
    private val waiting = Job()

    /** Where the collector takes the events. */
    val channel = Channel<E>(BATCHES_MAX)

    override fun deliver(call: () -> Unit): Unit = guard.run(call)

    /** Hands an event to the collector; where one waits already, the SDK's thread waits as well. */
    fun emit(event: E) {
        if (channel.trySend(event).isSuccess) return
        try {
            runBlocking(waiting) { channel.send(event) }
        } catch (_: IllegalStateException) {
            // Cancelled or closed, which are both of this kind: the collection has ended, nobody is left to tell.
        }
    }

    override fun end() {
        waiting.cancel()
        channel.close()
    }
}
