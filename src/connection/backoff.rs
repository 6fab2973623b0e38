// SPDX-License-Identifier: Apache-2.0
//! How long to wait before the next attempt.

/// The longest wait after the first failed attempt.
const FIRST_MS: u64 = 500;
/// The longest wait of all.
const LONGEST_MS: u64 = 30_000;

/// Milliseconds to wait after so many failed attempts: between a half and the whole of a span that doubles from
/// one attempt to the next up to a limit. `random` is from 0 to 1: clients that lost one server together do not
/// come back to it together.
pub(crate) fn delay_ms(failed_attempts: u32, random: f64) -> u64 {
    let doublings = failed_attempts.saturating_sub(1).min(16);
    let span_ms = FIRST_MS.saturating_mul(1 << doublings).min(LONGEST_MS);
    span_ms / 2 + share_ms(span_ms / 2, random)
}

/// A share of a span.
pub(crate) fn share_ms(span_ms: u64, random: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a span of hours, rounded to milliseconds"
    )]
    let share_ms = (span_ms as f64 * random.clamp(0.0, 1.0)) as u64;
    share_ms.min(span_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wait_is_never_nothing_and_never_beyond_the_limit(attempts: u32, random in 0.0..=1.0) {
            let delay_ms = delay_ms(attempts, random);
            prop_assert!((FIRST_MS / 2..=LONGEST_MS).contains(&delay_ms));
        }

        #[test]
        fn a_later_attempt_never_waits_less(attempts in 0_u32..100, random in 0.0..=1.0) {
            prop_assert!(delay_ms(attempts, random) <= delay_ms(attempts + 1, random));
        }

        #[test]
        fn jitter_spreads_over_half_of_the_span(attempts: u32, random in 0.0..=1.0) {
            let (least, most) = (delay_ms(attempts, 0.0), delay_ms(attempts, 1.0));
            prop_assert_eq!(most, least * 2);
            prop_assert!((least..=most).contains(&delay_ms(attempts, random)));
        }
    }
}
