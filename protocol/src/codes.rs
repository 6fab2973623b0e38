// SPDX-License-Identifier: Apache-2.0
//! Result codes: one table for both ends of the wire.
//!
//! The numbers are those of the Tencent Cloud IM SDK (V2TIM), so that an app's own handling of them goes on working.
//! A row in `codes/table.rs` makes the constant and its entry of [`TABLE`]; `docs/errors.md` lists the same rows for
//! people and a test compares the two. A number that the table does not know is still a valid [`Code`]: an older
//! client must be able to hand over what a newer server, or an app's own webhook, answered.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

mod table;
#[cfg(test)]
mod tests;

pub use table::TABLE;

/// A result code: 0 is success, everything else says what went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(pub i32);

/// What is known of one code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodeRow {
    /// The number.
    pub code: Code,
    /// The name of the constant in [`Code`].
    pub name: &'static str,
    /// What it means, for developers; not for the screen of an app's users.
    pub text: &'static str,
    /// Whether the same request may succeed later with nothing changed.
    pub is_retryable: bool,
}

/// Codes that an app's own webhook may answer; they reach the app's clients as they are.
const APP_DEFINED: [RangeInclusive<i32>; 2] = [38_000..=39_000, 120_001..=130_000];

impl Code {
    /// Whether this is success.
    pub const fn is_ok(self) -> bool {
        self.0 == Self::OK.0
    }

    /// The name of the constant, or nothing for a number that the table does not know.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// What the code means, in a few words; a general text for a number that the table does not know.
    pub fn text(self) -> &'static str {
        match self.row() {
            Some(row) => row.text,
            None if self.is_app_defined() => "the app's own server refused this, for a reason of its own",
            None => "unknown error",
        }
    }

    /// Whether the same request may succeed later with nothing changed: networks, time-outs, frequency limits,
    /// overload and failures inside the server pass; bad input, missing rights and lost races do not.
    pub fn is_retryable(self) -> bool {
        self.row().is_some_and(|row| row.is_retryable)
    }

    /// Whether the number belongs to the ranges left to an app's own webhooks (38000–39000 and 120001–130000).
    pub fn is_app_defined(self) -> bool {
        APP_DEFINED.iter().any(|range| range.contains(&self.0))
    }

    fn row(self) -> Option<&'static CodeRow> {
        let index = TABLE.binary_search_by_key(&self.0, |row| row.code.0).ok()?;
        TABLE.get(index)
    }
}

/// The number and, where it is known, its name: `6014 NOT_LOGGED_IN`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} {name}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}
