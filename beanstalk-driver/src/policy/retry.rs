//! What becomes of a job that failed.
//!
//! ```text
//!             failures so far: releases + timeouts, as the server counts them
//!   failed ──▶ 0: release, after first ──▶ 1: after 2·first ─ … ─▶ bury_after - 1: bury
//! ```
//!
//! The counts are the job's own and the server's, so that all workers agree and a restart forgets nothing. A job whose
//! worker died without a word (its ttr ran out) has failed too.

use core::{num::NonZeroU32, time::Duration};

use super::backoff::check_order;
use beanstalk_proto::{ArgumentError, Seconds, stats::JobStats};

/// When to try a failed job again, and when to set it aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The delay after the first failure: 1 s unless changed. It doubles with each.
    pub first: Duration,
    /// The longest delay: an hour unless changed.
    pub max: Duration,
    /// The failure after which a job is buried: the tenth unless changed. `None` tries for ever.
    pub bury_after: Option<NonZeroU32>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(3600), bury_after: NonZeroU32::new(10) }
    }
}

/// What becomes of a job that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// `release` with this delay.
    Release(Seconds),
    /// `bury`.
    Bury,
}

impl RetryPolicy {
    /// Refuses a first delay that is longer than the longest.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Setting`].
    pub fn check(&self) -> Result<(), ArgumentError> {
        check_order("retry", self.first, self.max)
    }

    /// What becomes of a job that has failed now, and had failed so many times before.
    #[must_use]
    pub fn failed(&self, failures: u64) -> Failed {
        match self.bury_after {
            Some(limit) if failures.saturating_add(1) >= u64::from(limit.get()) => Failed::Bury,
            _ => {
                let doublings = u32::try_from(failures).unwrap_or(u32::MAX);
                let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
                Failed::Release(self.first.saturating_mul(factor).min(self.max).into())
            }
        }
    }

    /// How many times a job had failed before, by the server's counts.
    #[must_use]
    pub fn failures(stats: &JobStats) -> u64 {
        stats.releases.unwrap_or(0).saturating_add(stats.timeouts.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delays_double_until_the_job_is_buried() {
        let policy = RetryPolicy { bury_after: NonZeroU32::new(4), ..RetryPolicy::default() };
        let after = [0, 1, 2, 3, 4].map(|failures| policy.failed(failures));
        let release = |seconds: u32| Failed::Release(seconds.into());
        assert_eq!(after, [release(1), release(2), release(4), Failed::Bury, Failed::Bury]);
    }

    #[test]
    fn timeouts_count_as_failures_like_releases() {
        let stats = JobStats { releases: Some(2), timeouts: Some(3), ..JobStats::default() };
        assert_eq!(RetryPolicy::failures(&stats), 5);
        assert_eq!(RetryPolicy::failures(&JobStats::default()), 0);
    }

    proptest! {
        #[test]
        fn a_job_is_buried_exactly_from_its_last_allowed_failure_on(limit in 1_u32.., failures: u64) {
            let policy = RetryPolicy { bury_after: NonZeroU32::new(limit), ..RetryPolicy::default() };
            prop_assert_eq!(policy.failed(failures) == Failed::Bury, u128::from(failures) + 1 >= u128::from(limit));
        }

        #[test]
        fn without_a_limit_the_delay_is_bounded_and_never_shrinks(failures: u64) {
            let policy = RetryPolicy { bury_after: None, ..RetryPolicy::default() };
            let (now, next) = (policy.failed(failures), policy.failed(failures.saturating_add(1)));
            let (Failed::Release(now), Failed::Release(next)) = (now, next) else { panic!("buried") };
            prop_assert!(now <= next && next <= policy.max.into());
        }
    }
}
