// SPDX-License-Identifier: Apache-2.0
package im.hongyan.android

import android.app.Activity
import android.app.Application
import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.net.ConnectivityManager
import android.os.Bundle
import im.hongyan.ImClient

/** Tells clients what Android tells an app: whether people look at it, and that the network changed. */
public object HongyanAndroid {
    /**
     * Has [client] hear of the app's life until [AndroidAttachment.cancel]. Call it on the main thread, best in
     * `Application.onCreate`.
     *
     * People look at the app while one of its activities, of this process, is started. Until the first one starts it
     * counts as in the background, so that a process that was woken for a push does not keep the pace of a visible
     * app. Whoever attaches later, while an activity is on screen, passes it as [visibleActivity]: Android does not
     * tell of what started before.
     */
    @JvmStatic
    @JvmOverloads
    public fun attach(
        client: ImClient,
        application: Application,
        visibleActivity: Activity? = null,
    ): AndroidAttachment = attach(client::setForeground, client::networkChanged, application, visibleActivity)

    internal fun attach(
        setForeground: (Boolean) -> Unit,
        networkChanged: () -> Unit,
        application: Application,
        visibleActivity: Activity?,
    ): AndroidAttachment {
        val activities = StartedActivities(visibleActivity, setForeground)
        val network = NetworkReceiver(networkChanged)
        application.registerActivityLifecycleCallbacks(activities)
        // Registered by code the broadcast still arrives on all versions of Android, though its constant is deprecated
        // since API 28; its successor, NetworkCallback, is missing below API 21. It is the system's own broadcast, so
        // that no export flag is due on Android 14, and receiving it takes no permission.
        @Suppress("DEPRECATION")
        application.registerReceiver(network, IntentFilter(ConnectivityManager.CONNECTIVITY_ACTION))
        return AndroidAttachment(application, activities, network)
    }
}

/** What [HongyanAndroid.attach] gives. Dropping it does nothing: the client goes on hearing. */
public class AndroidAttachment internal constructor(
    private val application: Application,
    private val activities: Application.ActivityLifecycleCallbacks,
    private val network: BroadcastReceiver,
) {
    private var isCancelled = false

    /** Ends it, before the client is closed. Call it on the main thread; a second call does nothing. */
    public fun cancel() {
        // Android throws at a receiver that is not registered.
        if (isCancelled) return
        isCancelled = true
        application.unregisterActivityLifecycleCallbacks(activities)
        application.unregisterReceiver(network)
    }
}

/** Which activities are started. A set and not a number: those that started earlier are told of only when they stop. */
private class StartedActivities(
    visible: Activity?,
    private val setForeground: (Boolean) -> Unit,
) : Application.ActivityLifecycleCallbacks {
    private val started = HashSet<Activity>()

    init {
        visible?.let(started::add)
        setForeground(started.isNotEmpty())
    }

    override fun onActivityStarted(activity: Activity) {
        if (started.add(activity) && started.size == 1) setForeground(true)
    }

    override fun onActivityStopped(activity: Activity) {
        started.remove(activity)
        // A rotation stops the activity and starts its successor at once: nobody looked away.
        if (started.isEmpty() && !activity.isChangingConfigurations) setForeground(false)
    }

    override fun onActivityCreated(
        activity: Activity,
        state: Bundle?,
    ) = Unit

    override fun onActivityResumed(activity: Activity) = Unit

    override fun onActivityPaused(activity: Activity) = Unit

    override fun onActivitySaveInstanceState(
        activity: Activity,
        state: Bundle,
    ) = Unit

    override fun onActivityDestroyed(activity: Activity) = Unit
}

private class NetworkReceiver(
    private val networkChanged: () -> Unit,
) : BroadcastReceiver() {
    override fun onReceive(
        context: Context,
        intent: Intent,
    ) {
        // The broadcast is sticky: the first one says how things stand, not that they changed.
        if (!isInitialStickyBroadcast) networkChanged()
    }
}
