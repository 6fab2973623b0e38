// SPDX-License-Identifier: Apache-2.0
//! The time that catching up goes by.

use std::sync::atomic::{AtomicI64, Ordering};

use hongyan_protocol::clock::Clock;
use hongyan_protocol::limits::SYNC_OVERLAP_MS;

/// How old the kept time may get. Together with what a restart loses it stays inside the overlap that every
/// catching up looks back.
const KEEP_INTERVAL_MS: i64 = 30_000;

const _: () = assert!(KEEP_INTERVAL_MS * 2 <= SYNC_OVERLAP_MS);

/// The wall's time, except that it never falls while the store lives, not over restarts either.
///
/// A client names such a time and gets what happened since; had the wall been set back between, things that happen now
/// would seem to have happened before. Messages do not carry it: a wall that was once far ahead must not freeze
/// their times.
pub(crate) struct SyncTime {
    clock: Clock,
    reached_ms: AtomicI64,
    kept_ms: AtomicI64,
}

impl SyncTime {
    pub(crate) fn new(clock: Clock, kept_ms: i64) -> Self {
        Self { clock, reached_ms: AtomicI64::new(kept_ms), kept_ms: AtomicI64::new(kept_ms) }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        let now_ms = self.clock.now_ms();
        self.reached_ms.fetch_max(now_ms, Ordering::Relaxed).max(now_ms)
    }

    /// Whether a crash now would lose so little that the overlap covers it.
    pub(crate) fn is_kept_recently(&self) -> bool {
        self.now_ms() - self.kept_ms.load(Ordering::Relaxed) < KEEP_INTERVAL_MS
    }

    pub(crate) fn set_kept(&self, kept_ms: i64) {
        self.kept_ms.fetch_max(kept_ms, Ordering::Relaxed);
    }
}
