// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import kotlinx.coroutines.flow.Flow
import im.hongyan.ffi.Subscription as NativeSubscription

/** All that listens to one client: makes subscriptions, and ends those that the app left open. */
internal class Listening(
    config: ImClientConfig,
) {
    private val guard = ListenerGuard(config.uncaughtListenerError)

    // Listeners must not overtake each other, also where the app's dispatcher has several threads.
    private val dispatcher = config.eventDispatcher?.limitedParallelism(1)
    private val open = LinkedHashSet<Subscription>()
    private var isClosed = false

    /** The log goes past the app's dispatcher: lines come by the hundred, and also when the main thread stands still. */
    val logDelivery: Delivery = DirectDelivery(guard)

    /** The way of a new listener's calls. */
    fun newDelivery(): Delivery = dispatcher?.let { DispatchedDelivery(it, guard) } ?: DirectDelivery(guard)

    /** See the function of the same name. */
    fun <E> flow(subscribe: (EventStream<E>) -> Subscription): Flow<E> = eventFlow(guard, subscribe)

    /** Keeps a subscription until it is cancelled or the client is closed; the app need not. */
    fun subscribe(
        delivery: Delivery,
        add: () -> NativeSubscription,
    ): Subscription {
        val subscription = Subscription(mapped(add), delivery, ::forget)
        val isKept = synchronized(open) { !isClosed && open.add(subscription) }
        if (isKept) return subscription
        subscription.cancel()
        throw clientClosed()
    }

    /** Ends all calls and completes all flows. Nothing can be subscribed any more. */
    fun end() {
        val ending = synchronized(open) { open.toList().also { isClosed = true } }
        ending.forEach(Subscription::end)
        logDelivery.end()
    }

    /** Lets go of what is native, after the client was shut down. */
    fun release() {
        val ended = synchronized(open) { open.toList().also { open.clear() } }
        ended.forEach(Subscription::release)
    }

    private fun forget(subscription: Subscription) {
        synchronized(open) { open.remove(subscription) }
    }
}
