// SPDX-License-Identifier: Apache-2.0
//! What waits to be written to one session, in order.
//!
//! Bounded, and the overflow is decided: pushes beyond the bound are left out, their numbers are used up all the
//! same, and once the rest is written a `resync` tells the client to ask. Answers are never left out; they are bounded
//! because a session that leaves too many unread is not read any further ([`OutQueue::is_congested`]). What waits in all
//! queues together is bounded as well ([`super::budget`]): events that already wait can be taken out again, and a queue
//! whose answers are too many can be given up with its session.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use hongyan_protocol::frame::{encode_event, encode_push};
use hongyan_protocol::limits::PACKET_BYTES_MAX;
use hongyan_protocol::sync::Resync;

use super::budget::{Budget, Charged, ENTRY_BYTES};
use super::metrics::PushCounters;

/// Answers that may wait before the session's further requests are left in its socket.
const REPLIES_CONGESTED: usize = 64;

/// The bytes of answers that may wait or be worked on before that. The request that is read last may add one page.
const REPLY_BYTES_CONGESTED: usize = 3 * PACKET_BYTES_MAX / 2;

/// A frame to be written.
pub(super) enum OutFrame {
    /// The answer to a request.
    Reply(String),
    /// An event with this session's number for it.
    Push {
        /// The number.
        number: u64,
        /// What it is.
        event: Queued,
    },
}

/// An event that waits.
pub(super) enum Queued {
    /// One that many may get, and share the bytes of; in want of memory it is left out.
    Shared(Arc<Charged>),
    /// One that the client must not miss, as `frame::encode_event` wrote it.
    Kept(Arc<str>),
}

/// Without what is in it: what people write, and the tokens of their sessions.
impl fmt::Debug for OutFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(text) => write!(f, "Reply({} bytes)", text.len()),
            Self::Push { number, event } => write!(f, "Push({number}, {} bytes)", event.text().len()),
        }
    }
}

impl Queued {
    fn text(&self) -> &str {
        match self {
            Self::Shared(event) => event.text(),
            Self::Kept(text) => text,
        }
    }
}

impl OutFrame {
    /// The frame as text.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Reply(text) => text,
            Self::Push { number, event } => encode_push(number, event.text()),
        }
    }
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueLimits {
    /// In pushes.
    pub(super) pushes_max: usize,
    /// In bytes of pushes.
    pub(super) bytes_max: usize,
}

/// The queue of one session.
#[derive(Debug)]
pub(super) struct OutQueue {
    limits: QueueLimits,
    budget: Arc<Budget>,
    /// Held for one queue operation, never across an await: writers under the store's lock come here.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    counters: PushCounters,
    frames: VecDeque<OutFrame>,
    pushes: usize,
    push_bytes: usize,
    replies: usize,
    reply_bytes: usize,
    /// What the answers that wait count as, and with them the one of which pieces were written.
    answers_held_bytes: usize,
    unwritten_bytes: usize,
    last_number: u64,
    takes_events: bool,
    owes_resync: bool,
    is_ended: bool,
    /// Nothing of it is written any more.
    is_given_up: bool,
}

impl State {
    fn new(counters: PushCounters) -> Self {
        Self {
            counters,
            frames: VecDeque::new(),
            pushes: 0,
            push_bytes: 0,
            replies: 0,
            reply_bytes: 0,
            answers_held_bytes: 0,
            unwritten_bytes: 0,
            last_number: 0,
            takes_events: false,
            owes_resync: false,
            is_ended: false,
            is_given_up: false,
        }
    }

    fn push(&mut self, event: Queued, budget: &Budget) {
        self.counters.queued(event.text().len());
        self.last_number += 1;
        self.pushes += 1;
        self.push_bytes += event.text().len();
        budget.add(ENTRY_BYTES);
        self.frames.push_back(OutFrame::Push { number: self.last_number, event });
    }

    fn reply(&mut self, text: String, budget: &Budget) {
        self.replies += 1;
        self.reply_bytes += text.len();
        self.answers_held_bytes += held_by(&text);
        budget.add(held_by(&text));
        self.frames.push_back(OutFrame::Reply(text));
    }

    /// Takes everything out. None of it is written, so none of it waits any more.
    fn clear(&mut self, budget: &Budget) {
        self.counters.taken(self.pushes, self.push_bytes);
        budget.remove(self.pushes * ENTRY_BYTES + self.answers_held_bytes + self.unwritten_bytes);
        self.frames = VecDeque::new();
        (self.pushes, self.push_bytes, self.replies, self.reply_bytes) = (0, 0, 0, 0);
        (self.answers_held_bytes, self.unwritten_bytes) = (0, 0);
    }
}

/// What an answer that waits costs: its text holds what it has room for.
fn held_by(answer: &String) -> usize {
    ENTRY_BYTES + answer.capacity()
}

impl OutQueue {
    pub(super) fn new(limits: QueueLimits, counters: PushCounters, budget: Arc<Budget>) -> Self {
        Self { limits, budget, state: Mutex::new(State::new(counters)) }
    }

    /// Adds the answer to the login. From here on events are taken: the first thing that a client reads is its session.
    pub(super) fn open(&self, session: String) {
        let mut state = self.lock();
        state.reply(session, &self.budget);
        state.takes_events = true;
    }

