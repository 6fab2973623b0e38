// SPDX-License-Identifier: Apache-2.0
//! What others may do to a session: give it frames, end it, look at it. Its connection's task does the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use hongyan_protocol::clock::Clock;
use tokio::sync::Notify;

use super::budget::Charged;
use super::metrics::GatewayMetrics;
use super::queue::{OutFrame, OutQueue, QueueLimits};
use crate::bus::SessionId;

/// Where a session is. It only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Requests are read and answered.
    Open,
    /// No further request is read; those that were are answered.
    Draining,
    /// What waits is written, then the connection closes.
    Ended,
    /// The connection is dropped at once.
    Aborted,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Open, Self::Draining, Self::Ended, Self::Aborted];
}

/// No moment: the clock has not shown it yet.
const NEVER: u64 = u64::MAX;

/// The shared half of a session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) metrics: Arc<GatewayMetrics>,
    clock: Clock,
    queue: OutQueue,
    stage: AtomicU8,
    /// The task looks at everything anew when this is told.
    wake: Notify,
    /// Requests that are being worked on, sends apart.
    requests: AtomicUsize,
    /// What the answers to these may take.
    owed_bytes: AtomicUsize,
    heard_ms: AtomicU64,
    /// Since when the socket has taken nothing.
    blocked_ms: AtomicU64,
    /// Since when the client has been told goodbye.
    goodbye_ms: AtomicU64,
}

impl Session {
    pub(super) fn new(id: SessionId, limits: QueueLimits, clock: Clock, metrics: Arc<GatewayMetrics>) -> Arc<Self> {
        Arc::new(Self {
            id,
            queue: OutQueue::new(limits, metrics.pushes.clone(), Arc::clone(&metrics.budget)),
            metrics,
            stage: AtomicU8::new(Stage::Open as u8),
            wake: Notify::new(),
            requests: AtomicUsize::new(0),
            owed_bytes: AtomicUsize::new(0),
            heard_ms: AtomicU64::new(clock.monotonic_ms()),
            blocked_ms: AtomicU64::new(NEVER),
            goodbye_ms: AtomicU64::new(NEVER),
            clock,
        })
    }

    /// Gives it the answer to its login; events follow.
    pub(super) fn open(&self, answer: String) {
        self.queue.open(answer);
        self.wake.notify_one();
    }

    /// Gives it an answer.
    pub(super) fn reply(&self, text: String) {
        self.queue.reply(text);
        self.wake.notify_one();
    }

    /// Gives it an event. Says whether it was left out.
    pub(super) fn push(&self, event: &Arc<Charged>) -> bool {
        let is_left_out = self.queue.push(event);
        self.wake.notify_one();
        is_left_out
    }

    /// Has the client ask for what it lacks.
    pub(super) fn resync(&self) {
        self.queue.resync();
        self.wake.notify_one();
    }

    /// How many bytes of events wait.
    pub(super) fn push_bytes(&self) -> usize {
        self.queue.push_bytes()
    }

    /// How many bytes of answers wait.
    pub(super) fn answer_bytes(&self) -> usize {
        self.queue.answer_bytes()
    }

    /// How much it weighs that so many bytes wait: the more, the longer the socket has taken none of them. Who reads is
    /// never as heavy as who does not, however much they have just been given.
    pub(super) fn weigh(&self, bytes: usize) -> u64 {
        let stuck_ms = self.stuck_ms(self.clock.monotonic_ms());
        u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(stuck_ms.saturating_add(1))
    }

    /// How many bytes an answer holds that is written in pieces; 0 where there is none.
    pub(super) fn set_unwritten(&self, bytes: usize) {
        self.queue.set_unwritten(bytes);
    }

    /// Leaves out the events that wait. Says how many.
    pub(super) fn shed(&self) -> u64 {
        let count = self.queue.shed();
        self.wake.notify_one();
        count
    }

    /// Ends it: what waits is written, this event last. Says whether it had not ended before.
    pub(super) fn end(&self, event: Option<Arc<str>>) -> bool {
        self.queue.end(event);
        self.advance(Stage::Ended)
    }

    /// Ends it once its requests are answered.
    pub(super) fn drain(&self, event: Arc<str>) {
        self.queue.push_always(event);
        self.advance(Stage::Draining);
    }

    /// Drops its connection. Says whether it was not dropped before.
    pub(super) fn abort(&self) -> bool {
        self.queue.give_up();
        self.advance(Stage::Aborted)
    }

    fn advance(&self, stage: Stage) -> bool {
        let before = self.stage.fetch_max(stage as u8, Ordering::AcqRel);
        self.wake.notify_one();
        before < stage as u8
    }

    pub(super) fn stage(&self) -> Stage {
        Stage::ALL[usize::from(self.stage.load(Ordering::Acquire))]
    }

    /// Waits until something about the session may have changed.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    pub(super) fn pop(&self) -> Option<OutFrame> {
        self.queue.pop()
    }

    pub(super) fn is_written(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn is_congested(&self) -> bool {
        self.queue.is_congested(self.owed_bytes.load(Ordering::Acquire))
    }

    pub(super) fn last_push(&self) -> u64 {
        self.queue.last_number()
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Acquire)
    }

    pub(super) fn request_begins(&self, reply_bytes_max: usize) {
        self.owed_bytes.fetch_add(reply_bytes_max, Ordering::AcqRel);
        self.requests.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn request_ends(&self, reply_bytes_max: usize) {
        self.owed_bytes.fetch_sub(reply_bytes_max, Ordering::AcqRel);
        self.requests.fetch_sub(1, Ordering::AcqRel);
        self.wake.notify_one();
    }

    /// The client gave a sign of life.
    pub(super) fn heard(&self) {
        self.heard_ms.store(self.clock.monotonic_ms(), Ordering::Relaxed);
    }

    pub(super) fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_ms.load(Ordering::Relaxed))
    }

    /// The socket takes nothing now.
    pub(super) fn blocked(&self) {
        if self.blocked_ms.load(Ordering::Relaxed) == NEVER {
            self.blocked_ms.store(self.clock.monotonic_ms(), Ordering::Relaxed);
        }
    }

    /// The socket took something.
    pub(super) fn unblocked(&self) {
        self.blocked_ms.store(NEVER, Ordering::Relaxed);
    }

    /// How long the socket has taken nothing; 0 where it does.
    pub(super) fn stuck_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.blocked_ms.load(Ordering::Relaxed))
    }

    /// The client has been told goodbye.
    pub(super) fn said_goodbye(&self) {
        self.goodbye_ms.store(self.clock.monotonic_ms(), Ordering::Relaxed);
    }

    /// How long ago the client was told goodbye; 0 where it was not.
    pub(super) fn goodbye_ago_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.goodbye_ms.load(Ordering::Relaxed))
    }
}
