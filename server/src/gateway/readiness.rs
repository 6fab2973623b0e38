// SPDX-License-Identifier: Apache-2.0
//! Whether the server should be given work.
//!
//! To find out takes the turn to write, and anybody who reaches the port may ask: an answer is kept for a second, and those
//! who ask meanwhile wait for the same one.

use std::future::Future;
use std::time::Duration;

use hongyan_protocol::clock::Clock;
use tokio::sync::Mutex;

use crate::error::Error;

/// How old an answer may be.
const AGE_MAX: Duration = Duration::from_secs(1);

/// What was found last.
struct Found {
    at_ms: u64,
    is_ready: bool,
}

/// The last answer.
pub(super) struct Readiness {
    clock: Clock,
    /// Held while it is found out, which has a deadline of its own: who asks then wants just that answer.
    found: Mutex<Option<Found>>,
}

impl Readiness {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, found: Mutex::new(None) }
    }

    /// Whether it is ready, by a check that is made where the last one is too old.
    pub(super) async fn find(&self, check: impl Future<Output = Result<(), Error>>) -> bool {
        let mut found = self.found.lock().await;
        if let Some(Found { at_ms, is_ready }) = *found
            && Duration::from_millis(self.clock.monotonic_ms().saturating_sub(at_ms)) < AGE_MAX
        {
            return is_ready;
        }
        let was_ready = found.as_ref().is_none_or(|found| found.is_ready);
        let checked = check.await;
        match &checked {
            Err(error) if was_ready => tracing::error!(code = error.code().0, %error, "not ready"),
            Ok(()) if !was_ready => tracing::info!("ready again"),
            _ => {}
        }
        let is_ready = checked.is_ok();
        *found = Some(Found { at_ms: self.clock.monotonic_ms(), is_ready });
        is_ready
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;
    use hongyan_protocol::codes::Code;

    use super::*;

    #[tokio::test]
    async fn who_asks_within_a_second_gets_one_answer_and_it_is_not_older() {
        let clock = Clock::frozen(0);
        let readiness = Readiness::new(clock.clone());
        let (checks, is_broken) = (Cell::new(0), Cell::new(false));
        let ask = async || {
            let check = async {
                checks.set(checks.get() + 1);
                tokio::task::yield_now().await;
                if is_broken.get() { Err(Error::new(Code::ACCOUNT_TIMEOUT, "broken")) } else { Ok(()) }
            };
            readiness.find(check).await
        };
        let all = join_all((0..100).map(|_| ask())).await;
        assert_eq!((all, checks.get()), (vec![true; 100], 1));

        is_broken.set(true);
        clock.advance(AGE_MAX - Duration::from_millis(1));
        assert!(ask().await && checks.get() == 1);
        clock.advance(Duration::from_millis(1));
        let all = join_all((0..100).map(|_| ask())).await;
        assert_eq!((all, checks.get()), (vec![false; 100], 2));

        is_broken.set(false);
        clock.advance(AGE_MAX);
        assert!(ask().await && checks.get() == 3);
    }
}
