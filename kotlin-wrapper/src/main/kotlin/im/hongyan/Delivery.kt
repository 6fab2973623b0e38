// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import kotlinx.coroutines.CoroutineDispatcher
import java.util.concurrent.CountDownLatch
import kotlin.coroutines.EmptyCoroutineContext

/** The way of one subscription's calls from the SDK's thread to the app. Nothing that the app throws comes back. */
internal interface Delivery {
    /** Makes a call. The SDK's thread waits here, and goes on with the next event when this returns. */
    fun deliver(call: () -> Unit)

    /** Ends the calls: none begins after this, and a thread that waits in [deliver] goes on at once. */
    fun end()
}

/** Calls on the SDK's own thread. */
internal class DirectDelivery(
    private val guard: ListenerGuard,
) : Delivery {
    @Volatile private var hasEnded = false

    override fun deliver(call: () -> Unit) {
        if (!hasEnded) guard.run(call)
    }

    override fun end() {
        hasEnded = true
    }
}

/** Calls on the app's dispatcher, which must run one block at a time. */
internal class DispatchedDelivery(
    private val dispatcher: CoroutineDispatcher,
    private val guard: ListenerGuard,
) : Delivery {
    @Volatile private var hasEnded = false

    /** What the SDK's thread waits for. There is one at the most: one thread makes the calls, one after another. */
    @Volatile private var underWay: CountDownLatch? = null

    override fun deliver(call: () -> Unit) {
        val returned = CountDownLatch(1)
        underWay = returned
        // Read after `underWay` was written, and `end` does it the other way round: one of the two sees the other.
        if (hasEnded) return
        guard.run {
            dispatcher.dispatch(EmptyCoroutineContext) {
                if (!hasEnded) guard.run(call)
                returned.countDown()
            }
            returned.await()
        }
    }

    override fun end() {
        hasEnded = true
        underWay?.countDown()
    }
}
