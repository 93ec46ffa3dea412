//! A job in somebody's hands: what can be done with it, and whether it is still theirs.

use core::{fmt, ops::Deref};

use super::Session;
use crate::connect::Endpoint;
use crate::runtime::Runtime;
use beanstalk_proto::{
    Argument, Bury, CommandError, Delete, Error, Job, Peek, Priority, Release, ReleaseOutcome, ReserveJob, Seconds,
    StatsJob, Subject, Touch, TubeName, stats::JobStats,
};

/// A job that a [`Session`] holds. It is a [`Job`] with what can be done about it.
///
/// It is held until one of the verdicts ([`delete`](Self::delete), [`release`](Self::release), [`bury`](Self::bury)), until
/// its time to run ends, or until the connection does. Then the verdicts fail with [`Error::NotHeld`], and nothing is sent:
/// somebody else may be at it. [`JobHandle::reclaim`] tries to get it back.
///
/// Dropping a handle without a verdict sends nothing: the job stays held until its time to run or the connection ends.
pub struct JobHandle<'s, R: Runtime> {
    session: &'s mut Session<R>,
    job: Job,
    /// Which of the session's connections holds it.
    connection: u64,
    stats: Option<JobStats>,
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
    pub(super) const fn new(session: &'s mut Session<R>, job: Job) -> Self {
        let connection = session.connections();
        Self { session, job, connection, stats: None }
    }

    /// The session, to put a follow-up on, say.
    pub const fn session(&mut self) -> &mut Session<R> {
        self.session
    }

    /// The server that the job is on.
    #[must_use]
    pub const fn server(&self) -> &Endpoint {
        self.session.server()
    }

    /// Whether the connection that it was reserved on is still there, as far as is known. The time to run is not looked at.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.session.is_connected() && self.session.connections() == self.connection
    }

    /// The job's statistics, as they are now.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    ///
    /// # Errors
    ///
    /// Those of `stats-job`, and [`Error::NotHeld`].
    pub async fn stats(&mut self) -> Result<JobStats, Error> {
        self.hold().await?;
        let stats = self.session.call_on(Some(self.connection), StatsJob::new(self.job.id)).await;
        let stats = self.checked(stats)?;
        self.stats = Some(stats.clone());
        Ok(stats)
    }

    /// The tube that the job is in.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    ///
    /// # Errors
    ///
    /// As [`JobHandle::stats`].
    pub async fn tube(&mut self) -> Result<TubeName, Error> {
        self.known().await.map(|stats| stats.tube.clone().unwrap_or_default())
    }

    /// `touch`: the time to run begins anew.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the job may have been touched.
    ///
    /// # Errors
    ///
    /// Those of `touch`, and [`Error::NotHeld`].
    pub async fn touch(&mut self) -> Result<(), Error> {
        self.hold().await?;
        let result = self.session.call_on(Some(self.connection), Touch::new(self.job.id)).await;
        self.checked(result)
    }

    /// `delete`: it is done.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it has been polled, the job may have been deleted.
    ///
    /// # Errors
    ///
    /// Those of `delete`, and [`Error::NotHeld`].
    pub async fn delete(mut self) -> Result<(), Error> {
        self.hold().await?;
        let result = self.session.call_on(Some(self.connection), Delete::new(self.job.id)).await;
        self.checked(result)
    }

    /// `release`, with the priority it has: again, after this delay.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it has been polled, the job may have been released.
    ///
    /// # Errors
    ///
    /// Those of `release` and `stats-job`, and [`Error::NotHeld`].
    pub async fn release(mut self, delay: impl Argument<Seconds>) -> Result<ReleaseOutcome, Error> {
        let delay = delay.into_argument();
        let priority = self.priority().await?;
        self.hold().await?;
        let release = Release::new(self.job.id, priority, delay);
        let result = self.session.call_on(Some(self.connection), release).await;
        self.checked(result)
    }

    /// `bury`, with the priority it has: set aside, until it is kicked.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it has been polled, the job may have been buried.
    ///
    /// # Errors
    ///
    /// Those of `bury` and `stats-job`, and [`Error::NotHeld`].
    pub async fn bury(mut self) -> Result<(), Error> {
        let priority = self.priority().await?;
        self.hold().await?;
        let result = self.session.call_on(Some(self.connection), Bury::new(self.job.id, priority)).await;
        self.checked(result)
    }

    /// Takes the job back after the connection broke: `peek`, to see that its number still stands for the same body, then
    /// `reserve-job`. Needs servers from 1.12 on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the session may hold the job or not.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotFound`] if it is gone, if somebody else holds it, or if its number stands for another body.
    pub async fn reclaim(&mut self) -> Result<(), Error> {
        let (id, not_found) = (self.job.id, CommandError::NotFound);
        let found = self.session.call(Peek::new(id)).await?;
        let connection = self.session.connections();
        if self.is_held() {
            return Ok(());
        }
        if found.body != self.job.body {
            return Err(Error::Command { command: "reserve-job", subject: Subject::Job(id), error: not_found });
        }
        // Not on a later connection: the server may be another by then, and so the job.
        self.session.call_on(Some(connection), ReserveJob::new(id)).await?;
        self.connection = connection;
        Ok(())
    }

    /// The job alone, held as before.
    #[must_use]
    pub fn into_job(self) -> Job {
        self.job
    }

    async fn hold(&mut self) -> Result<(), Error> {
        match (self.is_held(), self.session.reclaims_jobs()) {
            (true, _) => Ok(()),
            (false, true) => self.reclaim().await,
            (false, false) => Err(Error::NotHeld { id: self.job.id }),
        }
    }

    /// A call that was kept from another connection was kept because the job is not held there.
    fn checked<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        match result {
            Err(Error::Closed { .. }) if self.session.connections() != self.connection => {
                Err(Error::NotHeld { id: self.job.id })
            }
            result => result,
        }
    }

    async fn priority(&mut self) -> Result<Priority, Error> {
        self.known().await.map(|stats| stats.pri.unwrap_or_default())
    }

    /// What does not change about it while it is held, asked for once.
    async fn known(&mut self) -> Result<&JobStats, Error> {
        let stats = match self.stats.take() {
            Some(stats) => stats,
            None => self.stats().await?,
        };
        Ok(self.stats.insert(stats))
    }
}
