// SPDX-License-Identifier: Apache-2.0
//! What waits to be written to one session, in order.
//!
//! Bounded, and the overflow is decided: pushes beyond the bound are left out, their numbers are used up all the
//! same, and once the rest is written a `resync` tells the client to ask. Answers are never left out; they are bounded
//! because a session that leaves too many unread is not read any further ([`OutQueue::is_congested`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use hongyan_protocol::frame::{encode_event, encode_push};
use hongyan_protocol::limits::PACKET_BYTES_MAX;
use hongyan_protocol::sync::Resync;

use super::metrics::PushCounters;

/// Answers that may wait before the session's further requests are left in its socket.
const REPLIES_CONGESTED: usize = 64;

/// The bytes of answers that may wait or be worked on before that. The request that is read last may add one page.
const REPLY_BYTES_CONGESTED: usize = 3 * PACKET_BYTES_MAX / 2;

/// A frame to be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OutFrame {
    /// The answer to a request.
    Reply(String),
    /// An event with this session's number for it. The event's bytes are shared by all who get it.
    Push {
        /// The number.
        number: u64,
        /// What `frame::encode_event` wrote.
        event: Arc<str>,
    },
}

impl OutFrame {
    /// The frame as text.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Reply(text) => text,
            Self::Push { number, event } => encode_push(number, &event),
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
    last_number: u64,
    takes_events: bool,
    owes_resync: bool,
    is_ended: bool,
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
            last_number: 0,
            takes_events: false,
            owes_resync: false,
            is_ended: false,
        }
    }

    fn push(&mut self, event: Arc<str>) {
        self.counters.queued(event.len());
        self.last_number += 1;
        self.pushes += 1;
        self.push_bytes += event.len();
        self.frames.push_back(OutFrame::Push { number: self.last_number, event });
    }

    fn reply(&mut self, text: String) {
        self.replies += 1;
        self.reply_bytes += text.len();
        self.frames.push_back(OutFrame::Reply(text));
    }
}

/// What was not written waits no more.
impl Drop for State {
    fn drop(&mut self) {
        self.counters.taken(self.pushes, self.push_bytes);
    }
}

impl OutQueue {
    pub(super) fn new(limits: QueueLimits, counters: PushCounters) -> Self {
        Self { limits, state: Mutex::new(State::new(counters)) }
    }

    /// Adds the answer to the login. From here on events are taken: the first thing that a client reads is its session.
    pub(super) fn open(&self, session: String) {
        let mut state = self.lock();
        state.reply(session);
        state.takes_events = true;
    }

    /// Adds an answer.
    pub(super) fn reply(&self, text: String) {
        let mut state = self.lock();
        if !state.is_ended {
            state.reply(text);
        }
    }

    /// Adds an event, or leaves it out where too much waits. Says whether it was left out.
    pub(super) fn push(&self, event: &Arc<str>) -> bool {
        let mut state = self.lock();
        if state.is_ended || !state.takes_events {
            return false;
        }
        let is_full = state.pushes >= self.limits.pushes_max || state.push_bytes + event.len() > self.limits.bytes_max;
        // Once something was left out, what follows is left out too until the client has the rest: events with
        // holes between them help it no more than none.
        if state.owes_resync || is_full {
            state.last_number += 1;
            state.owes_resync = true;
            return true;
        }
        state.push(Arc::clone(event));
        false
    }

    /// Has a `resync` follow what waits, as if something had been left out.
    pub(super) fn resync(&self) {
        let mut state = self.lock();
        if !state.is_ended && state.takes_events {
            state.owes_resync = true;
        }
    }

    /// Adds the last event, whatever waits, and takes nothing after it.
    pub(super) fn end(&self, event: Option<Arc<str>>) {
        let mut state = self.lock();
        if state.is_ended {
            return;
        }
        if let Some(event) = event.filter(|_| state.takes_events) {
            state.push(event);
        }
        state.is_ended = true;
    }

    /// Adds an event, whatever waits: for the few that a client must not miss.
    pub(super) fn push_always(&self, event: Arc<str>) {
        let mut state = self.lock();
        if !state.is_ended && state.takes_events {
            state.push(event);
        }
    }

