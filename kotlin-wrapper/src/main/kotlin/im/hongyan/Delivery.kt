// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import kotlinx.coroutines.CoroutineDispatcher
import java.util.concurrent.CountDownLatch
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.time.Duration.Companion.milliseconds

/** The way of one subscription's calls from the SDK's thread to the app. Nothing that the app throws comes back. */
internal interface Delivery {
    /** Makes a call. The SDK's thread waits here, and goes on with the next event when this returns. */
    fun deliver(call: () -> Unit)

    /**
     * Ends the calls: none begins after this, and a thread that waits in [deliver] goes on at once. A call that has begun on
     * another thread of the app's is waited for, a moment at the most.
     */
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
    /** Held to look at what is below or to change it, never during a call. */
    private val lock = ReentrantLock()
    private val callEnded = lock.newCondition()
    private var hasEnded = false
    private var calledBy: Thread? = null

    /** What the SDK's thread waits for. There is one at the most: one thread makes the calls, one after another. */
    private var underWay: CountDownLatch? = null

    override fun deliver(call: () -> Unit) {
        val returned = CountDownLatch(1)
        lock.withLock {
            if (hasEnded) return
            underWay = returned
        }
        guard.run {
            dispatcher.dispatch(EmptyCoroutineContext) {
                make(call)
                returned.countDown()
            }
            returned.await()
        }
    }

    private fun make(call: () -> Unit) {
        lock.withLock {
            if (hasEnded) return
            calledBy = Thread.currentThread()
        }
        guard.run(call)
        lock.withLock {
            calledBy = null
            callEnded.signalAll()
        }
    }

    override fun end() {
        lock.withLock {
            hasEnded = true
            underWay?.countDown()
            try {
                awaitEndOfCall()
            } catch (_: InterruptedException) {
                // Whoever interrupts the thread has something more urgent for it.
                Thread.currentThread().interrupt()
            }
        }
    }

    /** A call inside of which this is called ends later, and so may one that waits for this very thread. */
    private fun awaitEndOfCall() {
        var leftNs = CANCEL_WAIT_MAX_NS
        while (calledBy != null && calledBy !== Thread.currentThread() && leftNs > 0) leftNs = callEnded.awaitNanos(leftNs)
    }

    private companion object {
        /** As long as the native side waits: a call that runs longer has begun for certain. */
        val CANCEL_WAIT_MAX_NS = 250.milliseconds.inWholeNanoseconds
    }
}
