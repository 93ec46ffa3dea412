//! What a handler may return, and what becomes of it if it fails.

use alloc::{boxed::Box, string::String};
use core::{error::Error, fmt, time::Duration};

use crate::{
    connect::Endpoint,
    policy::{Verdict, chain, rounded::rounded},
};
use beanstalk_proto::{JobId, MalformedBody, stats::JobStats};

/// An error of any type, with its chain of sources: what `?` makes of every error in a handler that returns it.
///
/// ```
/// use beanstalk_driver::{BoxError, proto::Job};
///
/// fn add(job: &Job) -> Result<(), BoxError> {
///     let number: u32 = job.text()?.parse()?;
///     if number == 0 {
///         return Err("there is nothing to add".into());
///     }
///     Ok(())
/// }
/// ```
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// What a handler may return: `()`, a [`Verdict`], `Result<(), E>` or `Result<Verdict, E>`.
///
/// `()` is [`Verdict::Done`], and an error [`Verdict::Failed`]. `E` is whatever the operator `?` turns into a boxed error: a type
/// that implements [`Error`] and is `Send + Sync + 'static`, the error of `anyhow` or `eyre`, a [`BoxError`], a `String` or a
/// `&str`. Its whole chain of [sources](Error::source) is written to the event and the log.
///
/// ```
/// use beanstalk_driver::{HandlerResult, policy::Verdict};
///
/// assert_eq!(().into_outcome().unwrap(), Verdict::Done);
/// assert_eq!(Verdict::Bury.into_outcome().unwrap(), Verdict::Bury);
/// let parsed = "seven".parse::<u32>().map(|_| ());
/// let error = parsed.into_outcome().unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "this handler returns `{Self}`",
    note = "a handler returns `()`, `Verdict`, `Result<(), E>` or `Result<Verdict, E>`, an asynchronous one a future of one of these",
    note = "handlers of `beanstalk-sync` are functions, those of the other crates `async fn`s",
    note = "`E` implements `std::error::Error + Send + Sync + 'static`, or is `anyhow::Error`, `Box<dyn Error + Send + Sync>`, `String` or `&str`"
)]
pub trait HandlerResult {
    /// Returns what is to become of the job, or why its handler failed.
    ///
    /// # Errors
    ///
    /// The handler's.
    fn into_outcome(self) -> Result<Verdict, BoxError>;
}

impl HandlerResult for () {
    fn into_outcome(self) -> Result<Verdict, BoxError> {
        Ok(Verdict::Done)
    }
}

impl HandlerResult for Verdict {
    fn into_outcome(self) -> Result<Verdict, BoxError> {
        Ok(self)
    }
}

impl<E: HandlerError> HandlerResult for Result<(), E> {
    fn into_outcome(self) -> Result<Verdict, BoxError> {
        self.map(|()| Verdict::Done).map_err(HandlerError::into_boxed)
    }
}

impl<E: HandlerError> HandlerResult for Result<Verdict, E> {
    fn into_outcome(self) -> Result<Verdict, BoxError> {
        self.map_err(HandlerError::into_boxed)
    }
}

