// SPDX-License-Identifier: Apache-2.0
//! What is counted of sends.

use std::time::Instant;

use prometheus::{Histogram, IntCounter};

use super::writer::Delivered;
use crate::error::Error;
use crate::metrics::{COUNTS, Metrics, SECONDS};

/// The families of sends.
#[derive(Debug, Clone)]
pub(super) struct SendMetrics {
    stored: IntCounter,
    repeated: IntCounter,
    refused: IntCounter,
    failed: IntCounter,
    batch: Histogram,
    batch_sends: Histogram,
}

impl SendMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let help = "Sends, by what became of them: stored are durable, repeated were stored before.";
        let sends = metrics.counters("hongyan_sends_total", help, &["outcome"]);
        Self {
            stored: sends.with_label_values(&["stored"]),
            repeated: sends.with_label_values(&["repeated"]),
            refused: sends.with_label_values(&["refused"]),
            failed: sends.with_label_values(&["failed"]),
            batch: metrics.histogram(
                "hongyan_send_batch_seconds",
                "From a batch of sends being taken to its being durable.",
                SECONDS,
            ),
            batch_sends: metrics.histogram("hongyan_send_batch_sends", "Sends that were stored as one batch.", COUNTS),
        }
    }

    /// What became of one send.
    pub(super) fn ended(&self, outcome: &Result<Delivered, Error>) {
        match outcome {
            Ok(Delivered::ByHint) => self.stored.inc(),
            Ok(Delivered::Reply(_)) => self.repeated.inc(),
            Err(error) if error.is_internal() || error.code().is_retryable() => self.failed.inc(),
            Err(_) => self.refused.inc(),
        }
    }

    /// A batch is durable.
    pub(super) fn batch_stored(&self, since: Instant, sends: usize) {
        self.batch.observe(since.elapsed().as_secs_f64());
        self.batch_sends.observe(sends as f64);
    }
}