    /// Takes the next frame.
    pub(super) fn pop(&self) -> Option<OutFrame> {
        let mut state = self.lock();
        if state.frames.is_empty() && state.owes_resync && !state.is_ended {
            state.owes_resync = false;
            state.push(encode_event(&Resync {}).into());
        }
        let frame = state.frames.pop_front()?;
        match &frame {
            OutFrame::Reply(text) => {
                state.replies -= 1;
                state.reply_bytes -= text.len();
            }
            OutFrame::Push { event, .. } => {
                state.pushes -= 1;
                state.push_bytes -= event.len();
                state.counters.taken(1, event.len());
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

    /// Whether so many answers wait, or are owed, that no further request should be read.
    pub(super) fn is_congested(&self, owed_bytes: usize) -> bool {
        let state = self.lock();
        let reply_bytes = state.reply_bytes.saturating_add(owed_bytes);
        state.replies >= REPLIES_CONGESTED || reply_bytes > REPLY_BYTES_CONGESTED
    }

    /// The number of the last push, left out or not.
    pub(super) fn last_number(&self) -> u64 {
        self.lock().last_number
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(pushes_max: usize, bytes_max: usize) -> OutQueue {
        let queue = OutQueue::new(QueueLimits { pushes_max, bytes_max }, PushCounters::default());
        queue.open("session".to_owned());
        assert_eq!(queue.pop(), Some(OutFrame::Reply("session".to_owned())));
        queue
    }

    fn drain(queue: &OutQueue) -> Vec<(u64, Arc<str>)> {
        std::iter::from_fn(|| queue.pop())
            .filter_map(|frame| match frame {
                OutFrame::Push { number, event } => Some((number, event)),
                OutFrame::Reply(_) => None,
            })
            .collect()
    }

    #[test]
    fn events_before_the_session_is_open_are_not_taken() {
        let queue = OutQueue::new(QueueLimits { pushes_max: 10, bytes_max: 1_000 }, PushCounters::default());
        assert!(!queue.push(&"early".into()));
        queue.open("session".to_owned());
        queue.push(&"event".into());
        assert_eq!(queue.pop(), Some(OutFrame::Reply("session".to_owned())));
        assert_eq!(drain(&queue), [(1, "event".into())]);
    }

    #[test]
    fn push_numbers_are_dense_while_nothing_is_left_out() {
        let queue = queue(100, 1_000);
        for _ in 0..50 {
            assert!(!queue.push(&"e".into()));
            queue.reply("r".to_owned());
        }
        let numbers: Vec<u64> = drain(&queue).into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    }

    #[test]
    fn many_sessions_share_the_bytes_of_one_event() {
        let event: Arc<str> = "x".repeat(1_000).into();
        let queues: Vec<_> = (0..10).map(|_| queue(10, 10_000)).collect();
        for queue in &queues {
            queue.push(&event);
        }
        assert_eq!(Arc::strong_count(&event), 11);
    }

    #[test]
    fn what_does_not_fit_uses_up_its_number_and_a_resync_follows_the_rest() {
        let queue = queue(2, 1_000);
        let left_out: Vec<bool> = (0..5).map(|_| queue.push(&"event".into())).collect();
        assert_eq!(left_out, [false, false, true, true, true]);
        assert_eq!(queue.last_number(), 5);
        let read = drain(&queue);
        assert_eq!(read.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 6]);
        assert_eq!(&*read[2].1, r#""event":"resync","data":{}}"#);
        assert!(!queue.push(&"event".into()));
        assert_eq!(drain(&queue), [(7, "event".into())]);
    }

    #[test]
    fn a_resync_that_is_asked_for_follows_what_waits() {
        let queue = queue(2, 1_000);
        queue.push(&"event".into());
        queue.resync();
        assert!(!queue.is_empty());
        let read = drain(&queue);
        assert_eq!(read.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(&*read[1].1, r#""event":"resync","data":{}}"#);
    }

    #[test]
    fn bytes_bound_the_queue_as_well_as_frames() {
        let queue = queue(100, 10);
        assert!(!queue.push(&"0123456789".into()));
        assert!(queue.push(&"0".into()));
    }

    #[test]
    fn answers_are_never_left_out_and_say_when_it_is_enough() {
        let queue = queue(1, 1);
        for _ in 0..REPLIES_CONGESTED {
            assert!(!queue.is_congested(0));
            queue.reply("answer".to_owned());
        }
        assert!(queue.is_congested(0));
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), REPLIES_CONGESTED);
        assert!(queue.is_empty());
    }

    #[test]
    fn answers_that_are_owed_count_like_those_that_wait() {
        let queue = queue(1, 1);
        assert!(!queue.is_congested(REPLY_BYTES_CONGESTED));
        queue.reply("answer".to_owned());
        assert!(queue.is_congested(REPLY_BYTES_CONGESTED));
        queue.pop();
        assert!(!queue.is_congested(REPLY_BYTES_CONGESTED));
    }

    #[test]
    fn the_last_event_passes_a_full_queue_and_nothing_follows_it() {
        let queue = queue(1, 1_000);
        queue.push(&"first".into());
        queue.push(&"left out".into());
        queue.end(Some("last".into()));
        queue.push(&"too late".into());
        queue.reply("too late".to_owned());
        assert_eq!(drain(&queue), [(1, "first".into()), (3, "last".into())]);
        assert!(queue.is_empty());
    }
}
