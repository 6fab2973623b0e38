// SPDX-License-Identifier: Apache-2.0
//! The time that catching up goes by.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use hongyan_protocol::clock::Clock;
use hongyan_protocol::limits::SYNC_OVERLAP_MS;

/// How old the kept time may get. Together with what a restart loses it stays inside the overlap that every
/// catching up looks back.
const KEEP_INTERVAL_MS: i64 = 30_000;

/// How long a server may not have looked how far the others have come.
const LOOK_INTERVAL_MS: u64 = 30_000;

// A server whose wall is behind another's is behind what that one handed out by both at the most.
const _: () = assert!((KEEP_INTERVAL_MS + LOOK_INTERVAL_MS as i64) + KEEP_INTERVAL_MS <= SYNC_OVERLAP_MS);

/// The wall's time, except that it never falls while the store lives, not over restarts either, and that no server
/// of a store falls far behind another.
///
/// A client names such a time and gets what happened since; had the wall been set back between, or were another server's
/// wall behind, things that happen now would seem to have happened before. Messages do not carry it: a wall that was once
/// far ahead must not freeze their times.
pub(crate) struct SyncTime {
    clock: Clock,
    reached_ms: AtomicI64,
    kept_ms: AtomicI64,
    looked_ms: AtomicU64,
}

impl SyncTime {
    pub(crate) fn new(clock: Clock, kept_ms: i64) -> Self {
        Self {
            reached_ms: AtomicI64::new(kept_ms),
            kept_ms: AtomicI64::new(kept_ms),
            looked_ms: AtomicU64::new(clock.monotonic_ms()),
            clock,
        }
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

    /// Whether it is time to look how far the others have come.
    pub(crate) fn is_look_due(&self) -> bool {
        let looked_ms = self.looked_ms.load(Ordering::Relaxed);
        self.clock.monotonic_ms().saturating_sub(looked_ms) >= LOOK_INTERVAL_MS
    }

    /// Takes in what was found in the store.
    pub(crate) fn set_looked(&self, kept_ms: i64) {
        self.looked_ms.store(self.clock.monotonic_ms(), Ordering::Relaxed);
        self.reached_ms.fetch_max(kept_ms, Ordering::Relaxed);
        self.set_kept(kept_ms);
    }
}
