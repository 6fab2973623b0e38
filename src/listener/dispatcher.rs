// SPDX-License-Identifier: Apache-2.0
//! The thread that calls listeners.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::config::LogLevel;
use crate::error::ImError;
use crate::listener::events::EventRef;
use crate::listener::queue::{Batch, Queue};
use hongyan_protocol::codes::Code;

/// How long what stands in the store waits after the store could not be read. Doubled at each failure in a row.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(100);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// One thread of a client's own that delivers what is pushed. Pushing never waits: what waits is coalesced and
/// bounded, see [`Queue`].
#[derive(Debug)]
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Held for a push or a pop, never during a delivery.
    queue: Mutex<Waiting>,
    filled: Condvar,
    thread: OnceLock<ThreadId>,
    /// Whether the thread has ended.
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Waiting {
    queue: Queue,
    /// How often the references were forgotten: what was taken before means nothing in the store that is open now.
    forgotten: u64,
    is_closed: bool,
    retry: Option<Retry>,
}

/// The store could not be read.
#[derive(Debug, Clone, Copy)]
struct Retry {
    at: Instant,
    pause: Duration,
}

impl Dispatcher {
    /// A dispatcher whose thread is not started yet.
    pub(crate) fn new() -> Self {
        let shared = Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            thread: OnceLock::new(),
            ended: watch::Sender::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts the thread. `deliver` is called on it with one batch after another, and with the number of the store
    /// that its references point into, see [`Self::store_number`]. It gives back what could not be read: that waits
    /// again, and is delivered later.
    pub(crate) fn start(
        &self,
        deliver: impl FnMut(Batch, u64) -> Vec<EventRef> + Send + 'static,
    ) -> Result<(), ImError> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name("hongyan-listener".to_owned())
            .spawn(move || run(&shared, deliver))
            .map(drop)
            .map_err(|error| ImError::new(Code::CORE_INIT_FAILED, format!("no thread for listeners: {error}")))
    }

    /// Lets listeners hear of something, soon.
    pub(crate) fn push(&self, event: EventRef) {
        self.waiting().queue.push(event);
        self.shared.filled.notify_one();
    }

    /// Lets the log listener have a line, soon.
    pub(crate) fn push_log(&self, level: LogLevel, text: String) {
        self.waiting().queue.push_log(level, text);
        self.shared.filled.notify_one();
    }

    /// Forgets what would be read from a store that is now closed.
    pub(crate) fn forget_references(&self) {
        let mut waiting = self.waiting();
        waiting.queue.forget_references();
        waiting.forgotten += 1;
        waiting.retry = None;
    }

    /// Which store references point into now. It changes after a store was closed and before the next is open.
    pub(crate) fn store_number(&self) -> u64 {
        self.waiting().forgotten
    }

    /// Ends the thread after the delivery that runs; what waits is forgotten.
    pub(crate) fn close(&self) {
        self.waiting().is_closed = true;
        self.shared.filled.notify_one();
    }

    /// Whether the caller is called by a listener.
    pub(crate) fn is_own_thread(&self) -> bool {
        self.shared.thread.get() == Some(&thread::current().id())
    }

    /// Waits until the thread has ended.
    pub(crate) async fn ended(&self) {
        let _ = self.shared.ended.subscribe().wait_for(|has_ended| *has_ended).await;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(shared: &Shared, mut deliver: impl FnMut(Batch, u64) -> Vec<EventRef>) {
    let _ = shared.thread.set(thread::current().id());
    #[cfg(not(target_vendor = "apple"))]
    let _known_to_java = crate::jvm::attach(c"hongyan-listener");
    while let Some((batch, store)) = next(shared) {
        let unread = deliver(batch, store);
        note_unread(shared, unread, store);
    }
    shared.ended.send_replace(true);
}

/// Has what could not be read wait again, unless its store was closed meanwhile.
fn note_unread(shared: &Shared, unread: Vec<EventRef>, store: u64) {
    let mut waiting = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    if waiting.forgotten != store {
        return;
    }
    if unread.is_empty() {
        // Meanwhile what does not need the store is delivered.
        waiting.retry = waiting.retry.filter(|retry| retry.at > now);
        return;
    }
    let pause = waiting.retry.map_or(RETRY_PAUSE_MIN, |retry| RETRY_PAUSE_MAX.min(retry.pause * 2));
    waiting.retry = Some(Retry { at: now + pause, pause });
    for event in unread {
        waiting.queue.push(event);
    }
}

fn next(shared: &Shared) -> Option<(Batch, u64)> {
    let mut waiting = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if waiting.is_closed {
            return None;
        }
        let pause = waiting.retry.map(|retry| retry.at.saturating_duration_since(Instant::now()));
        let pause = pause.filter(|pause| !pause.is_zero());
        if let Some(batch) = waiting.queue.pop(pause.is_none()) {
            return Some((batch, waiting.forgotten));
        }
        waiting = match pause {
            Some(pause) => shared.filled.wait_timeout(waiting, pause).unwrap_or_else(PoisonError::into_inner).0,
            None => shared.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

#[cfg(test)]
mod tests;
