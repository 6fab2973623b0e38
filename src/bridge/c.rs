// SPDX-License-Identifier: Apache-2.0
//! The bridge for C: the functions of `bindings/include/hongyan.h`, which says what they promise.
//!
//! What comes in is checked before it is used: a pointer that is NULL and text that is no UTF-8 are answered 6017. No
//! panic leaves a function.

use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use hongyan_protocol::codes::Code;

use crate::bridge::{Bridge, BridgeListener, reply_text};
use crate::error::ImError;

/// Called with a reply.
type ReplyFunction = unsafe extern "C" fn(user_data: *mut c_void, call_id: i64, reply: *const c_char);
/// Called with an event.
type EventFunction = unsafe extern "C" fn(user_data: *mut c_void, event: *const c_char);

/// What the app gave to be called.
struct Callbacks {
    on_reply: Option<ReplyFunction>,
    on_event: Option<EventFunction>,
    user_data: *mut c_void,
}

// SAFETY: the bridge never looks behind `user_data` and hands it back on its own thread only; the header says that the
// app must be able to take it there.
unsafe impl Send for Callbacks {}
// SAFETY: as above; functions have no state.
unsafe impl Sync for Callbacks {}

impl BridgeListener for Callbacks {
    fn on_reply(&self, call_id: i64, reply: String) {
        if let Some(on_reply) = self.on_reply {
            let reply = c_text(reply);
            // SAFETY: the app gave a function of this type; the text ends with NUL and lives until the call returns.
            unsafe { on_reply(self.user_data, call_id, reply.as_ptr()) }
        }
    }

    fn on_event(&self, event: String) {
        if let Some(on_event) = self.on_event {
            let event = c_text(event);
            // SAFETY: the app gave a function of this type; the text ends with NUL and lives until the call returns.
            unsafe { on_event(self.user_data, event.as_ptr()) }
        }
    }
}

/// What C holds of a bridge.
pub struct Handle(Arc<Bridge>);

/// Text for C. JSON holds no NUL.
fn c_text(text: String) -> CString {
    CString::new(text).unwrap_or_default()
}

/// Text from C.
///
/// # Safety
/// `text` is NULL or points to text that ends with NUL and stays as it is while the result is used.
unsafe fn read<'a>(text: *const c_char, name: &str) -> Result<&'a str, ImError> {
    let invalid = |what: &str| ImError::new(Code::INVALID_PARAMETERS, format!("{name}: {what}"));
    if text.is_null() {
        return Err(invalid("it is NULL"));
    }
    // SAFETY: it is not NULL; the rest is the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| invalid("it is no UTF-8"))
}

/// What the SDK itself might get wrong does not unwind into C.
fn guarded<T>(call: impl FnOnce() -> Result<T, ImError>) -> Result<T, ImError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(Code::INTERNAL_ERROR.into()))
}

/// Makes a bridge.
///
/// # Safety
/// `config` is NULL or text that ends with NUL; `error` is NULL or a place for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hongyan_bridge_new(
    config: *const c_char,
    on_reply: Option<ReplyFunction>,
    on_event: Option<EventFunction>,
    user_data: *mut c_void,
    error: *mut *mut c_char,
) -> *mut Handle {
    let made = guarded(|| {
        // SAFETY: the caller's promise; it is copied before this returns.
        let config = unsafe { read(config, "config") }?;
        Bridge::new(config.to_owned(), Arc::new(Callbacks { on_reply, on_event, user_data }))
    });
    let (bridge, failure) = match made {
        Ok(bridge) => (Box::into_raw(Box::new(Handle(bridge))), ptr::null_mut()),
        Err(failure) => (ptr::null_mut(), c_text(reply_text(&Err(failure))).into_raw()),
    };
    if !error.is_null() {
        // SAFETY: it is not NULL, and so it is a place for a pointer.
        unsafe { error.write(failure) };
    } else if !failure.is_null() {
        // SAFETY: it was made by `into_raw` above and nobody else has it.
        drop(unsafe { CString::from_raw(failure) });
    }
    bridge
}

/// Makes a call.
///
/// # Safety
/// `bridge` is NULL or was made by `hongyan_bridge_new` and not freed; `request` is NULL or text that ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hongyan_bridge_call(bridge: *const Handle, call_id: i64, request: *const c_char) {
    // SAFETY: the caller's promise.
    let Some(Handle(bridge)) = (unsafe { bridge.as_ref() }) else { return };
    let _ = guarded(|| {
        // SAFETY: the caller's promise; it is copied before this returns.
        match unsafe { read(request, "request") } {
            Ok(request) => bridge.call(call_id, request.to_owned()),
            Err(error) => bridge.refuse(call_id, error),
        }
        Ok(())
    });
}

/// Makes a call that never waits.
///
/// # Safety
/// As for `hongyan_bridge_call`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hongyan_bridge_call_now(bridge: *const Handle, request: *const c_char) -> *mut c_char {
    let reply = guarded(|| {
        // SAFETY: the caller's promise.
        let bridge = unsafe { bridge.as_ref() };
        let Some(Handle(bridge)) = bridge else {
            return Err(ImError::new(Code::INVALID_PARAMETERS, "bridge: it is NULL"));
        };
        // SAFETY: the caller's promise; it is copied before this returns.
        Ok(bridge.call_now(unsafe { read(request, "request") }?.to_owned()))
    });
    c_text(reply.unwrap_or_else(|error| reply_text(&Err(error)))).into_raw()
}

/// Begins to end a bridge.
///
/// # Safety
/// `bridge` is NULL or was made by `hongyan_bridge_new` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hongyan_bridge_shut_down(bridge: *const Handle) {
    // SAFETY: the caller's promise.
    if let Some(Handle(bridge)) = unsafe { bridge.as_ref() } {
        let _ = guarded(|| {
            bridge.shut_down();
            Ok(())
        });
    }
}

/// Ends a bridge and waits until the app is called no more.
///
/// # Safety
/// `bridge` is NULL or was made by `hongyan_bridge_new`, was not freed, and is used by nobody else any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hongyan_bridge_free(bridge: *mut Handle) {
    if bridge.is_null() {
        return;
    }
    // SAFETY: it was made by `Box::into_raw` and, by the caller's promise, nobody has it any more.
    let Handle(bridge) = *unsafe { Box::from_raw(bridge) };
    let _ = guarded(|| {
        bridge.shut_down();
        // A callback that waits for its own end would wait for ever.
        if !bridge.outlet.is_own_thread() {
            bridge.outlet.wait_for_end();
        }
        Ok(())
    });
}

/// Frees what a function of this interface gave.
///
/// # Safety
/// `text` is NULL or was given by a function of this interface and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hongyan_string_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: by the caller's promise it was made by `CString::into_raw` and nobody has it any more.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// The version of the SDK.
#[unsafe(no_mangle)]
pub extern "C" fn hongyan_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
