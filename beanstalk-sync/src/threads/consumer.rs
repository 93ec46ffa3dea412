//! The job of a consumer of threads: the driver's, with calls that block.

use std::{fmt, ops::Deref};

use beanstalk_driver::{self as tasks, HandlerError};
use beanstalk_proto::{Argument, Error, ReleaseOutcome, Seconds};

use super::{HeldJob, wait::block_on};

/// A job that [`Consumer::next`](crate::Consumer::next) returned, owned: it may be moved to another thread, and be finished in any order with others.
///
/// It is a [`HeldJob`], and by that a [`Job`](crate::Job). It is touched before its time to run is over for as long as this is there.
/// What becomes of it:
///
/// | | the server's command |
/// |---|---|
/// | [`delete`](Self::delete) | `delete` |
/// | [`release`](Self::release) | `release`, with the priority that it has |
/// | [`bury`](Self::bury) | `bury`, with the priority that it has |
/// | [`fail`](Self::fail) | `release` or `bury`, as the [`RetryPolicy`](crate::RetryPolicy) decides |
/// | dropping it | none: its connection is closed, which gives it back at once, with its priority, and none of its counts moves |
/// | dropping it as its thread panics | as [`fail`](Self::fail) |
///
/// After a drop its slot connects again after a [`Backoff`](crate::Backoff), which grows while no job of the slot is
/// finished: so a job that every consumer drops does not go round without a pause.
///
/// ```
/// use beanstalk_sync::{ConsumerJob, Error};
///
/// /// On a thread of its own, for as long as it takes.
/// fn send(job: ConsumerJob) -> Result<(), Error> {
///     match job.text() {
///         Ok(address) => println!("sending to {address}"),
///         Err(error) => return job.fail(error),
///     }
///     job.delete()
/// }
/// ```
#[must_use = "a job that is dropped is given back"]
pub struct ConsumerJob {
    job: HeldJob,
    acker: tasks::Acker,
}

impl From<tasks::ConsumerJob> for ConsumerJob {
    fn from(job: tasks::ConsumerJob) -> Self {
        let (job, acker) = job.split();
        Self { job: job.into(), acker }
    }
}

impl ConsumerJob {
    /// Deletes the job: it is done.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`] if its connection had broken, its time to run was over, or the time of a shutdown: nothing was
    /// sent. [`Error::Closed`] with [`Lost::Unknown`](crate::Lost::Unknown) if one of these came about before the server's reply: it may be
    /// deleted.
    pub fn delete(self) -> Result<(), Error> {
        block_on(self.acker.delete())
    }

    /// Releases the job with the priority that it has: it is ready again after this delay. It does not count as a failure.
    ///
    /// # Errors
    ///
    /// As [`ConsumerJob::delete`].
    pub fn release(self, delay: impl Argument<Seconds>) -> Result<ReleaseOutcome, Error> {
        block_on(self.acker.release(delay))
    }

    /// Buries the job with the priority that it has.
    ///
    /// # Errors
    ///
    /// As [`ConsumerJob::delete`].
    pub fn bury(self) -> Result<(), Error> {
        block_on(self.acker.bury())
    }

    /// Leaves it to the [`RetryPolicy`](crate::RetryPolicy) what becomes of the job, as it failed with this error: it is released with a
    /// delay that grows with each failure, and at last buried or moved to the tube for dead letters.
    ///
    /// # Errors
    ///
    /// As [`ConsumerJob::delete`].
    pub fn fail(self, error: impl HandlerError) -> Result<(), Error> {
        block_on(self.acker.fail(error))
    }
}

impl Deref for ConsumerJob {
    type Target = HeldJob;

    fn deref(&self) -> &HeldJob {
        &self.job
    }
}

impl fmt::Debug for ConsumerJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConsumerJob").field(&self.job).finish()
    }
}
