//! The values that travel: tube names, job ids, priorities, whole seconds, bodies; and what is wrong with one that cannot.

mod argument;
mod body;
mod dialect;
mod excerpt;
mod into;
mod malformed;
mod outcome;
mod subject;
mod tube;

use core::{fmt, str::FromStr, time::Duration};

pub use self::{
    argument::{ArgumentError, TubeNameError, TubeNameRule},
    body::Body,
    dialect::Dialect,
    excerpt::Excerpt,
    into::Argument,
    malformed::{MalformedBody, MalformedJob},
    outcome::{Buried, Job, PutOutcome, ReleaseOutcome, Reserved},
    subject::Subject,
    tube::{TubeArg, TubeName},
};
pub(crate) use self::{
    subject::{Bytes, shortened},
    tube::is_name_byte,
};

/// The number the server gave a job: unique in that server, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobId(pub u64);

impl From<u64> for JobId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl From<JobId> for u64 {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for JobId {
    type Err = core::num::ParseIntError;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        id.parse().map(Self)
    }
}

/// How urgent a job is: 0 is the most urgent, 2^32-1 the least.
///
/// [`Priority::default`] is 1024, the first value the server no longer counts as "urgent" in its statistics; it
/// leaves room on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Priority(pub u32);

impl Priority {
    /// 0: served before everything else.
    pub const MOST_URGENT: Self = Self(0);
    /// 2^32-1: served after everything else.
    pub const LEAST_URGENT: Self = Self(u32::MAX);
    /// Jobs with a priority below this value count as "urgent" in the statistics.
    pub const URGENT_BELOW: Self = Self(1024);
}

impl Default for Priority {
    /// 1024.
    fn default() -> Self {
        Self::URGENT_BELOW
    }
}

impl From<u32> for Priority {
    fn from(priority: u32) -> Self {
        Self(priority)
    }
}

impl TryFrom<u64> for Priority {
    type Error = ArgumentError;

    /// # Errors
    ///
    /// [`ArgumentError::TooLarge`] above 2^32-1.
    fn try_from(priority: u64) -> Result<Self, ArgumentError> {
        fits_u32("a priority", priority).map(Self)
    }
}

impl From<Priority> for u32 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How many jobs a `kick` may make ready at most.
///
/// ```
/// use beanstalk_proto::Bound;
///
/// assert_eq!(Bound::from(100), Bound(100));
/// assert_eq!(Bound::up_to(5_000_000_000), Bound(u32::MAX));
/// assert_eq!(Bound::from(Some(7)), Bound(7)); // as statistics count
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound(pub u32);

impl Bound {
    /// At most so many jobs; 2^32-1, the most that a command can express, where that is less.
    #[must_use]
    pub const fn up_to(jobs: u64) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "it was compared")]
        Self(if jobs > u32::MAX as u64 { u32::MAX } else { jobs as u32 })
    }
}

impl From<u32> for Bound {
    fn from(bound: u32) -> Self {
        Self(bound)
    }
}

impl TryFrom<u64> for Bound {
    type Error = ArgumentError;

    /// # Errors
    ///
    /// [`ArgumentError::TooLarge`] above 2^32-1; [`Bound::up_to`] takes that for 2^32-1.
    fn try_from(bound: u64) -> Result<Self, ArgumentError> {
        fits_u32("a bound", bound).map(Self)
    }
}

impl From<Option<u64>> for Bound {
    /// As many as statistics count, as in `kick(stats.current_jobs_buried)`; none where the server did not send that field.
    fn from(jobs: Option<u64>) -> Self {
        Self::up_to(jobs.unwrap_or(0))
    }
}

/// A duration as the protocol has it: whole seconds.
///
/// Made from a number of seconds or from a [`Duration`], which is rounded **up**, so that nothing becomes shorter
/// than asked for (and half a second does not become "none"). Whether it fits the command is checked when the
/// request is queued: at most 2^32-1 s, a reserve timeout at most 2^31-1 s.
///
/// ```
/// use beanstalk_proto::Seconds;
/// use core::time::Duration;
///
/// assert_eq!(Seconds::from(30).get(), 30);
/// assert_eq!(Seconds::from(Duration::from_millis(1500)).get(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(try_from = "u64"))]
pub struct Seconds(u64);

impl Seconds {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// The number of seconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u32> for Seconds {
    fn from(seconds: u32) -> Self {
        Self(seconds.into())
    }
}

impl TryFrom<u64> for Seconds {
    type Error = ArgumentError;

    /// # Errors
    ///
    /// [`ArgumentError::TooLarge`] above 2^32-1, the most that a command can express.
    fn try_from(seconds: u64) -> Result<Self, ArgumentError> {
        fits_u32("a number of seconds", seconds).map(Self::from)
    }
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)))
    }
}

fn fits_u32(what: &'static str, number: u64) -> Result<u32, ArgumentError> {
    u32::try_from(number).map_err(|_| ArgumentError::TooLarge { what, number, limit: u32::MAX.into() })
}
