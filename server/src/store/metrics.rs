// SPDX-License-Identifier: Apache-2.0
//! What is counted of the store.

use std::time::Instant;

use prometheus::{Histogram, IntCounter, IntGauge};

use crate::metrics::{COUNTS, Metrics, SECONDS};

/// The store's families.
#[derive(Debug, Clone)]
pub(crate) struct StoreMetrics {
    turn_wait: Histogram,
    read_wait: Histogram,
    commit: Histogram,
    commit_operations: Histogram,
    commits_failed: IntCounter,
    is_connected: IntGauge,
}

impl StoreMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            turn_wait: metrics.histogram(
                "hongyan_store_turn_wait_seconds",
                "How long operations that write waited for their turn.",
                SECONDS,
            ),
            read_wait: metrics.histogram(
                "hongyan_store_read_wait_seconds",
                "How long queries waited for a reader.",
                SECONDS,
            ),
            commit: metrics.histogram("hongyan_store_commit_seconds", "How long commits took.", SECONDS),
            commit_operations: metrics.histogram(
                "hongyan_store_commit_operations",
                "Operations that shared a commit.",
                COUNTS,
            ),
            commits_failed: metrics.counter("hongyan_store_commits_failed_total", "Commits that did not succeed."),
            is_connected: metrics.gauge(
                "hongyan_store_is_connected",
                "1 while the writer has its connection to the store, 0 while that is lost or given up.",
            ),
        }
    }

    /// The writer has a connection.
    pub(super) fn connected(&self) {
        self.is_connected.set(1);
    }

    /// It has none any more.
    pub(super) fn disconnected(&self) {
        self.is_connected.set(0);
    }

    pub(super) fn got_turn(&self, since: Instant) {
        self.turn_wait.observe(since.elapsed().as_secs_f64());
    }

    pub(super) fn got_reader(&self, since: Instant) {
        self.read_wait.observe(since.elapsed().as_secs_f64());
    }

    /// A commit of so many operations ended, well or not.
    pub(super) fn committed(&self, since: Instant, operations: usize, is_ok: bool) {
        self.commit.observe(since.elapsed().as_secs_f64());
        self.commit_operations.observe(operations as f64);
        self.commits_failed.inc_by(u64::from(!is_ok));
    }
}
