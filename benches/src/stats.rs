// SPDX-License-Identifier: Apache-2.0
//! Many times, and what is told of them.

use std::time::Instant;

use serde::Serialize;

/// Times in microseconds, as they were measured.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<u32>);

/// What is told of times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// Of a hundred, one took longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Times {
    /// Notes one.
    pub fn push(&mut self, us: u64) {
        self.0.push(u32::try_from(us).unwrap_or(u32::MAX));
    }

    /// Notes how long it is since an instant.
    pub fn push_since(&mut self, began: Instant) {
        self.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds those of another.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Sorts them and tells.
    pub fn quantiles(&mut self) -> Quantiles {
        self.0.sort_unstable();
        let at = |share: usize| {
            let index = (self.0.len() * share).div_ceil(100).saturating_sub(1);
            self.0.get(index).map_or(0.0, |us| f64::from(*us) / 1_000.0)
        };
        Quantiles { p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }
}

/// What is told of the times of several trials.
#[derive(Debug, Default)]
pub struct TrialTimes(Vec<Quantiles>);

impl TrialTimes {
    /// Takes in those of a trial.
    pub fn push(&mut self, mut times: Times) {
        self.0.push(times.quantiles());
    }

    /// One of the quantiles, of each trial.
    pub fn each(&self, of: fn(&Quantiles) -> f64) -> Vec<f64> {
        self.0.iter().map(of).collect()
    }
}

/// The middle one; of two in the middle the smaller.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_times() {
        let mut times = Times::default();
        (1..=1_000).rev().for_each(|us| times.push(us * 1_000));
        assert_eq!(times.quantiles(), Quantiles { p50_ms: 500.0, p99_ms: 990.0, max_ms: 1_000.0 });
        assert_eq!(Times::default().quantiles(), Quantiles::default());
    }

    #[test]
    fn a_median_is_one_of_the_values() {
        assert_eq!([median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0]), median(&[])], [2.0, 1.0, 0.0]);
    }
}
