//! How long to wait before trying again: longer each time, at random, and never longer than a bound.
//!
//! ```text
//!               next_delay: 0 ..= first      next_delay: 0 ..= 2·first           0 ..= max
//!   attempt 0 ──────────────────▶ attempt 1 ──────────────────▶ attempt 2 ─ … ─▶ attempt n
//!       ▲                             │                             │               │
//!       └──────────── reset ──────────┴─────────────────────────────┴───────────────┘
//! ```
//!
//! The whole delay is random ("full jitter"), so that clients which lost the same server at the same moment don't come
//! back at the same moment.

use alloc::format;
use core::time::Duration;

use super::hash;
use beanstalk_proto::ArgumentError;

/// How long to wait between attempts: random, from a first delay that doubles, up to the longest.
///
/// ```
/// use std::time::Duration;
///
/// use beanstalk_driver::policy::Backoff;
///
/// let backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(60) };
/// // Each delay is random, and no longer than this after so many failures:
/// assert_eq!(backoff.ceiling(0), Duration::from_millis(500));
/// assert_eq!(backoff.ceiling(3), Duration::from_secs(4));
/// assert_eq!(backoff.ceiling(10), Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Backoff {
    /// The longest that the first delay can be: 100 ms unless changed. It doubles with each attempt.
    #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
    pub first: Duration,
    /// The longest that any delay can be: 10 s unless changed.
    #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), max: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// Refuses a first delay that is longer than the longest. `setting` names the backoff.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Setting`].
    pub fn check(&self, setting: &'static str) -> Result<(), ArgumentError> {
        check_order(setting, self.first, self.max)
    }

    /// Returns the longest that the delay after so many failed attempts can be.
    #[must_use]
    pub fn ceiling(&self, attempts: u32) -> Duration {
        let factor = 2_u32.checked_pow(attempts).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }
}

/// Refuses a first delay that is longer than the longest.
pub(super) fn check_order(setting: &'static str, first: Duration, max: Duration) -> Result<(), ArgumentError> {
    match first <= max {
        true => Ok(()),
        false => {
            let why = format!("the first delay, {first:?}, is longer than the longest, {max:?}");
            Err(ArgumentError::setting(setting, why))
        }
    }
}

/// The delays of one client, which grow with each failure until it succeeds.
#[derive(Clone, Debug)]
pub struct Delays {
    backoff: Backoff,
    random: u64,
    attempts: u32,
}

impl Delays {
    /// Makes delays that grow by `backoff`. The seed makes them random: clients should not share one.
    #[must_use]
    pub const fn new(backoff: Backoff, seed: u64) -> Self {
        Self { backoff, random: seed, attempts: 0 }
    }

    /// Returns the delay after one more failed attempt.
    pub fn next_delay(&mut self) -> Duration {
        let ceiling = self.ceiling();
        self.attempts = self.attempts.saturating_add(1);
        self.random = hash::scatter(self.random);
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        // The high half of the product is uniform below `nanos`.
        let share = u128::from(self.random).saturating_mul(u128::from(nanos)) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(nanos))
    }

    /// Returns the longest that the next delay can be.
    #[must_use]
    pub fn ceiling(&self) -> Duration {
        self.backoff.ceiling(self.attempts)
    }

    /// Returns the longest that any delay can be.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.backoff.max
    }

    /// Returns how many attempts failed since the last success.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Takes note of a success: the next delay is a short one again.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_is_never_over_its_ceiling_nor_the_ceiling_over_the_bound(
            first in 0_u64..10_000, max in 0_u64..100_000, seed: u64, attempts in 1..200_usize,
        ) {
            let backoff = Backoff { first: Duration::from_millis(first), max: Duration::from_millis(max) };
            let mut delays = Delays::new(backoff, seed);
            let mut before = Duration::ZERO;
            for _ in 0..attempts {
                let ceiling = delays.ceiling();
                prop_assert!(ceiling <= backoff.max && ceiling >= before);
                prop_assert!(delays.next_delay() <= ceiling);
                before = ceiling;
            }
            delays.reset();
            prop_assert_eq!(delays.ceiling(), backoff.first.min(backoff.max));
        }
    }

    #[test]
    fn delays_double_up_to_the_bound() {
        let backoff = Backoff::default();
        let ceilings = [0, 1, 2, 6, 7, 32, u32::MAX].map(|attempts| backoff.ceiling(attempts).as_millis());
        assert_eq!(ceilings, [100, 200, 400, 6400, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn delays_fill_the_whole_range_and_differ_between_seeds() {
        let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(1) };
        let of = |seed| {
            let mut delays = Delays::new(backoff, seed);
            (0..1000).map(|_| delays.next_delay()).collect::<alloc::vec::Vec<_>>()
        };
        let (delays, others) = (of(1), of(2));
        assert_ne!(delays, others);
        for tenth in 0..10 {
            let from = Duration::from_millis(tenth * 100);
            let hits =
                delays.iter().filter(|&&delay| delay >= from && delay < from + Duration::from_millis(100)).count();
            assert!((50..200).contains(&hits), "{hits} of 1000 delays lie in the tenth that starts at {from:?}");
        }
    }
}
