// SPDX-License-Identifier: Apache-2.0
package im.hongyan.android

import android.app.Activity
import android.app.Application
import android.content.BroadcastReceiver
import android.content.Intent
import android.content.IntentFilter
import android.net.ConnectivityManager
import im.hongyan.ImClient
import im.hongyan.ImClientConfig
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test
import java.nio.file.Files

/** Android's own classes of API 19 run here without Android; what needs the system itself is played. */
class HongyanAndroidTest {
    private val told = mutableListOf<String>()
    private val application = PlayedApplication()
    private val one = newActivity()
    private val other = newActivity()

    private fun attach(visible: Activity? = null) =
        HongyanAndroid.attach({ told += if (it) "seen" else "unseen" }, { told += "network" }, application, visible)

    private fun activities() = checkNotNull(application.activities) { "nothing is registered" }

    @Test
    fun an_app_counts_as_unseen_until_an_activity_starts() {
        attach()
        activities().onActivityCreated(one, null)
        assertEquals(listOf("unseen"), told)
        activities().onActivityStarted(one)
        assertEquals(listOf("unseen", "seen"), told)
    }

    @Test
    fun going_from_one_activity_to_another_is_no_absence() {
        attach()
        activities().onActivityStarted(one)
        activities().onActivityStarted(other)
        activities().onActivityStopped(one)
        assertEquals(listOf("unseen", "seen"), told)
        activities().onActivityStopped(other)
        assertEquals(listOf("unseen", "seen", "unseen"), told)
    }

    @Test
    fun a_rotation_is_no_absence() {
        attach()
        activities().onActivityStarted(one)
        one.setChangingConfigurations()
        activities().onActivityStopped(one)
        activities().onActivityStarted(other)
        assertEquals(emptyList<String>(), told.drop(2).filter { it != "seen" })
        activities().onActivityStopped(other)
        assertEquals("unseen", told.last())
    }

    @Test
    fun an_activity_that_started_before_is_passed_along() {
        attach(visible = one)
        activities().onActivityStarted(other)
        activities().onActivityStopped(one)
        assertEquals(listOf("seen"), told)
        activities().onActivityStopped(other)
        assertEquals(listOf("seen", "unseen"), told)
    }

    @Test
    fun one_that_was_not_passed_along_does_not_confuse_the_count() {
        attach()
        activities().onActivityStarted(other)
        activities().onActivityStopped(one)
        assertEquals(listOf("unseen", "seen"), told)
    }

    @Test
    fun a_change_of_the_network_is_told_and_how_it_stands_at_first_is_not() {
        attach()
        val change = Intent(ConnectivityManager.CONNECTIVITY_ACTION)
        val receiver = checkNotNull(application.receiver) { "nothing is registered" }
        receiver.setSticky(true)
        receiver.onReceive(application, change)
        assertEquals(listOf("unseen"), told)
        receiver.setSticky(false)
        receiver.onReceive(application, change)
        assertEquals(listOf("unseen", "network"), told)
        assertEquals(ConnectivityManager.CONNECTIVITY_ACTION, application.filter?.getAction(0))
    }

    @Test
    fun a_real_client_hears_of_it_and_one_that_is_closed_does_no_harm() {
        val folder = Files.createTempDirectory("hongyan-android").toFile()
        val client = ImClient(ImClientConfig(1_400_000_001, "http://127.0.0.1:7700", folder.path))
        val attachment = HongyanAndroid.attach(client, application)
        activities().onActivityStarted(one)
        runBlocking { client.close() }
        activities().onActivityStopped(one)
        attachment.cancel()
        folder.deleteRecursively()
    }

    @Test
    fun cancelling_takes_everything_back_and_may_be_repeated() {
        val attachment = attach()
        attachment.cancel()
        attachment.cancel()
        assertNull(application.activities)
        assertNull(application.receiver)
    }
}

private class PlayedApplication : Application() {
    var activities: ActivityLifecycleCallbacks? = null
    var receiver: BroadcastReceiver? = null
    var filter: IntentFilter? = null

    override fun registerActivityLifecycleCallbacks(callback: ActivityLifecycleCallbacks) {
        activities = callback
    }

    override fun unregisterActivityLifecycleCallbacks(callback: ActivityLifecycleCallbacks) {
        check(activities === callback) { "it was not registered" }
        activities = null
    }

    override fun registerReceiver(
        receiver: BroadcastReceiver?,
        filter: IntentFilter?,
    ): Intent? {
        this.receiver = receiver
        this.filter = filter
        return null
    }

    override fun unregisterReceiver(receiver: BroadcastReceiver?) {
        check(this.receiver === receiver) { "it was not registered" }
        this.receiver = null
    }
}

/** An activity without its constructor, which would need Android's message loop. */
private fun newActivity(): Activity {
    val unsafeClass = Class.forName("sun.misc.Unsafe")
    val unsafe = unsafeClass.getDeclaredField("theUnsafe").apply { isAccessible = true }.get(null)
    return unsafeClass.getMethod("allocateInstance", Class::class.java).invoke(unsafe, Activity::class.java) as Activity
}

private fun Activity.setChangingConfigurations() {
    Activity::class.java
        .getDeclaredField("mChangingConfigurations")
        .apply { isAccessible = true }
        .setBoolean(this, true)
}

/** Whether the broadcast that is delivered next says how things stood before the receiver was there. */
private fun BroadcastReceiver.setSticky(isSticky: Boolean) {
    setPendingResult(BroadcastReceiver.PendingResult(0, null, null, 0, false, isSticky, null, 0))
}
