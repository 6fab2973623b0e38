// SPDX-License-Identifier: Apache-2.0
package im.hongyan

/** What this virtual machine runs on. Android's says that it is Dalvik to this day. */
internal fun devicePlatform(): Platform {
    val system = System.getProperty("os.name").orEmpty()
    return when {
        System.getProperty("java.vm.name") == "Dalvik" -> Platform.ANDROID
        system.startsWith("Windows") -> Platform.WINDOWS
        system.startsWith("Mac") -> Platform.MAC
        else -> Platform.LINUX
    }
}