    /// Adds an answer.
    pub(super) fn reply(&self, text: String) {
        let mut state = self.lock();
        if !state.is_ended {
            state.reply(text, &self.budget);
        }
    }

    /// Adds an event, or leaves it out where too much waits. Says whether it was left out.
    pub(super) fn push(&self, event: &Arc<Charged>) -> bool {
        let mut state = self.lock();
        if state.is_ended || !state.takes_events {
            return false;
        }
        let is_full =
            state.pushes >= self.limits.pushes_max || state.push_bytes + event.text().len() > self.limits.bytes_max;
        // Once something was left out, what follows is left out too until the client has the rest: events with
        // holes between them help it no more than none.
        if state.owes_resync || is_full {
            state.last_number += 1;
            state.owes_resync = true;
            return true;
        }
        state.push(Queued::Shared(Arc::clone(event)), &self.budget);
        false
    }

    /// Has a `resync` follow what waits, as if something had been left out.
    pub(super) fn resync(&self) {
        let mut state = self.lock();
        if !state.is_ended && state.takes_events {
            state.owes_resync = true;
        }
    }

    /// How many bytes of events wait, those included that other queues hold as well.
    pub(super) fn push_bytes(&self) -> usize {
        self.lock().push_bytes
    }

    /// How many bytes of answers wait, one included of which pieces were written.
    pub(super) fn answer_bytes(&self) -> usize {
        let state = self.lock();
        state.answers_held_bytes + state.unwritten_bytes
    }

    /// Says how many bytes an answer holds of which pieces were written, and others were not.
    pub(super) fn set_unwritten(&self, bytes: usize) {
        let mut state = self.lock();
        if !state.is_given_up {
            self.budget.add(bytes);
            self.budget.remove(state.unwritten_bytes);
            state.unwritten_bytes = bytes;
        }
    }

    /// Leaves out all events that wait and may be missed, as if there had never been room for them. Says how many.
    pub(super) fn shed(&self) -> u64 {
        let mut guard = self.lock();
        let state = &mut *guard;
        let frames = std::mem::take(&mut state.frames);
        let mut count = 0;
        for frame in frames {
            match frame {
                OutFrame::Push { event: Queued::Shared(event), .. } => {
                    state.pushes -= 1;
                    state.push_bytes -= event.text().len();
                    state.counters.taken(1, event.text().len());
                    self.budget.remove(ENTRY_BYTES);
                    count += 1;
                }
                kept => state.frames.push_back(kept),
            }
        }
        state.owes_resync |= count > 0;
        count
    }

    /// Adds the last event, whatever waits, and takes nothing after it.
    pub(super) fn end(&self, event: Option<Arc<str>>) {
        let mut state = self.lock();
        if state.is_ended {
            return;
        }
        if let Some(event) = event.filter(|_| state.takes_events) {
            state.push(Queued::Kept(event), &self.budget);
        }
        state.is_ended = true;
    }

    /// Takes nothing any more, and gives up what waits.
    pub(super) fn give_up(&self) {
        let mut state = self.lock();
        state.is_ended = true;
        state.is_given_up = true;
        state.clear(&self.budget);
    }

    /// Adds an event, whatever waits: for the few that a client must not miss.
    pub(super) fn push_always(&self, event: Arc<str>) {
        let mut state = self.lock();
        if !state.is_ended && state.takes_events {
            state.push(Queued::Kept(event), &self.budget);
        }
    }

    /// Takes the next frame.
    pub(super) fn pop(&self) -> Option<OutFrame> {
        let mut state = self.lock();
        if state.frames.is_empty() && state.owes_resync && !state.is_ended {
            state.owes_resync = false;
            state.push(Queued::Kept(encode_event(&Resync {}).into()), &self.budget);
        }
        let frame = state.frames.pop_front()?;
        match &frame {
            OutFrame::Reply(text) => {
                state.replies -= 1;
                state.reply_bytes -= text.len();
                state.answers_held_bytes -= held_by(text);
                self.budget.remove(held_by(text));
            }
            OutFrame::Push { event, .. } => {
                state.pushes -= 1;
                state.push_bytes -= event.text().len();
                state.counters.taken(1, event.text().len());
                self.budget.remove(ENTRY_BYTES);
            }
        }
        if state.frames.is_empty() && state.frames.capacity() > 64 {
            // An idle session keeps no memory of its busiest moment.
            state.frames.shrink_to(16);
        }
        Some(frame)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.lock();
        let is_resync_due = state.owes_resync && !state.is_ended;
        state.frames.is_empty() && !is_resync_due
    }

    /// Whether so many answers wait, or are owed, that no further request should be read: one, where room is scarce.
    pub(super) fn is_congested(&self, owed_bytes: usize) -> bool {
        let state = self.lock();
        let reply_bytes = state.reply_bytes.saturating_add(owed_bytes);
        let is_owing = reply_bytes > 0 || state.unwritten_bytes > 0;
        state.replies >= REPLIES_CONGESTED
            || reply_bytes > REPLY_BYTES_CONGESTED
            || (is_owing && self.budget.is_scarce())
    }

    /// The number of the last push, left out or not.
    pub(super) fn last_number(&self) -> u64 {
        self.lock().last_number
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Drop for OutQueue {
    fn drop(&mut self) {
        self.lock().clear(&self.budget);
    }
}

#[cfg(test)]
mod tests;
