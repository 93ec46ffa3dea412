//! The results of requests: jobs, and what became of them.

use alloc::{format, vec::Vec};
use core::{fmt, str::Utf8Error};

use thiserror::Error;

use super::JobId;

/// A job as the server hands it out: its id and its body, any bytes at all.
///
/// ```
/// use beanstalk_proto::{Job, JobId};
///
/// let job = Job { id: JobId(7), body: b"to: ann".to_vec() };
/// assert_eq!(job.text(), Ok("to: ann"));
/// assert_eq!(&job.body[..3], b"to:"); // what is not text
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Job {
    /// The id, for `delete`, `release`, `bury`, `touch`.
    pub id: JobId,
    /// The body, byte for byte as it was put.
    pub body: Vec<u8>,
}

impl Job {
    /// Returns the body as text.
    ///
    /// # Errors
    ///
    /// The place of the first byte that is not UTF-8.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        core::str::from_utf8(&self.body)
    }

    /// Returns what the body is in JSON. A value that borrows from the body is not copied.
    ///
    /// ```
    /// use beanstalk_proto::{Body, Job, JobId};
    ///
    /// let job = Job { id: JobId(7), body: Body::json(&("ann", 4))?.to_vec() };
    /// assert_eq!(job.json::<(&str, u32)>()?, ("ann", 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MalformedJob`](super::MalformedJob) if the body is not JSON, or is not a `T`. A worker whose handler fails with it buries the job.
    #[cfg(feature = "json")]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, super::MalformedJob> {
        serde_json::from_slice(&self.body).map_err(|error| super::MalformedJob::new::<T>(self, error))
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// As much of a body as helps in a log line.
        const SHOWN: usize = 64;
        let shown = self.body.get(..SHOWN).unwrap_or(&self.body);
        let rest = if self.body.len() > SHOWN { "…" } else { "" };
        write!(f, "Job({}, {} bytes, \"{}{rest}\")", self.id, self.body.len(), shown.escape_ascii())
    }
}

/// What became of a `put`.
///
/// A server may bury a job without being asked to, so this must not be ignored. Where a buried job is an error:
///
/// ```
/// use beanstalk_proto::{Error, JobId, PutOutcome};
///
/// # fn put() -> Result<PutOutcome, Error> { Ok(PutOutcome::Inserted(JobId(7))) }
/// # fn example() -> Result<(), Error> {
/// let id = put()?.inserted()?;
/// # assert_eq!(id, JobId(7));
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
#[must_use = "the job may have been buried for lack of memory: look, or make that an error with `.inserted()?`"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum PutOutcome {
    /// `INSERTED <id>`: the job is in the tube.
    Inserted(JobId),
    /// `BURIED <id>`: the server had no memory to grow the ready queue; the job exists, buried, until it is kicked.
    Buried(JobId),
}

impl PutOutcome {
    /// Returns the job's id, whichever way it went.
    #[must_use]
    pub const fn id(self) -> JobId {
        match self {
            Self::Inserted(id) | Self::Buried(id) => id,
        }
    }

    /// Returns the id of the job that was queued.
    ///
    /// # Errors
    ///
    /// [`Buried`], which becomes [`Error::Buried`](crate::Error::Buried), if it was buried instead.
    pub const fn inserted(self) -> Result<JobId, Buried> {
        match self {
            Self::Inserted(id) => Ok(id),
            Self::Buried(id) => Err(Buried { id: Some(id) }),
        }
    }

    /// Returns whether the job was buried instead of queued.
    #[must_use]
    pub const fn is_buried(self) -> bool {
        matches!(self, Self::Buried(_))
    }
}

/// What became of a `release`.
///
/// Where a buried job is an error:
///
/// ```
/// use beanstalk_proto::{Error, ReleaseOutcome};
///
/// # fn release() -> Result<ReleaseOutcome, Error> { Ok(ReleaseOutcome::Released) }
/// # fn example() -> Result<(), Error> {
/// release()?.released()?;
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
#[must_use = "the job may have been buried for lack of memory: look, or make that an error with `.released()?`"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum ReleaseOutcome {
    /// `RELEASED`: the job is ready, or delayed.
    Released,
    /// `BURIED`: the server had no memory to grow the queue; the job is buried.
    Buried,
}

impl ReleaseOutcome {
    /// Returns whether the job was buried instead of queued.
    #[must_use]
    pub const fn is_buried(self) -> bool {
        matches!(self, Self::Buried)
    }

    /// Returns nothing if the job was queued.
    ///
    /// # Errors
    ///
    /// [`Buried`], which becomes [`Error::Buried`](crate::Error::Buried), if it was buried instead.
    pub const fn released(self) -> Result<(), Buried> {
        match self {
            Self::Released => Ok(()),
            Self::Buried => Err(Buried { id: None }),
        }
    }
}

/// `BURIED`, for whom that is an error: the server had no memory to queue a job. The job exists, buried, until it is kicked.
///
/// ```
/// use beanstalk_proto::{Buried, JobId, PutOutcome};
///
/// let buried = PutOutcome::Buried(JobId(7)).inserted().unwrap_err();
/// assert_eq!(buried, Buried { id: Some(JobId(7)) });
/// assert!(buried.to_string().starts_with("job 7 was buried: the server had no memory"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("{} was buried: the server had no memory to queue it, and it waits to be kicked", .id.map_or("the job".into(), |id| format!("job {id}")))]
pub struct Buried {
    /// The job, if the server named it: after a `put` it does.
    pub id: Option<JobId>,
}

/// What came of waiting for a job.
///
/// ```
/// use beanstalk_proto::{Job, JobId, Reserved};
///
/// # let mut replies = [Reserved::Job(Job { id: JobId(7), body: b"hello".to_vec() }), Reserved::TimedOut].into_iter();
/// # let mut reserve = || replies.next().unwrap_or(Reserved::TimedOut);
/// # let mut worked = 0;
/// loop {
///     match reserve() {
///         Reserved::Job(job) => {
///             assert_eq!(job.body, b"hello");
///             // Work on it, and delete it.
/// #           worked += 1;
///         }
///         Reserved::DeadlineSoon => println!("touch or finish the job that is held already"),
///         Reserved::TimedOut => break,
///     }
/// }
/// # assert_eq!(worked, 1);
/// ```
#[must_use = "a job that came is reserved until its time to run is over, and a job held already may be about to expire"]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Reserved {
    /// `RESERVED`: the job is this connection's until its time to run is over.
    Job(Job),
    /// `TIMED_OUT`: no job came in time.
    TimedOut,
    /// `DEADLINE_SOON`: a job this connection holds already has less than a second left. Finish it or `touch` it;
    /// the reserve has ended.
    DeadlineSoon,
}

impl Reserved {
    /// Returns the job, if there is one.
    #[must_use]
    pub fn job(self) -> Option<Job> {
        match self {
            Self::Job(job) => Some(job),
            Self::TimedOut | Self::DeadlineSoon => None,
        }
    }
}
