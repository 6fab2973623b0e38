// SPDX-License-Identifier: Apache-2.0
//! Counting by result code.

use std::sync::OnceLock;

use hongyan_protocol::codes::{Code, TABLE};
use prometheus::{IntCounter, IntCounterVec};

/// Codes that operators watch for, shown before they have ever happened; the others show once they have.
const SHOWN_FROM_THE_START: [Code; 3] =
    [Code::SERVER_FREQUENCY_LIMIT, Code::ACCOUNT_TIMEOUT, Code::ACCOUNT_INTERNAL_ERROR];

/// What the label says of a code that the table of codes does not know.
const UNKNOWN: &str = "unknown";

/// Counters of one family whose last label is a code. Each is looked up once, so that counting takes no lock.
#[derive(Debug)]
pub(crate) struct CodeCounters {
    family: IntCounterVec,
    /// The values of the labels before the code.
    labels: Vec<&'static str>,
    by_row: Box<[OnceLock<IntCounter>]>,
    unknown: OnceLock<IntCounter>,
}

impl CodeCounters {
    pub(crate) fn new(family: &IntCounterVec, labels: &[&'static str]) -> Self {
        let counters = Self {
            family: family.clone(),
            labels: labels.to_vec(),
            by_row: TABLE.iter().map(|_| OnceLock::new()).collect(),
            unknown: OnceLock::new(),
        };
        for code in SHOWN_FROM_THE_START {
            counters.show(code);
        }
        counters
    }

    /// Shows a code before it has happened.
    pub(crate) fn show(&self, code: Code) {
        self.of(code);
    }

    /// Counts one.
    pub(crate) fn count(&self, code: Code) {
        self.of(code).inc();
    }

    fn of(&self, code: Code) -> &IntCounter {
        match TABLE.binary_search_by_key(&code.0, |row| row.code.0) {
            Ok(index) => self.by_row[index].get_or_init(|| self.look_up(&code.0.to_string())),
            // Its number comes from elsewhere, so that there may be any number of them.
            Err(_) => self.unknown.get_or_init(|| self.look_up(UNKNOWN)),
        }
    }

    fn look_up(&self, code: &str) -> IntCounter {
        let labels: Vec<&str> = self.labels.iter().copied().chain([code]).collect();
        self.family.with_label_values(&labels)
    }
}
