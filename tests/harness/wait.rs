// SPDX-License-Identifier: Apache-2.0
//! Waiting without sleeping: for a condition, with a deadline that names what did not come.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How long anything in a test may take before the test fails. It is far above what a busy machine needs, so that
/// only what never comes runs into it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition that cannot be waited for is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A future's value, or a failure of the test that says what was waited for.
pub async fn within<T>(what: impl Debug, future: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what:?} did not come within {DEADLINE:?}"),
    }
}

/// Looks until a condition gives a value; fails with the last reason it gave.
pub async fn eventually<T, R: Debug>(what: impl Debug, mut look: impl AsyncFnMut() -> Result<T, R>) -> T {
    let until = Instant::now() + DEADLINE;
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match within(&what, look()).await {
            Ok(value) => return value,
            Err(reason) => assert!(Instant::now() < until, "{what:?} did not come within {DEADLINE:?}: {reason:?}"),
        }
    }
}

/// Lets real time pass. Only the fault proxy uses it, where a delay is the fault.
pub async fn pass(span: Duration) {
    let _ = timeout(span, std::future::pending::<()>()).await;
}
