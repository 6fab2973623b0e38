// SPDX-License-Identifier: Apache-2.0
package im.hongyan

import im.hongyan.ffi.uniffiEnsureInitialized

/**
 * The native library, loaded once per process.
 *
 * `System.loadLibrary` comes before JNA opens the same file. Only then does the virtual machine run the library's
 * `JNI_OnLoad`, in the class loader of the app, and the SDK keeps the virtual machine: its threads are made known to it
 * once. JNA alone would make a thread known and unknown again around every event, at more than twice the cost.
 */
internal object NativeLibrary {
    init {
        val notLoaded = loadIntoThisClassLoader()
        try {
            uniffiEnsureInitialized()
        } catch (error: LinkageError) {
            notLoaded?.let(error::addSuppressed)
            throw error
        }
    }

    /** Does nothing by itself: whoever calls it has the library loaded. */
    fun ensureLoaded() {
        // The work is in the object's own initialisation, which the virtual machine does exactly once.
    }

    /**
     * On a desktop the library may be where only JNA looks, `jna.library.path` or inside a jar: everything works from
     * there, at the higher cost. So a failure here is kept and told only where JNA fails as well.
     */
    private fun loadIntoThisClassLoader(): UnsatisfiedLinkError? =
        try {
            System.loadLibrary("hongyan")
            null
        } catch (error: UnsatisfiedLinkError) {
            error
        }
}
