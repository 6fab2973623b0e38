// SPDX-License-Identifier: Apache-2.0
//! Who is let in, and how fast: rules without sockets or clocks of their own. Each is told the time.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use hongyan_protocol::ids::{SdkAppId, UserId};

use crate::config::GatewayConfig;

/// How long a failed login counts.
const FAILURE_WINDOW_MS: u64 = 60_000;

/// How many users and addresses with failed logins are remembered. Above it those are forgotten that failed longest ago;
/// where these are few, all of them: the bound holds, and the work of keeping it stays small.
const FAILURE_KEYS_MAX: usize = 100_000;

/// How many addresses, users or apps have a rate of their own at once. Above it those that rest are forgotten; where these
/// are few, all.
const RATES_MAX: usize = 100_000;

/// The longest that a client is told to wait for its turn.
const RETRY_AFTER_MS_MAX: u64 = 30_000;

/// What counts as one address: all of IPv4, and the network of IPv6, because a host there has 2^64 addresses.
pub(super) fn address_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Lets a rate through, and a burst after a pause. Who is refused is told a time of their own, so that those
/// who wait do not come back all at once.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: u64,
    burst: u64,
    /// Thousandths of a token, so that a rate of one per second does not round to nothing.
    millitokens: u64,
    refilled_ms: u64,
    /// Until when those already refused have been told to wait.
    promised_ms: u64,
}

impl RateLimit {
    /// A full bucket.
    pub(super) fn new(per_second: u64, burst: u64, now_ms: u64) -> Self {
        Self { per_second, burst, millitokens: burst.saturating_mul(1_000), refilled_ms: now_ms, promised_ms: now_ms }
    }

    fn refill(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.refilled_ms);
        self.refilled_ms = now_ms;
        let full = self.burst.saturating_mul(1_000);
        // One token per second is a thousandth of a token per millisecond.
        self.millitokens = self.millitokens.saturating_add(passed_ms.saturating_mul(self.per_second)).min(full);
    }

    /// How many milliseconds from now one can be taken; 0 where it can be at once.
    pub(super) fn wait_ms(&mut self, now_ms: u64) -> u64 {
        self.refill(now_ms);
        1_000_u64.saturating_sub(self.millitokens).div_ceil(self.per_second)
    }

    /// Whether nothing was taken for so long that a new bucket would be the same.
    fn is_full(&mut self, now_ms: u64) -> bool {
        self.refill(now_ms);
        self.millitokens == self.burst.saturating_mul(1_000)
    }

    /// Returns one that was taken.
    pub(super) fn give_back(&mut self) {
        self.millitokens = self.millitokens.saturating_add(1_000).min(self.burst.saturating_mul(1_000));
    }

    /// Takes one, or says how many milliseconds to wait.
    pub(super) fn take(&mut self, now_ms: u64) -> Result<(), u64> {
        self.refill(now_ms);
        if let Some(left) = self.millitokens.checked_sub(1_000) {
            self.millitokens = left;
            return Ok(());
        }
        let step_ms = 1_000_u64.div_ceil(self.per_second);
        let last_ms = now_ms.saturating_add(RETRY_AFTER_MS_MAX);
        self.promised_ms = self.promised_ms.max(now_ms).saturating_add(step_ms).min(last_ms);
        Err(self.promised_ms - now_ms)
    }
}

/// A rate for each of many, so that one cannot take what is there for all.
#[derive(Debug)]
pub(super) struct Rates<K> {
    per_second: u64,
    burst: u64,
    limits: HashMap<K, RateLimit>,
}

impl<K: Eq + Hash + Clone> Rates<K> {
    pub(super) fn new(per_second: u64, burst: u64) -> Self {
        Self { per_second, burst, limits: HashMap::new() }
    }

    /// Takes one for a key, or says how many milliseconds to wait.
    pub(super) fn take(&mut self, key: &K, now_ms: u64) -> Result<(), u64> {
        if let Some(limit) = self.limits.get_mut(key) {
            return limit.take(now_ms);
        }
        if self.limits.len() >= RATES_MAX {
            self.sweep(now_ms);
            if self.limits.len() > RATES_MAX / 2 {
                self.limits.clear();
            }
        }
        let mut limit = RateLimit::new(self.per_second, self.burst, now_ms);
        let taken = limit.take(now_ms);
        self.limits.insert(key.clone(), limit);
        taken
    }

    /// Returns one that was taken for a key.
    fn give_back(&mut self, key: &K) {
        if let Some(limit) = self.limits.get_mut(key) {
            limit.give_back();
        }
    }

    /// Forgets those that rest.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        self.limits.retain(|_, limit| !limit.is_full(now_ms));
    }
}

