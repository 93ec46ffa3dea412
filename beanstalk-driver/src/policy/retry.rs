//! What becomes of a job that failed.
//!
//! ```text
//!             failures so far
//!   failed ──▶ 0: release, after first ──▶ 1: after 2·first ─ … ─▶ bury_after - 1: bury
//! ```
//!
//! The server counts for each job how often it was released, how often its ttr ran out, how often it was buried and how
//! often kicked. From these all workers of a queue compute the same number of failures:
//!
//! ```text
//!   failures = releases - deferrals + timeouts - sets · (bury_after - 1)        but at least 0
//!   sets     = min(buries, kicks)
//! ```
//!
//! - A job whose worker died without a word (its ttr ran out) has failed too.
//! - A job that was buried and kicked gets a full set of tries: those before it count no more. (A set that ended early,
//!   since a handler had the job buried, is taken for a whole one, so that what follows is longer.)
//! - A handler that asked for its job to be tried later has not failed. The server does not distinguish such a release,
//!   so the worker remembers how many of them there were: the `deferrals`, of the [`Deferrals::MOST`] jobs deferred last.
//!   **A restart forgets them**, and other processes do not see them: there, each counts as a failure.

use alloc::{collections::BTreeMap, format};
use core::{num::NonZeroU32, time::Duration};

use super::backoff::check_order;
use crate::connect::Endpoint;
use beanstalk_proto::{ArgumentError, JobId, Seconds, stats::JobStats};

/// When to try a failed job again, and when to set it aside.
///
/// The protocol has delays in whole seconds only. Delays are computed to the nanosecond, jitter included, and rounded up in the end: one
/// of 100 ms becomes 1 s, and only one of zero tries at once.
///
/// ```
/// use std::{num::NonZeroU32, time::Duration};
///
/// use beanstalk_driver::policy::{Failed, RetryPolicy};
///
/// let retry = RetryPolicy::default()
///     .first(Duration::from_secs(5))
///     .max(Duration::from_secs(600))
///     .jitter(0)
///     .bury_after(NonZeroU32::new(4));
/// // What follows the first failure, the third and the fourth:
/// assert_eq!(retry.failed(0, 0), Failed::Release(5.into()));
/// assert_eq!(retry.failed(2, 0), Failed::Release(20.into()));
/// assert_eq!(retry.failed(3, 0), Failed::Bury);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The delay after the first failure: 1 s unless changed. It doubles with each.
    #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
    pub first: Duration,
    /// The longest delay: an hour unless changed.
    #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
    pub max: Duration,
    /// How much of a delay is left to chance, in percent: 20 unless changed, and 100 at most. So much is taken off at random, so that
    /// jobs which failed together are not all tried again together.
    pub jitter: u8,
    /// The failure after which a job is buried: the tenth unless changed. `None` never buries.
    pub bury_after: Option<NonZeroU32>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(3600),
            jitter: 20,
            bury_after: NonZeroU32::new(10),
        }
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
    /// Sets the delay after the first failure. It doubles with each.
    #[must_use]
    pub const fn first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// Sets the longest delay.
    #[must_use]
    pub const fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// Sets how much of a delay is left to chance, in percent, 100 at most.
    #[must_use]
    pub const fn jitter(mut self, jitter: u8) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets the failure after which a job is buried; `None` buries none.
    #[must_use]
    pub fn bury_after(mut self, bury_after: impl Into<Option<NonZeroU32>>) -> Self {
        self.bury_after = bury_after.into();
        self
    }

    /// Refuses a first delay that is longer than the longest, and more than 100 percent of jitter.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Setting`].
    pub fn check(&self) -> Result<(), ArgumentError> {
        if self.jitter > 100 {
            return Err(ArgumentError::setting(
                "retry",
                format!("a jitter of {} % is more than the whole delay", self.jitter),
            ));
        }
        check_order("retry", self.first, self.max)
    }

    /// Returns what becomes of a job that has failed now, and had failed so many times before. The random number is for the jitter.
    #[must_use]
    pub fn failed(&self, failures: u64, random: u64) -> Failed {
        match self.bury_after {
            Some(limit) if failures.saturating_add(1) >= u64::from(limit.get()) => Failed::Bury,
            _ => {
                let doublings = u32::try_from(failures).unwrap_or(u32::MAX);
                let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
                let delay = self.first.saturating_mul(factor).min(self.max);
                Failed::Release(delay.saturating_sub(self.off(delay, random)).into())
            }
        }
    }

    /// What is taken off a delay.
    fn off(&self, delay: Duration, random: u64) -> Duration {
        let most = delay.as_nanos().saturating_mul(self.jitter.min(100).into()).checked_div(100).unwrap_or_default();
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        // The high half of the product is uniform below `most`.
        let off = u128::from(random).saturating_mul(u128::from(most)) >> 64;
        Duration::from_nanos(u64::try_from(off).unwrap_or(most))
    }

    /// Returns how many times a job had failed before, by the server's counts and after so many deferrals.
    ///
    /// `releases - deferrals + timeouts - min(buries, kicks) · (bury_after - 1)`, but at least 0.
    #[must_use]
    pub fn failures(&self, stats: &JobStats, deferrals: u64) -> u64 {
        let [releases, timeouts, buries, kicks] =
            [stats.releases, stats.timeouts, stats.buries, stats.kicks].map(Option::unwrap_or_default);
        // With fewer releases than deferrals it is not the job that was deferred: another has got its id.
        let releases = releases.checked_sub(deferrals).unwrap_or(releases);
        let set = self.bury_after.map_or(0, |limit| u64::from(limit.get()).saturating_sub(1));
        releases.saturating_add(timeouts).saturating_sub(buries.min(kicks).saturating_mul(set))
    }
}

