// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.InternalException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.MainCoroutineDispatcher
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import java.nio.charset.CharacterCodingException
import kotlin.coroutines.ContinuationInterceptor
import kotlin.coroutines.cancellation.CancellationException
import kotlin.coroutines.intrinsics.COROUTINE_SUSPENDED
import kotlin.coroutines.intrinsics.suspendCoroutineUninterceptedOrReturn
import kotlin.coroutines.resume
import im.hongyan.ffi.ImException as NativeException

/**
 * Why a call failed: the only exception that the SDK's calls throw, beside the cancellation of the coroutine itself.
 *
 * The code says what to do, see [ErrorCode]; the detail is for the developer's log. Neither is meant for the screen of
 * an app's users. Apps cannot extend this class.
 *
 * @property code One of [ErrorCode], or a newer one that the server sent.
 * @property detail What went wrong, in words for the developer.
 * @property isRetryable Whether the same call may succeed later with nothing changed.
 */
public sealed class ImException(
    public val code: Int,
    public val detail: String,
    public val isRetryable: Boolean,
    cause: Throwable?,
) : Exception("$code $detail", cause)

/** The one kind there is: what an app tells apart, it tells by the code. */
private class CallFailed(
    code: Int,
    detail: String,
    isRetryable: Boolean,
    cause: Throwable?,
) : ImException(code, detail, isRetryable, cause)

/** An exception for the app. */
internal fun imException(
    code: Int,
    detail: String,
    isRetryable: Boolean,
    cause: Throwable?,
): ImException = CallFailed(code, detail, isRetryable, cause)

/**
 * Calls the native side; what it throws becomes an [ImException]. The cancellation of a coroutine passes as it is:
 * to the JVM it is an IllegalStateException, like what a native object throws that was let go of.
 */
internal inline fun <T> mapped(call: () -> T): T =
    try {
        call()
    } catch (cancellation: CancellationException) {
        throw cancellation
    } catch (failure: NativeException) {
        throw failure.mapped()
    } catch (destroyed: IllegalStateException) {
        throw clientClosed(destroyed)
    } catch (noText: CharacterCodingException) {
        throw imException(ErrorCode.INVALID_PARAMETERS, "a text has half a surrogate pair", isRetryable = false, cause = noText)
    } catch (bug: InternalException) {
        throw imException(ErrorCode.INTERNAL_ERROR, "the SDK panicked: ${bug.message}", isRetryable = false, cause = bug)
    }

/**
 * Awaits the native side, with the exceptions of [mapped], and goes on outside of the SDK's own threads. In a coroutine that
 * is cancelled already nothing is begun: the native side would do its first step before it heard of that.
 */
internal suspend inline fun <T> awaited(call: () -> T): T {
    currentCoroutineContext().ensureActive()
    return try {
        mapped(call)
    } finally {
        leaveSdkThread()
    }
}

/**
 * The native side resumes a coroutine on one of the two threads that carry all clients of the process. Most dispatchers
 * take it away from there. Where none does, as with [Dispatchers.Unconfined], it goes on in [Dispatchers.Default]: what the
 * app does next may block.
 */
internal suspend fun leaveSdkThread() {
    val context = currentCoroutineContext()
    val staysWhereItIsResumed =
        when (val dispatcher = context[ContinuationInterceptor]) {
            // An immediate one stays on the main thread alone.
            is MainCoroutineDispatcher -> false

            is CoroutineDispatcher -> !dispatcher.isDispatchNeeded(context)

            else -> true
        }
    if (!staysWhereItIsResumed) return
    // Not `withContext`: where its block ends at once, that goes on without having left the thread.
    suspendCoroutineUninterceptedOrReturn<Unit> { rest ->
        Dispatchers.Default.dispatch(context) { rest.resume(Unit) }
        COROUTINE_SUSPENDED
    }
}

/** What a call on a closed client is answered. */
internal fun clientClosed(cause: Throwable? = null): ImException =
    imException(ErrorCode.NOT_INITIALIZED, "the client is closed", isRetryable = false, cause = cause)

/** The native exception as the app's; its stack is the cause, for it shows the call inside the SDK. */
internal fun NativeException.mapped(): ImException =
    when (this) {
        is NativeException.Failed -> imException(code, detail, isRetryable, cause = this)
    }
