// SPDX-License-Identifier: Apache-2.0
//! Who listens.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::listener::traits::{AdvancedMsgListener, ConversationListener, SdkListener};

/// How long a cancellation waits for a call that is just being made. A call that runs longer has begun for
/// certain, and then nothing is left to wait for: the promise is that none begins afterwards.
const CANCEL_WAIT_MAX: Duration = Duration::from_millis(250);

/// What `add_…_listener` gives. The listener is called until it is cancelled or until the client is closed;
/// letting go of the subscription does nothing.
#[derive(uniffi::Object)]
pub struct Subscription(Box<dyn Fn() + Send + Sync>);

#[uniffi::export]
impl Subscription {
    /// Ends the calls: once this has returned, no further one begins. A call that has begun on another thread is waited
    /// for, 250 milliseconds at the most; one that takes longer ends by itself, and it is the last. It may be used inside
    /// a call of the listener itself, and more than once.
    pub fn cancel(&self) {
        (self.0)();
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// All listeners of one client.
#[derive(Default)]
pub(crate) struct Listeners {
    pub(crate) sdk: Registry<dyn SdkListener>,
    pub(crate) message: Registry<dyn AdvancedMsgListener>,
    pub(crate) conversation: Registry<dyn ConversationListener>,
}

impl Listeners {
    /// Ends all calls to all of them.
    pub(crate) fn clear(&self) {
        self.sdk.clear();
        self.message.clear();
        self.conversation.clear();
    }
}

/// Listeners of one kind.
pub(crate) struct Registry<L: ?Sized + Send + Sync>(Arc<Mutex<Vec<Arc<Entry<L>>>>>);

struct Entry<L: ?Sized> {
    listener: Arc<L>,
    /// Held to look at it or change it, never during a call.
    state: Mutex<EntryState>,
    call_ended: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EntryState {
    is_cancelled: bool,
    called_by: Option<ThreadId>,
}

impl<L: ?Sized + Send + Sync> Default for Registry<L> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<L: ?Sized + Send + Sync + 'static> Registry<L> {
    /// Adds a listener.
    pub(crate) fn add(&self, listener: Arc<L>) -> Arc<Subscription> {
        let entry = Arc::new(Entry {
            listener,
            state: Mutex::new(EntryState { is_cancelled: false, called_by: None }),
            call_ended: Condvar::new(),
        });
        lock(&self.0).push(Arc::clone(&entry));
        let registry = Arc::downgrade(&self.0);
        let entry = Arc::downgrade(&entry);
        Arc::new(Subscription(Box::new(move || {
            let Some(entry) = entry.upgrade() else { return };
            if let Some(registry) = registry.upgrade() {
                lock(&registry).retain(|other| !Arc::ptr_eq(other, &entry));
            }
            entry.cancel();
        })))
    }

    /// Whether nobody listens.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// Calls each listener in the order in which they were added. What one throws is logged and the next is
    /// called.
    pub(crate) fn notify(&self, call: impl Fn(&L)) {
        let entries: Vec<_> = lock(&self.0).clone();
        for entry in entries {
            entry.call(&call);
        }
    }

    fn clear(&self) {
        let entries = std::mem::take(&mut *lock(&self.0));
        for entry in entries {
            entry.cancel();
        }
    }
}

impl<L: ?Sized> Entry<L> {
    fn call(&self, call: &impl Fn(&L)) {
        {
            let mut state = lock(&self.state);
            if state.is_cancelled {
                return;
            }
            state.called_by = Some(thread::current().id());
        }
        call_guarded(|| call(&self.listener));
        lock(&self.state).called_by = None;
        self.call_ended.notify_all();
    }

    fn cancel(&self) {
        let mut state = lock(&self.state);
        state.is_cancelled = true;
        let own_id = thread::current().id();
        let _ = self
            .call_ended
            .wait_timeout_while(state, CANCEL_WAIT_MAX, |state| state.called_by.is_some_and(|by| by != own_id));
    }
}

/// Calls foreign code; what it throws ends there.
pub(crate) fn call_guarded(call: impl FnOnce()) {
    if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no description");
        tracing::error!(what, "a listener threw");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A listener cannot poison it: it is never called under the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
