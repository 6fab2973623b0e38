// SPDX-License-Identifier: Apache-2.0
//! What is counted of one server, and its text for Prometheus.
//!
//! Each room defines its own families here when it is opened, and keeps the handles: an event costs some atomic operations,
//! no lock, no allocation and no formatting. Several servers may live in one process, so nothing is global. Invariants:
//!
//! * every family shows a series from the start, so that a rate can be taken of what has not happened yet;
//! * labels have few values, all of them ours: never an app, a user, a group, an address, or what a frame says;
//! * names are those of `docs/operations.md`, which a test compares with what is shown.

mod codes;
mod process;

use std::fmt;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, PullingGauge,
    Registry, TextEncoder,
};

pub(crate) use codes::CodeCounters;

use crate::error::Error;

/// Bounds for what takes time, in seconds: from an answer out of memory to what has long run into a deadline.
pub(crate) const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Bounds for how many were done at once.
pub(crate) const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The families of one server.
#[derive(Clone)]
pub struct Metrics(Registry);

impl Metrics {
    /// Those that do not depend on any room: what the process takes, and which version it is.
    pub fn new() -> Self {
        let metrics = Self(Registry::new());
        let build = metrics.gauges("hongyan_build_info", "Always 1; the label says which version runs.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        process::register(&metrics);
        metrics
    }

    /// All families with their values, in Prometheus' text format.
    pub fn encode(&self) -> Result<String, Error> {
        let families = self.0.gather();
        let text = TextEncoder::new().encode_to_string(&families);
        text.map_err(|error| Error::internal("writing the metrics", error))
    }

    pub(crate) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(defined(IntCounter::new(name, help)))
    }

    pub(crate) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(defined(IntCounterVec::new(Opts::new(name, help), labels)))
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(defined(IntGauge::new(name, help)))
    }

    pub(crate) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(defined(IntGaugeVec::new(Opts::new(name, help), labels)))
    }

    /// A gauge that is asked for its value when somebody looks. It must answer at once.
    pub(crate) fn gauge_of(&self, name: &str, help: &str, value: impl Fn() -> usize + Send + Sync + 'static) {
        // What is counted here is far below 2^53.
        let value = Box::new(move || value() as f64);
        self.register(defined(PullingGauge::new(name, help, value)));
    }

    pub(crate) fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.register(defined(Histogram::with_opts(opts)))
    }

    pub(crate) fn histograms(&self, name: &str, help: &str, bounds: &[f64], label: &str) -> HistogramVec {
        let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.register(defined(HistogramVec::new(opts, &[label])))
    }

    fn register<C: Collector + Clone + 'static>(&self, family: C) -> C {
        defined(self.0.register(Box::new(family.clone())));
        family
    }
}

/// Families without a server: for commands and for tests of one room.
impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Names, labels and bounds stand in the code, each family in one place.
fn defined<T>(family: prometheus::Result<T>) -> T {
    family.expect("a family has a valid name of its own")
}

#[cfg(test)]
mod tests;