/// An error that a handler may return: see [`HandlerResult`]. It is implemented for whatever turns into a [`BoxError`].
///
/// ```
/// use beanstalk_driver::{HandlerError, HandlerResult};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("the mail server is away")]
/// struct Away;
///
/// assert_eq!(Away.into_boxed().to_string(), "the mail server is away");
/// // So this is what a handler may return.
/// assert!(Err::<(), _>(Away).into_outcome().is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot fail with `{Self}`",
    label = "this handler's error is `{Self}`",
    note = "let it implement `std::error::Error + Send + Sync + 'static`, or return a `String`, a `&str`, an `anyhow::Error` or a `Box<dyn Error + Send + Sync>`"
)]
pub trait HandlerError {
    /// Returns it as an error of any type.
    fn into_boxed(self) -> BoxError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> HandlerError for E {
    fn into_boxed(self) -> BoxError {
        self.into()
    }
}

/// A handler that has failed, for the function that chooses what becomes of its job.
///
/// ```
/// use beanstalk_driver::{Failure, HandlerTimedOut, policy::Verdict};
///
/// /// For `WorkerBuilder::on_failure`.
/// fn decide(failure: &Failure<'_>) -> Verdict {
///     match failure.error {
///         // Once more, and then set it aside.
///         error if error.is::<HandlerTimedOut>() && failure.attempt > 1 => Verdict::Bury,
///         // By the retry policy.
///         _ => Verdict::Failed,
///     }
/// }
/// # let _: fn(&Failure<'_>) -> Verdict = decide;
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Failure<'a> {
    /// The server.
    pub server: &'a Endpoint,
    /// The job.
    pub id: JobId,
    /// Which attempt this was, counted from 1.
    pub attempt: u64,
    /// The handler's error; a [`HandlerPanicked`] if it panicked, a [`HandlerTimedOut`] if it took too long, and a text if its verdict was [`Verdict::Failed`].
    pub error: &'a (dyn Error + Send + Sync + 'static),
    /// The job's statistics.
    pub stats: &'a JobStats,
}

/// A handler panicked, with this message: the [`Failure::error`] of its job.
///
/// ```
/// use beanstalk_driver::{Failure, HandlerPanicked, policy::Verdict};
///
/// /// For `WorkerBuilder::on_failure`: what panics once will again.
/// fn decide(failure: &Failure<'_>) -> Verdict {
///     if failure.error.is::<HandlerPanicked>() { Verdict::Bury } else { Verdict::Failed }
/// }
/// # let _: fn(&Failure<'_>) -> Verdict = decide;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerPanicked(pub String);

impl fmt::Display for HandlerPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the handler panicked: {}", self.0)
    }
}

impl Error for HandlerPanicked {}

/// A handler ran for longer than `WorkerBuilder::handler_timeout` allows, which is this: the [`Failure::error`] of its job.
///
/// ```
/// use std::time::Duration;
///
/// use beanstalk_driver::{BoxError, HandlerTimedOut};
///
/// let error: BoxError = HandlerTimedOut(Duration::from_secs(30)).into();
/// let HandlerTimedOut(after) = error.downcast_ref().expect("it is one");
/// assert_eq!(after.as_secs(), 30);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlerTimedOut(pub Duration);

impl fmt::Display for HandlerTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the handler timed out after {:?}", rounded(self.0))
    }
}

impl Error for HandlerTimedOut {}

/// The owner of a job has dropped it.
#[derive(Debug)]
pub(super) struct GivenBack;

impl fmt::Display for GivenBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the job was dropped")
    }
}

impl Error for GivenBack {}

/// Returns whether an error, or one in its chain of sources, is that the body of this job is malformed.
pub(super) fn is_malformed(id: JobId, error: &(dyn Error + 'static)) -> bool {
    chain(error).filter_map(|error| error.downcast_ref::<MalformedBody>()).any(|body| body.id() == id)
}

/// Chooses what becomes of a job whose handler has failed.
pub(super) type OnFailure = Box<dyn Fn(&Failure<'_>) -> Verdict + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;
    use beanstalk_proto::{Job, MalformedJob};

    #[test]
    fn the_time_of_a_handler_that_took_too_long_is_printed_as_people_read_it() {
        let error = HandlerTimedOut(Duration::from_nanos(1_239_999_999));
        assert_eq!(alloc::format!("{error}"), "the handler timed out after 1.23s");
    }

    #[test]
    fn only_the_body_of_the_job_in_hand_makes_that_malformed() {
        let job = Job { id: JobId(7), body: b"seven".to_vec() };
        let error = || MalformedJob::new::<u32>(&job, "no number");
        assert!(is_malformed(JobId(7), &error()));
        assert!(is_malformed(JobId(7), &*BoxError::from(std::io::Error::other(error()))));
        assert!(!is_malformed(JobId(8), &error()));
        assert!(!is_malformed(JobId(7), &HandlerPanicked("no number".into())));
    }
}
