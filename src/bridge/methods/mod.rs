// SPDX-License-Identifier: Apache-2.0
//! What the rows of the table run: arguments in, a call of the SDK, JSON out.

pub(super) mod client;
pub(super) mod conversations;
pub(super) mod groups;
pub(super) mod messages;

use hongyan_protocol::codes::Code;
use serde::Serialize;

use crate::bridge::Answer;
use crate::bridge::args::{Args, invalid};
use crate::error::ImError;

/// The last millisecond of a second.
const END_OF_SECOND_MS: i64 = 999;

/// The data of a reply.
fn json(data: &impl Serialize) -> Answer {
    serde_json::to_string(data).map_err(|error| ImError::new(Code::ENCODE_FAILED, error.to_string()))
}

/// A list of what the SDK gave, each in the bridge's own shape.
fn json_list<T, S: From<T> + Serialize>(items: Vec<T>) -> Answer {
    json(&items.into_iter().map(S::from).collect::<Vec<_>>())
}

/// The data of a call that gives none.
fn nothing() -> Answer {
    Ok("null".to_owned())
}

/// A time up to which something holds: natively in seconds, which are meant to their end, or in milliseconds; 0 for neither.
fn end_ms(args: &mut Args, native: &str, exact: &str) -> Result<i64, ImError> {
    in_ms((native, args.find(native)?), (exact, args.find(exact)?), END_OF_SECOND_MS)
}

/// A span, natively in seconds; 0 for none.
fn span_ms(args: &mut Args, native: &str, exact: &str) -> Result<i64, ImError> {
    in_ms((native, args.find(native)?), (exact, args.find(exact)?), 0)
}

fn in_ms(
    (native, seconds): (&str, Option<i64>),
    (exact, ms): (&str, Option<i64>),
    rest_ms: i64,
) -> Result<i64, ImError> {
    match (seconds.unwrap_or(0), ms.unwrap_or(0)) {
        (0, ms) => Ok(ms),
        (seconds, 0) => seconds
            .checked_mul(1_000)
            .and_then(|ms| ms.checked_add(rest_ms))
            .ok_or_else(|| invalid(native, "that is no time")),
        _ => Err(invalid(native, &format!("either this or {exact}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{END_OF_SECOND_MS, in_ms};

    #[test]
    fn a_second_is_meant_to_its_end() {
        let end_ms = |seconds, ms| in_ms(("time", seconds), ("timeMs", ms), END_OF_SECOND_MS);
        assert_eq!(end_ms(None, None).unwrap(), 0);
        assert_eq!(end_ms(Some(2), None).unwrap(), 2_999);
        assert_eq!(end_ms(Some(0), Some(2_500)).unwrap(), 2_500);
        assert!(end_ms(Some(-1), None).unwrap() < 0, "the SDK refuses it");
        for (seconds, ms) in [(Some(2), Some(2)), (Some(i64::MAX), None), (Some(i64::MIN), None)] {
            assert!(end_ms(seconds, ms).is_err());
        }
        assert_eq!(in_ms(("span", Some(2)), ("spanMs", None), 0).unwrap(), 2_000);
    }
}
