// SPDX-License-Identifier: Apache-2.0
//! The thread that calls the app, and what waits for it.
//!
//! One queue holds replies and events in the order in which they happened. A call has a place from the moment it is
//! admitted until its reply is about to be handed over, so that a call which the app makes on hearing it finds one. There are
//! [`CALLS_MAX`] places, and of a call that finds none only its id waits. An event waits outside, on the thread of the client's
//! listeners, while [`EVENTS_MAX`] are inside; the client coalesces meanwhile.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use hongyan_protocol::codes::Code;
use tracing::Dispatch;

use crate::bridge::{Answer, BridgeListener, reply_text};
use crate::error::ImError;

/// The calls that wait at a time: 9507.
pub(super) const CALLS_MAX: usize = 1_000;

/// The events that wait at a time, each of up to 100 messages; beyond it the client's listener thread waits.
const EVENTS_MAX: usize = 1;

/// What waits to be handed over.
enum Item {
    Reply(i64, String),
    /// The answer to a call that was not admitted: its id is all that waits of it.
    Refusal(i64, Code),
    Event {
        text: String,
        /// What the app throws at a line of the log is not logged: the line would come back to it.
        is_log: bool,
    },
}

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    /// The places that are taken.
    calls: usize,
    /// Those of them whose reply is not in the queue yet.
    unanswered: usize,
    events: usize,
    stage: Stage,
    /// The last event, until every call is answered.
    last: Option<String>,
}

/// How far the bridge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Stage {
    #[default]
    Open,
    /// No call and no event comes in any more.
    Closing,
    /// Nothing comes in any more; what is in the queue is handed over.
    Closed,
    /// The app is called no more.
    Ended,
}

/// Replies and events on their way to the app.
pub(super) struct Outlet {
    /// Held to put in or take out, never during a call of the app.
    state: Mutex<State>,
    filled: Condvar,
    /// Room for events was made, or the stage has changed.
    changed: Condvar,
    thread: OnceLock<ThreadId>,
    /// Where the client's lines go, once its listener thread was here.
    log: OnceLock<Dispatch>,
}

impl Outlet {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            changed: Condvar::new(),
            thread: OnceLock::new(),
            log: OnceLock::new(),
        }
    }

    /// Starts the thread.
    pub(super) fn start(self: &Arc<Self>, listener: Arc<dyn BridgeListener>) -> Result<(), ImError> {
        let outlet = Arc::clone(self);
        thread::Builder::new()
            .name("hongyan-bridge".to_owned())
            .spawn(move || outlet.run(listener))
            .map(drop)
            .map_err(|error| ImError::new(Code::CORE_INIT_FAILED, format!("no thread for the bridge: {error}")))
    }

    /// Takes a place for a call, which is to be answered by [`Self::reply`]. Where there is none, it is answered here.
    pub(super) fn admit(&self, call_id: i64) -> bool {
        let mut state = self.state();
        let refusal = match state.stage {
            Stage::Open if state.calls < CALLS_MAX => {
                state.calls += 1;
                state.unanswered += 1;
                return true;
            }
            Stage::Open => Code::REQUEST_QUEUE_FULL,
            Stage::Closing => Code::NOT_INITIALIZED,
            Stage::Closed | Stage::Ended => return false,
        };
        state.queue.push_back(Item::Refusal(call_id, refusal));
        self.filled.notify_one();
        false
    }

    /// Answers a call that was admitted.
    pub(super) fn reply(&self, call_id: i64, answer: &Answer) {
        let text = reply_text(answer);
        let mut state = self.state();
        state.unanswered = state.unanswered.saturating_sub(1);
        state.queue.push_back(Item::Reply(call_id, text));
        self.filled.notify_one();
        self.finish(&mut state);
    }

    /// Hands an event over, when there is room for it. Called on the thread of the client's listeners.
    pub(super) fn event(&self, text: String, is_log: bool) {
        self.log.get_or_init(|| tracing::dispatcher::get_default(Dispatch::clone));
        let mut state = self.state();
        while state.stage == Stage::Open && state.events >= EVENTS_MAX {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stage == Stage::Open {
            state.events += 1;
            state.queue.push_back(Item::Event { text, is_log });
            self.filled.notify_one();
        }
    }

    /// Takes in no more calls and events, so that the client's listener thread waits no longer.
    pub(super) fn stop(&self) {
        self.enter(&mut self.state(), Stage::Closing);
    }

    /// Takes in a last event, and after it nothing.
    pub(super) fn close(&self, last: String) {
        let mut state = self.state();
        state.last = Some(last);
        self.finish(&mut state);
    }

    /// Queues the last event once there is one and every call is answered: one may still be on its way in.
    fn finish(&self, state: &mut State) {
        if state.unanswered == 0
            && let Some(text) = state.last.take()
        {
            state.queue.push_back(Item::Event { text, is_log: false });
            self.enter(state, Stage::Closed);
        }
    }

    /// Whether the caller is called by the bridge.
    pub(super) fn is_own_thread(&self) -> bool {
        self.thread.get() == Some(&thread::current().id())
    }

    /// Waits until the app is called no more.
    pub(super) fn wait_for_end(&self) {
        let state = self.state();
        let has_not_ended = |state: &mut State| state.stage != Stage::Ended;
        drop(self.changed.wait_while(state, has_not_ended).unwrap_or_else(PoisonError::into_inner));
    }

    fn enter(&self, state: &mut State, stage: Stage) {
        state.stage = state.stage.max(stage);
        self.changed.notify_all();
        self.filled.notify_one();
    }

    fn run(&self, listener: Arc<dyn BridgeListener>) {
        let _ = self.thread.set(thread::current().id());
        #[cfg(not(target_vendor = "apple"))]
        let _known_to_java = crate::jvm::attach(c"hongyan-bridge");
        while let Some(item) = self.next() {
            self.hand_over(&*listener, item);
        }
        // The app's own object is let go of before the end is known.
        drop(listener);
        self.enter(&mut self.state(), Stage::Ended);
    }

    fn next(&self) -> Option<Item> {
        let mut state = self.state();
        loop {
            if let Some(item) = state.queue.pop_front() {
                match item {
                    Item::Reply(..) => state.calls = state.calls.saturating_sub(1),
                    Item::Event { .. } => {
                        state.events = state.events.saturating_sub(1);
                        self.changed.notify_all();
                    }
                    Item::Refusal(..) => {}
                }
                return Some(item);
            }
            if state.stage >= Stage::Closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn hand_over(&self, listener: &dyn BridgeListener, item: Item) {
        let is_log = matches!(item, Item::Event { is_log: true, .. });
        let call = || match item {
            Item::Reply(call_id, reply) => listener.on_reply(call_id, reply),
            Item::Refusal(call_id, code) => listener.on_reply(call_id, reply_text(&Err(code.into()))),
            Item::Event { text, .. } => listener.on_event(text),
        };
        let has_thrown = catch_unwind(AssertUnwindSafe(call)).is_err();
        if has_thrown && !is_log {
            let log = self.log.get().cloned().unwrap_or_else(Dispatch::none);
            tracing::dispatcher::with_default(&log, || tracing::error!("the bridge's listener threw"));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
