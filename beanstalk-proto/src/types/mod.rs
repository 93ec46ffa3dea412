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
///
/// ```
/// use beanstalk_proto::JobId;
///
/// // As it is printed, and as a database keeps it.
/// let id: JobId = "7".parse()?;
/// assert_eq!(id.to_string(), "7");
/// assert_eq!(JobId::from(u64::from(id)), id);
/// # Ok::<(), std::num::ParseIntError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobId(pub u64);

impl From<u64> for JobId {
    fn from(id: u64) -> Self {
        Self(id)
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
///
/// ```
/// use beanstalk_proto::{Priority, Put};
///
/// let reset = Put::of("reset a password").priority(Priority::MOST_URGENT);
/// let letter = Put::of("send a newsletter").priority(100_000);
/// // The smaller number is served first.
/// assert!(reset.priority < letter.priority);
/// assert_eq!(Put::of("hello").priority, Priority::default());
/// ```
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Bound(pub u32);

impl Bound {
    /// Returns a bound of so many jobs; of 2^32-1, the most that a command can express, where that is less.
    #[must_use]
    pub const fn up_to(jobs: u64) -> Self {
        Self(if jobs > u32::MAX as u64 { u32::MAX } else { jobs as u32 })
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

    /// Returns the number of seconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)))
    }
}

/// Makes arguments of 32 bits out of numbers.
macro_rules! from_numbers {
    ($($name:ident $what:literal)*) => {$(
        impl From<u32> for $name {
            fn from(number: u32) -> Self {
                Self(number.into())
            }
        }

        impl TryFrom<u64> for $name {
            type Error = ArgumentError;

            /// # Errors
            ///
            /// [`ArgumentError::TooLarge`] above 2^32-1, the most that a command can express.
            fn try_from(number: u64) -> Result<Self, ArgumentError> {
                let too_large = |_| ArgumentError::TooLarge { what: $what, number, limit: u32::MAX.into() };
                u32::try_from(number).map(Self::from).map_err(too_large)
            }
        }
    )*};
}

from_numbers!(Priority "a priority" Bound "a bound" Seconds "a number of seconds");

/// Makes numbers, and text, out of values that are numbers.
macro_rules! to_numbers {
    ($($name:ident $number:ty)*) => {$(
        impl From<$name> for $number {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

to_numbers!(JobId u64 Priority u32);