/// How often jobs were released because their handlers asked for that, and not because they failed.
#[derive(Debug, Default)]
pub struct Deferrals {
    servers: BTreeMap<Endpoint, BTreeMap<JobId, Deferred>>,
    /// By when they were last deferred.
    order: BTreeMap<u64, (Endpoint, JobId)>,
    next: u64,
}

#[derive(Debug, Default)]
struct Deferred {
    times: u64,
    last: Option<u64>,
}

impl Deferrals {
    /// Jobs that are remembered: 10,000, over all servers. Those deferred longest ago are forgotten first.
    pub const MOST: usize = 10_000;

    /// Makes one that remembers nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { servers: BTreeMap::new(), order: BTreeMap::new(), next: 0 }
    }

    /// Notes that this job is about to be released as its handler asked.
    pub fn note(&mut self, server: &Endpoint, id: JobId) {
        let now = self.next;
        self.next = self.next.saturating_add(1);
        let deferred = self.servers.entry(server.clone()).or_default().entry(id).or_default();
        deferred.times = deferred.times.saturating_add(1);
        if let Some(before) = deferred.last.replace(now) {
            self.order.remove(&before);
        }
        self.order.insert(now, (server.clone(), id));
        if self.order.len() > Self::MOST {
            self.forget_oldest();
        }
    }

    /// Returns how often this job was released as its handlers asked, as far as is remembered.
    #[must_use]
    pub fn count(&self, server: &Endpoint, id: JobId) -> u64 {
        self.servers.get(server).and_then(|jobs| jobs.get(&id)).map_or(0, |deferred| deferred.times)
    }

    fn forget_oldest(&mut self) {
        let Some((_, (server, id))) = self.order.pop_first() else { return };
        if let Some(jobs) = self.servers.get_mut(&server) {
            jobs.remove(&id);
            if jobs.is_empty() {
                self.servers.remove(&server);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delays_double_until_the_job_is_buried() {
        let policy = RetryPolicy::default().bury_after(NonZeroU32::new(4));
        let after = [0, 1, 2, 3, 4].map(|failures| policy.failed(failures, 0));
        let release = |seconds: u32| Failed::Release(seconds.into());
        assert_eq!(after, [release(1), release(2), release(4), Failed::Bury, Failed::Bury]);
    }

    #[test]
    fn a_whole_delay_may_be_left_to_chance_and_no_more() {
        assert_eq!(RetryPolicy::default().jitter(100).check(), Ok(()));
        assert!(matches!(RetryPolicy::default().jitter(101).check(), Err(ArgumentError::Setting { .. })));
    }

    #[test]
    fn jitter_takes_its_share_at_most_and_delays_are_rounded_up() {
        let policy = RetryPolicy { first: Duration::from_secs(100), ..RetryPolicy::default() };
        let delay = |policy: &RetryPolicy, random| match policy.failed(0, random) {
            Failed::Release(delay) => delay.get(),
            Failed::Bury => panic!("buried"),
        };
        assert_eq!([0, u64::MAX / 2, u64::MAX].map(|random| delay(&policy, random)), [100, 91, 81]);
        let none = RetryPolicy { jitter: 0, ..policy };
        assert_eq!(delay(&none, u64::MAX), 100);
        for (millis, seconds) in [(0, 0), (1, 1), (1000, 1), (1001, 2)] {
            let short = RetryPolicy { first: Duration::from_millis(millis), ..none };
            assert_eq!(delay(&short, 0), seconds, "{millis} ms");
        }
        assert!(RetryPolicy { jitter: 101, ..policy }.check().is_err());
    }

    #[test]
    fn timeouts_count_as_failures_like_releases() {
        let policy = RetryPolicy::default();
        let stats = JobStats { releases: Some(2), timeouts: Some(3), ..JobStats::default() };
        assert_eq!(policy.failures(&stats, 0), 5);
        assert_eq!(policy.failures(&JobStats::default(), 0), 0);
    }

    #[test]
    fn deferrals_are_no_failures_unless_they_are_another_jobs() {
        let policy = RetryPolicy::default();
        let stats = JobStats { releases: Some(5), timeouts: Some(1), ..JobStats::default() };
        assert_eq!([0, 3, 5, 6].map(|deferrals| policy.failures(&stats, deferrals)), [6, 3, 1, 6]);
    }

    #[test]
    fn a_job_that_was_buried_and_kicked_has_a_full_set_of_tries() {
        let policy = RetryPolicy { bury_after: NonZeroU32::new(3), ..RetryPolicy::default() };
        let mut stats = JobStats { releases: Some(0), buries: Some(0), kicks: Some(0), ..JobStats::default() };
        let mut tries = 0;
        for set in 1..5 {
            loop {
                tries += 1;
                match policy.failed(policy.failures(&stats, 0), 0) {
                    Failed::Release(_) => stats.releases = stats.releases.map(|releases| releases + 1),
                    Failed::Bury => break,
                }
            }
            assert_eq!(tries, 3 * set);
            (stats.buries, stats.kicks) = (Some(set), Some(set));
        }
        // A kick of a job that was only delayed grants nothing.
        let kicked = JobStats { releases: Some(2), kicks: Some(9), ..JobStats::default() };
        assert_eq!(policy.failed(policy.failures(&kicked, 0), 0), Failed::Bury);
    }

    #[test]
    fn the_jobs_deferred_last_are_remembered_for_each_server() {
        let address = |text: &str| -> Endpoint { text.parse().expect("an address") };
        let (a, b) = (address("a:1"), address("b:1"));
        let mut deferrals = Deferrals::new();
        deferrals.note(&a, JobId(1));
        let most = Deferrals::MOST as u64;
        for id in 2..=most {
            deferrals.note(&a, JobId(id));
        }
        deferrals.note(&a, JobId(1));
        assert_eq!([deferrals.count(&a, JobId(1)), deferrals.count(&b, JobId(1))], [2, 0]);
        deferrals.note(&b, JobId(1));
        let counts = [(&a, 1), (&b, 1), (&a, 2), (&a, 3)].map(|(server, id)| deferrals.count(server, JobId(id)));
        assert_eq!(counts, [2, 1, 0, 1], "job 2 was deferred longest ago");
        for id in 0..most {
            deferrals.note(&b, JobId(id + most));
        }
        assert_eq!(deferrals.count(&a, JobId(most)), 0);
        assert_eq!((deferrals.order.len(), deferrals.servers.len()), (Deferrals::MOST, 1));
    }

    proptest! {
        #[test]
        fn a_job_is_buried_exactly_from_its_last_allowed_failure_on(limit in 1_u32.., failures: u64, random: u64) {
            let policy = RetryPolicy { bury_after: NonZeroU32::new(limit), ..RetryPolicy::default() };
            prop_assert_eq!(policy.failed(failures, random) == Failed::Bury, u128::from(failures) + 1 >= u128::from(limit));
        }

        #[test]
        fn without_a_limit_the_delay_is_bounded_and_never_shrinks(failures: u64) {
            let policy = RetryPolicy { bury_after: None, ..RetryPolicy::default() };
            let (now, next) = (policy.failed(failures, 0), policy.failed(failures.saturating_add(1), 0));
            let (Failed::Release(now), Failed::Release(next)) = (now, next) else { panic!("buried") };
            prop_assert!(now <= next && next <= policy.max.into());
        }
    }
}
