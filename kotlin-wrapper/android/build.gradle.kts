// SPDX-License-Identifier: Apache-2.0
// The library for Android as a project for Android Studio. Unverified: it was written without the Android SDK, and no
// build has run it. What `make aar` assembles does not come from here.
//
// Before the first build: `.ci/bindings` in the repository's root writes the generated Kotlin, and ./build-native the native
// libraries into jniLibs.

import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    // The Kotlin plugin of its own: that of Android Gradle plugin 9 is not needed here. No release of 8 is known to us to refuse
    // minSdk 19; the Android NDK does from r26 on, and AndroidX libraries do, of which there is none here.
    id("com.android.library") version "8.13.0"
    id("org.jetbrains.kotlin.android") version "2.4.21"
}

android {
    namespace = "im.hongyan"
    compileSdk = 35

    defaultConfig {
        minSdk = 19
        consumerProguardFiles("consumer-rules.pro")
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }

    sourceSets["main"].apply {
        kotlin.srcDirs("src/main/kotlin", "../src/main/kotlin", "../../target/bindings/kotlin")
        jniLibs.srcDirs("jniLibs")
    }
}

kotlin {
    compilerOptions {
        jvmTarget.set(JvmTarget.JVM_1_8)
        freeCompilerArgs.addAll("-jvm-default=disable", "-Xlambdas=class", "-Xsam-conversions=class")
    }
}

dependencies {
    // The versions of ../pom.xml.
    api("org.jetbrains.kotlinx:kotlinx-coroutines-core:1.11.0")
    implementation("net.java.dev.jna:jna:5.19.1@aar")
}
