//! A job that a session holds: what can be done with it, and whether it is still held.

use core::{fmt, ops::Deref};

use super::{Session, reserved::ReservedJob};
use crate::{connect::Endpoint, runtime::Runtime};
use beanstalk_proto::{Argument, Error, Job, ReleaseOutcome, Seconds, TubeName, stats::JobStats};

/// A job that a [`Session`] holds. It is a [`Job`] with what can be done about it.
///
/// It is held until one of the verdicts ([`delete`](Self::delete), [`release`](Self::release), [`bury`](Self::bury)), until
/// its time to run ends, or until the connection does. Then the verdicts fail with [`Error::NotHeld`], and nothing is sent:
/// another worker may have it. [`JobHandle::reclaim`] tries to get it back.
///
/// Dropping a handle without a verdict sends nothing: the job stays held until its time to run or the connection ends.
pub struct JobHandle<'s, R: Runtime> {
    session: &'s mut Session<R>,
    job: ReservedJob,
}

impl<R: Runtime> fmt::Debug for JobHandle<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("job", &self.job).field("held", &self.is_held()).finish_non_exhaustive()
    }
}

impl<R: Runtime> Deref for JobHandle<'_, R> {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.job
    }
}

impl<'s, R: Runtime> JobHandle<'s, R> {
    pub(super) const fn new(session: &'s mut Session<R>, job: ReservedJob) -> Self {
        Self { session, job }
    }

    /// Returns the session, for example to put a follow-up on it.
    pub const fn session(&mut self) -> &mut Session<R> {
        self.session
    }

    /// Returns the server that the job is on.
    #[must_use]
    pub const fn server(&self) -> &Endpoint {
        self.session.server()
    }

    /// Returns whether the connection that it was reserved on is still there, as far as is known. The time to run is not looked at.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.job.is_held(self.session)
    }

    /// Returns the job's statistics, as they are now.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    ///
    /// # Errors
    ///
    /// Those of `stats-job`, and [`Error::NotHeld`].
    pub async fn stats(&mut self) -> Result<JobStats, Error> {
        self.job.stats(self.session).await
    }

    /// Returns the tube that the job is in. It is known without asking if the session watched only one.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    ///
    /// # Errors
    ///
    /// As [`JobHandle::stats`].
    pub async fn tube(&mut self) -> Result<TubeName, Error> {
        self.job.tube(self.session).await
    }

    /// Gives it its full time to run again: `touch`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the job may have been touched.
    ///
    /// # Errors
    ///
    /// Those of `touch`, and [`Error::NotHeld`].
    pub async fn touch(&mut self) -> Result<(), Error> {
        self.job.touch(self.session).await
    }

    /// Deletes it: it is done.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it has been polled, the job may have been deleted.
    ///
    /// # Errors
    ///
    /// Those of `delete`, and [`Error::NotHeld`].
    pub async fn delete(self) -> Result<(), Error> {
        self.job.delete(self.session).await
    }

    /// Releases it, with the priority it has: it is ready again after this delay.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it has been polled, the job may have been released.
    ///
    /// # Errors
    ///
    /// Those of `release` and `stats-job`, and [`Error::NotHeld`].
    pub async fn release(self, delay: impl Argument<Seconds>) -> Result<ReleaseOutcome, Error> {
        self.job.release(self.session, delay).await
    }

    /// Buries it, with the priority it has: it is set aside until it is kicked.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it has been polled, the job may have been buried.
    ///
    /// # Errors
    ///
    /// Those of `bury` and `stats-job`, and [`Error::NotHeld`].
    pub async fn bury(self) -> Result<(), Error> {
        self.job.bury(self.session).await
    }

    /// Takes the job back after the connection broke: `peek` and `stats-job`, to see that its id still stands for the same
    /// job, then `reserve-job`. See [`Reclaim`](crate::policy::Reclaim) for what makes it the same. Needs servers from 1.12 on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the session may hold the job or not.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotFound`](beanstalk_proto::CommandError::NotFound) if it is gone, if another connection holds it, or if its id stands
    /// for another job.
    pub async fn reclaim(&mut self) -> Result<(), Error> {
        self.job.reclaim(self.session).await
    }

    /// Returns the job alone, held as before.
    #[must_use]
    pub fn into_job(self) -> Job {
        self.job.into_job()
    }
}
