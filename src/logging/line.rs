// SPDX-License-Identifier: Apache-2.0
//! The form of a line.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};

/// The text of an event: its message, then its fields as `name=value`.
#[derive(Debug, Default)]
pub(super) struct Text {
    message: String,
    fields: String,
}

impl Text {
    pub(super) fn of(event: &tracing::Event<'_>) -> String {
        let mut text = Self::default();
        event.record(&mut text);
        let Self { message, fields } = text;
        format!("{} {message}{fields}", event.metadata().target())
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(&one_line(value));
        } else {
            // A text of its own is quoted, so that a line can be taken apart again.
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = one_line(&format!("{value:?}"));
        if field.name() == "message" {
            self.message.push_str(&value);
        } else {
            let _ = write!(self.fields, " {}={value}", field.name());
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// A time in UTC as `2026-01-31 23:59:59.123`.
pub(super) fn utc(unix_ms: i64) -> String {
    const DAY_MS: i64 = 86_400_000;
    let (days, ms) = (unix_ms.div_euclid(DAY_MS), unix_ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03}", ms % 1_000)
}

/// Year, month and day of a day since 1970. Years are counted from March, so that the leap day is the last one.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    let since_march_of_year_0 = days + 719_468;
    let (era, day_of_era) =
        (since_march_of_year_0.div_euclid(DAYS_PER_ERA), since_march_of_year_0.rem_euclid(DAYS_PER_ERA));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(utc(0), "1970-01-01 00:00:00.000");
        assert_eq!(utc(951_782_399_999), "2000-02-28 23:59:59.999");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00.000");
        assert_eq!(utc(1_767_225_599_123), "2025-12-31 23:59:59.123");
        assert_eq!(utc(-1), "1969-12-31 23:59:59.999");
    }
}