/// Whom a place is for.
pub(super) type Who = (SdkAppId, UserId);

/// Which rate has no place just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    User,
    App,
    All,
}

/// How fast people are let in: each user, each app, and all together.
#[derive(Debug)]
pub(super) struct LoginRates {
    users: Rates<Who>,
    apps: Rates<SdkAppId>,
    all: RateLimit,
}

impl LoginRates {
    pub(super) fn new(config: &GatewayConfig, now_ms: u64) -> Self {
        Self {
            users: Rates::new(config.user_logins_per_second, config.user_logins_burst),
            apps: Rates::new(config.app_logins_per_second, config.app_logins_burst),
            all: RateLimit::new(config.logins_per_second, config.logins_burst, now_ms),
        }
    }

    /// Takes a place in each, or in none: then it says which has no place, and how many milliseconds to wait.
    pub(super) fn take(&mut self, who: &Who, now_ms: u64) -> Result<(), (Busy, u64)> {
        self.users.take(who, now_ms).map_err(|wait_ms| (Busy::User, wait_ms))?;
        if let Err(wait_ms) = self.apps.take(&who.0, now_ms) {
            self.users.give_back(who);
            return Err((Busy::App, wait_ms));
        }
        if let Err(wait_ms) = self.all.take(now_ms) {
            self.users.give_back(who);
            self.apps.give_back(&who.0);
            return Err((Busy::All, wait_ms));
        }
        Ok(())
    }

    /// Returns a place in each.
    pub(super) fn give_back(&mut self, who: &Who) {
        self.users.give_back(who);
        self.apps.give_back(&who.0);
        self.all.give_back();
    }

    /// Forgets those that rest.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        self.users.sweep(now_ms);
        self.apps.sweep(now_ms);
    }
}

/// Counts the failed logins of each key within a minute.
#[derive(Debug)]
pub(super) struct LoginFailures<K> {
    per_minute_max: usize,
    failures: HashMap<K, VecDeque<u64>>,
}

impl<K: Eq + Hash> LoginFailures<K> {
    pub(super) fn new(per_minute_max: usize) -> Self {
        Self { per_minute_max, failures: HashMap::new() }
    }

    /// Whether this key may try; else how many milliseconds to wait.
    pub(super) fn check(&self, key: &K, now_ms: u64) -> Result<(), u64> {
        let Some(times) = self.failures.get(key) else { return Ok(()) };
        let recent = times.iter().filter(|failed_ms| now_ms.saturating_sub(**failed_ms) < FAILURE_WINDOW_MS).count();
        if recent < self.per_minute_max {
            return Ok(());
        }
        // One attempt is free again when the oldest of the last so many leaves the window.
        let oldest_ms = times.iter().rev().nth(self.per_minute_max - 1).copied().unwrap_or(now_ms);
        Err((oldest_ms + FAILURE_WINDOW_MS).saturating_sub(now_ms).max(1))
    }

    /// Remembers a failure.
    pub(super) fn record(&mut self, key: K, now_ms: u64) {
        if self.failures.len() >= FAILURE_KEYS_MAX && !self.failures.contains_key(&key) {
            self.forget_older_than(FAILURE_WINDOW_MS / 2, now_ms);
            if self.failures.len() > FAILURE_KEYS_MAX / 2 {
                self.failures.clear();
            }
        }
        let times = self.failures.entry(key).or_default();
        times.push_back(now_ms);
        while times.len() > self.per_minute_max {
            times.pop_front();
        }
    }

    /// Forgets a key: its user has shown a good ticket.
    pub(super) fn clear(&mut self, key: &K) {
        self.failures.remove(key);
    }

