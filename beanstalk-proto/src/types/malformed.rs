//! A job whose body is not what its consumer expects.

use alloc::boxed::Box;
use core::{any::type_name, error::Error, fmt};

use super::{Bytes, Job, JobId};

/// The body of a job cannot be decoded, and no further attempt will change that.
///
/// `Job::json` (feature `json`) fails with it, and so can a decoder of any other format. A worker recognises it in the chain of sources of its
/// handler's error and buries the job, instead of trying it again.
///
/// ```
/// use beanstalk_proto::{Job, JobId, MalformedJob};
///
/// let job = Job { id: JobId(7), body: b"seven".to_vec() };
/// let number = |job: &Job| -> Result<u32, MalformedJob> {
///     let text = job.text().map_err(|error| MalformedJob::new::<u32>(job, error))?;
///     text.parse().map_err(|error| MalformedJob::new::<u32>(job, error))
/// };
/// let error = number(&job).unwrap_err();
/// let why = "invalid digit found in string";
/// let text = format!("the body of job 7 (5 bytes) cannot be decoded as u32: {why}");
/// assert_eq!(error.to_string(), text);
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the body of job {} ({}) cannot be decoded as {}: {cause}", .cause.id, Bytes::of(.cause.bytes), .cause.expected)]
pub struct MalformedJob {
    #[source]
    cause: MalformedBody,
}

/// What is wrong with the body of a job: the source of a [`MalformedJob`].
///
/// Errors of `anyhow`, `eyre` and `thiserror` (`transparent`) can hide the error that they were made from, but not its source. So it is this
/// type that a worker looks for.
///
/// ```
/// use std::error::Error;
///
/// use beanstalk_proto::{Job, JobId, MalformedBody, MalformedJob};
///
/// let job = Job { id: JobId(7), body: b"seven".to_vec() };
/// let error = MalformedJob::new::<u32>(&job, "not a number");
/// let body = error.source().and_then(|source| source.downcast_ref::<MalformedBody>());
/// assert_eq!(body.map(MalformedBody::id), Some(JobId(7)));
/// assert_eq!(body.unwrap().to_string(), "not a number");
/// ```
#[derive(Debug)]
pub struct MalformedBody {
    id: JobId,
    bytes: usize,
    expected: &'static str,
    error: Box<dyn Error + Send + Sync + 'static>,
}

impl MalformedJob {
    /// Makes the error of a job whose body cannot be decoded as a `T`, from the decoder's error.
    pub fn new<T: ?Sized>(job: &Job, error: impl Into<Box<dyn Error + Send + Sync + 'static>>) -> Self {
        let (id, bytes, expected) = (job.id, job.body.len(), type_name::<T>());
        Self { cause: MalformedBody { id, bytes, expected, error: error.into() } }
    }

    /// Returns the id of the job.
    #[must_use]
    pub const fn id(&self) -> JobId {
        self.cause.id
    }
}

impl MalformedBody {
    /// Returns the id of the job.
    #[must_use]
    pub const fn id(&self) -> JobId {
        self.id
    }
}

impl fmt::Display for MalformedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for MalformedBody {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
