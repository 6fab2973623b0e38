// SPDX-License-Identifier: Apache-2.0
//! Time, given to server and client, so that tests can move it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;

/// A clock with two hands: the wall's time, which people and other machines may set forward and back, and a
/// monotonic one that deadlines are measured with.
#[derive(Clone)]
pub struct Clock(Arc<Hands>);

struct Hands {
    /// Where the monotonic hand started.
    origin: Instant,
    /// What the wall showed there, for a frozen clock.
    origin_wall_ms: i64,
    /// Whether time passes only by [`Clock::advance`].
    is_frozen: bool,
    /// How far the wall was set, beside what passed.
    wall_offset_ms: AtomicI64,
    /// How far tests moved both hands; sleepers watch it.
    advanced_ms: watch::Sender<u64>,
}

/// What a deadline answers when it passes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub struct DeadlinePassed;

impl Clock {
    /// The machine's own time. A test may still move it forward with [`Clock::advance`] and set its wall with
    /// [`Clock::set_wall_offset`].
    pub fn system() -> Self {
        Self::with(false, 0)
    }

    /// A clock that stands still at `wall_ms` until it is moved.
    pub fn frozen(wall_ms: i64) -> Self {
        Self::with(true, wall_ms)
    }

    fn with(is_frozen: bool, origin_wall_ms: i64) -> Self {
        Self(Arc::new(Hands {
            origin: Instant::now(),
            origin_wall_ms,
            is_frozen,
            wall_offset_ms: AtomicI64::new(0),
            advanced_ms: watch::Sender::new(0),
        }))
    }

    /// The wall's time, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        let base = if self.0.is_frozen {
            self.0.origin_wall_ms
        } else {
            // A machine set before 1970 reads as 1970.
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0))
        };
        let advanced = i64::try_from(*self.0.advanced_ms.borrow()).unwrap_or(i64::MAX);
        base.saturating_add(advanced).saturating_add(self.0.wall_offset_ms.load(Ordering::Relaxed))
    }

    /// Milliseconds since the clock was made. They never fall, whatever the wall shows.
    pub fn monotonic_ms(&self) -> u64 {
        let passed =
            if self.0.is_frozen { 0 } else { u64::try_from(self.0.origin.elapsed().as_millis()).unwrap_or(u64::MAX) };
        passed.saturating_add(*self.0.advanced_ms.borrow())
    }

    /// Waits for a time span on the monotonic hand.
    pub async fn sleep(&self, span: Duration) {
        let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.sleep_until(self.monotonic_ms().saturating_add(span_ms)).await;
    }

    /// Waits until the monotonic hand shows `deadline_ms`.
    pub async fn sleep_until(&self, deadline_ms: u64) {
        let mut advanced = self.0.advanced_ms.subscribe();
        loop {
            let left_ms = deadline_ms.saturating_sub(self.monotonic_ms());
            if left_ms == 0 {
                return;
            }
            // The sender lives as long as `self`, so that `changed` cannot fail.
            if self.0.is_frozen {
                let _ = advanced.changed().await;
            } else {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(left_ms)) => {}
                    _ = advanced.changed() => {}
                }
            }
        }
    }

    /// Runs a future until it ends or a time span has passed.
    pub async fn timeout<T>(&self, span: Duration, future: impl Future<Output = T>) -> Result<T, DeadlinePassed> {
        tokio::select! {
            biased;
            value = future => Ok(value),
            () = self.sleep(span) => Err(DeadlinePassed),
        }
    }

    /// Moves both hands forward and wakes who waited for that time.
    pub fn advance(&self, span: Duration) {
        let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.0.advanced_ms.send_modify(|advanced| *advanced = advanced.saturating_add(span_ms));
    }

    /// Sets the wall so many milliseconds ahead of (or, negative, behind) what passed; the monotonic hand stays.
    pub fn set_wall_offset(&self, offset_ms: i64) {
        self.0.wall_offset_ms.store(offset_ms, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("now_ms", &self.now_ms()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frozen_clock_moves_only_when_told() {
        let clock = Clock::frozen(1_000);
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.timeout(Duration::from_secs(30), std::future::pending::<()>()).await }
        });
        assert_eq!((clock.now_ms(), clock.monotonic_ms()), (1_000, 0));
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(30));
        assert_eq!(waiting.await.unwrap(), Err(DeadlinePassed));
        assert_eq!((clock.now_ms(), clock.monotonic_ms()), (31_000, 30_000));
    }

    #[test]
    fn the_wall_can_be_set_back_and_deadlines_do_not_care() {
        let clock = Clock::frozen(10_000_000);
        clock.advance(Duration::from_secs(1));
        clock.set_wall_offset(-3_600_000);
        assert_eq!((clock.now_ms(), clock.monotonic_ms()), (6_401_000, 1_000));
    }
}