    /// Forgets what no longer counts.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        self.forget_older_than(FAILURE_WINDOW_MS, now_ms);
    }

    fn forget_older_than(&mut self, age_ms: u64, now_ms: u64) {
        self.failures.retain(|_, times| times.back().is_some_and(|last_ms| now_ms.saturating_sub(*last_ms) < age_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut limit = RateLimit::new(10, 3, 0);
        assert_eq!((0..3).map(|_| limit.take(0)).collect::<Vec<_>>(), [Ok(()); 3]);
        assert!(limit.take(0).is_err());
        assert_eq!(limit.take(100), Ok(()));
        assert!(limit.take(150).is_err());
        assert_eq!(limit.take(200), Ok(()));
    }

    #[test]
    fn the_wait_ends_when_the_next_token_is_there() {
        let mut limit = RateLimit::new(10, 1, 0);
        assert_eq!(limit.wait_ms(0), 0);
        limit.take(0).unwrap();
        assert_eq!((limit.wait_ms(0), limit.wait_ms(99), limit.wait_ms(100)), (100, 1, 0));
    }

    #[test]
    fn tokens_never_refill_past_the_burst() {
        let mut limit = RateLimit::new(1_000, 2, 0);
        assert_eq!((limit.take(3_600_000), limit.take(3_600_000)), (Ok(()), Ok(())));
        assert!(limit.take(3_600_000).is_err());
    }

    #[test]
    fn those_refused_are_told_different_times() {
        let mut limit = RateLimit::new(100, 1, 0);
        limit.take(0).unwrap();
        assert_eq!((limit.take(0), limit.take(0), limit.take(0)), (Err(10), Err(20), Err(30)));
        let longest = (0..10_000).map(|_| limit.take(0).unwrap_err()).max();
        assert_eq!(longest, Some(RETRY_AFTER_MS_MAX));
    }

    #[test]
    fn the_eleventh_attempt_within_a_minute_waits_for_the_first_to_pass() {
        let mut failures = LoginFailures::new(10);
        for second in 0..10 {
            assert_eq!(failures.check(&"eve", second * 1_000), Ok(()));
            failures.record("eve", second * 1_000);
        }
        assert_eq!(failures.check(&"eve", 10_000), Err(50_000));
        assert_eq!(failures.check(&"bob", 10_000), Ok(()));
        assert_eq!(failures.check(&"eve", 60_000), Ok(()));
        failures.record("eve", 60_000);
        assert_eq!(failures.check(&"eve", 60_500), Err(500));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut failures = LoginFailures::new(10);
        failures.record("eve", 0);
        failures.record("bob", 30_000);
        failures.sweep(59_999);
        assert_eq!(failures.failures.len(), 2);
        failures.sweep(60_000);
        assert_eq!(failures.failures.len(), 1);
        failures.clear(&"bob");
        assert!(failures.failures.is_empty());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_never_more() {
        let mut limit = RateLimit::new(1, 2, 0);
        limit.take(0).unwrap();
        limit.give_back();
        limit.give_back();
        assert_eq!((limit.take(0), limit.take(0)), (Ok(()), Ok(())));
        assert!(limit.take(0).is_err());
    }

    #[test]
    fn each_address_has_a_rate_of_its_own() {
        let mut rates = Rates::new(1, 1);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(rates.take(&one, 0), Ok(()));
        assert_eq!(rates.take(&one, 0), Err(1_000));
        assert_eq!(rates.take(&other, 500), Ok(()));
        rates.sweep(1_000);
        assert_eq!(rates.limits.len(), 1);
    }

    #[test]
    fn who_gets_no_place_in_one_rate_takes_none_in_the_others() {
        let config = GatewayConfig {
            user_logins_per_second: 1,
            user_logins_burst: 2,
            app_logins_per_second: 1,
            app_logins_burst: 3,
            logins_per_second: 1,
            logins_burst: 4,
            ..Config::for_folder("unused").gateway
        };
        let mut rates = LoginRates::new(&config, 0);
        let who = |app, user: &str| (SdkAppId::parse(app).unwrap(), UserId::parse(user).unwrap());
        let (alice, bob, carol) = (who(1, "alice"), who(1, "bob"), who(1, "carol"));
        let (dan, erin, fred) = (who(2, "dan"), who(2, "erin"), who(3, "alice"));
        assert_eq!((rates.take(&alice, 0), rates.take(&alice, 0)), (Ok(()), Ok(())));
        assert_eq!(rates.take(&alice, 0), Err((Busy::User, 1_000)));
        assert_eq!(rates.take(&bob, 0), Ok(()));
        assert_eq!(rates.take(&carol, 0), Err((Busy::App, 1_000)));
        assert_eq!(rates.take(&dan, 0), Ok(()));
        assert_eq!(rates.take(&erin, 0), Err((Busy::All, 1_000)));
        assert_eq!(rates.take(&fred, 0), Err((Busy::All, 2_000)));
        rates.give_back(&bob);
        // What carol, erin and fred asked for in vain is all there.
        assert_eq!(rates.take(&carol, 0), Ok(()));
        assert_eq!(rates.take(&alice, 5_000), Ok(()));
        rates.sweep(60_000);
        assert!(rates.users.limits.is_empty() && rates.apps.limits.is_empty());
    }

    #[test]
    fn what_is_remembered_of_strangers_is_bounded() {
        let mut rates = Rates::new(1, 1);
        let mut failures = LoginFailures::new(10);
        for number in 0..=u32::try_from(2 * RATES_MAX).unwrap() {
            rates.take(&IpAddr::from(number.to_be_bytes()), 0).unwrap();
            failures.record(number, 0);
            assert!(rates.limits.len() <= RATES_MAX && failures.failures.len() <= FAILURE_KEYS_MAX);
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::4"), key("2001:db8:1:3::4"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
