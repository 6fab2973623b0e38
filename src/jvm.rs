// SPDX-License-Identifier: Apache-2.0
//! The Java virtual machine, where the SDK is loaded into one: Android, or Java on a computer.
//!
//! A callback from a thread that the machine does not know makes it known for that one call, and forgets it after:
//! several times the cost of the call, and a new Java thread each time. So the SDK's threads, all of which call
//! listeners or wake coroutines, become known to the machine when they start and stay so until they end.

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use jni_sys::{JNI_OK, JNI_VERSION_1_6, JavaVM, JavaVMAttachArgs, jint};

/// The machine that loaded the library; null where none did. A process has one at the most, for as long as it lives.
static MACHINE: AtomicPtr<JavaVM> = AtomicPtr::new(ptr::null_mut());

/// Called by the machine when `System.loadLibrary` has loaded the library, and by nobody else.
#[unsafe(no_mangle)]
extern "system" fn JNI_OnLoad(machine: *mut JavaVM, _reserved: *mut c_void) -> jint {
    MACHINE.store(machine, Ordering::Release);
    JNI_VERSION_1_6
}

/// A thread that the machine knows, until this value goes.
pub(crate) struct AttachedThread {
    machine: *mut JavaVM,
    /// What was attached is detached by the same thread.
    _stays_on_its_thread: PhantomData<*mut ()>,
}

/// Makes the calling thread known to the machine as a daemon: it keeps no program from ending. Nothing where no
/// machine loaded the library, or where it refuses.
pub(crate) fn attach(name: &'static CStr) -> Option<AttachedThread> {
    let machine = MACHINE.load(Ordering::Acquire);
    if machine.is_null() {
        return None;
    }
    let mut args =
        JavaVMAttachArgs { version: JNI_VERSION_1_6, name: name.as_ptr().cast_mut(), group: ptr::null_mut() };
    let mut environment = ptr::null_mut();
    // SAFETY: the machine gave the pointer to `JNI_OnLoad` and is never unloaded; its table has this function since
    // JNI 1.4. It reads the arguments and writes the environment during the call alone.
    let result = unsafe {
        ((**machine).v1_4.AttachCurrentThreadAsDaemon)(machine, &raw mut environment, (&raw mut args).cast())
    };
    (result == JNI_OK).then_some(AttachedThread { machine, _stays_on_its_thread: PhantomData })
}

impl Drop for AttachedThread {
    fn drop(&mut self) {
        // SAFETY: the machine is the one that attached this very thread, and no Java code is on its stack: the value
        // lives in the thread's outermost function.
        unsafe {
            ((**self.machine).v1_2.DetachCurrentThread)(self.machine);
        }
    }
}
