//! What a handler makes of its job.

use alloc::string::String;
use core::time::Duration;

use beanstalk_proto::{Argument, Seconds};

/// What is to become of a job: a handler's result.
///
/// ```
/// use beanstalk_driver::{policy::Verdict, proto::Job};
///
/// /// What a handler returns for its job.
/// fn send(job: &Job) -> Verdict {
///     match job.text() {
///         Ok("") => Verdict::Done,
///         Ok(address) if is_busy(address) => Verdict::retry_after(60),
///         Ok(address) => {
///             println!("sending to {address}");
///             Verdict::Done
///         }
///         // It is no text, and never will be.
///         Err(_) => Verdict::Bury,
///     }
/// }
/// # fn is_busy(_: &str) -> bool { false }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Verdict {
    /// It is done: `delete`.
    Done,
    /// Again, after this delay: `release`, however often it was released before. It does not count as a failure for as
    /// long as this worker remembers it: it does so of the 10,000 jobs deferred last, until it is restarted.
    RetryAfter(Seconds),
    /// It failed: `release` or `bury`, by the [`RetryPolicy`](crate::policy::RetryPolicy). The same as an error or a panic.
    Failed,
    /// Set it aside: `bury`.
    Bury,
}

impl Verdict {
    /// Returns [`Verdict::RetryAfter`], from seconds or a [`Duration`](core::time::Duration).
    ///
    /// ```
    /// use beanstalk_driver::policy::Verdict;
    ///
    /// assert_eq!(Verdict::retry_after(30), Verdict::RetryAfter(30.into()));
    /// ```
    #[must_use]
    pub fn retry_after(delay: impl Argument<Seconds>) -> Self {
        Self::RetryAfter(delay.into_argument())
    }

    pub(super) const fn is_deferral(self) -> bool {
        matches!(self, Self::RetryAfter(_))
    }
}

/// How a handler ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A verdict on its job.
    Verdict(Verdict),
    /// An error, with its chain of sources.
    Failed(String),
    /// An error about the job's body, which cannot be decoded, with its chain of sources.
    Malformed(String),
    /// A panic, and what it was raised with.
    Panicked(String),
    /// It ran for as long as it may, which is so long.
    TimedOut(Duration),
    /// Nothing: the job is given back by closing the connection, and its counts stay what they are.
    GivenBack,
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}
