//! A job that a session has reserved, and what can be done with it.
//!
//! ```text
//!            the connection is gone                      reclaim: the same body, and nobody has it
//!   held ─────────────────────────────▶ held no more ──────────────────────────────────────────────▶ held
//!    │ delete, release, bury
//!    ▼
//!   finished: the handle is consumed
//! ```

use std::{fmt, ops::Deref};

use beanstalk_driver::Endpoint;
use beanstalk_proto::{
    Argument, Bury, CommandError, Delete, Error, Job, JobId, Lost, Peek, Priority, Release, ReleaseOutcome, Request,
    ReserveJob, ReserveWithTimeout, Seconds, StatsJob, Subject, Touch, TubeName, stats::JobStats,
};

use crate::session::Session;

/// A job reserved by a [`Session`]: its id and body, by way of [`Job`], and what can be done with it.
///
/// Only this connection can finish it, and only until its time to run is over. Once the connection is gone, everything
/// here fails with [`Error::NotHeld`], unless the job is taken back.
///
/// Dropping it says nothing to the server: the job stays held until its time to run is over or the connection ends, and
/// is ready again then.
pub struct JobHandle<'s> {
    session: &'s mut Session,
    job: Job,
    /// The connection that holds it.
    connection: u64,
}

impl Session {
    /// Reserves a job, waiting for it as long as this: `reserve-with-timeout`. `None` if none came in time, or if one that
    /// is held already has less than a second left (`DEADLINE_SOON`).
    ///
    /// # Errors
    ///
    /// As [`Session::call`].
    pub fn next_job(&mut self, timeout: impl Argument<Seconds>) -> Result<Option<JobHandle<'_>>, Error> {
        let reserved = self.call(ReserveWithTimeout::new(timeout))?;
        let connection = self.connections();
        Ok(reserved.job().map(|job| JobHandle { session: self, job, connection }))
    }
}

impl JobHandle<'_> {
    /// The session, for other commands: putting a job that follows from this one, say.
    pub const fn session(&mut self) -> &mut Session {
        self.session
    }

    /// The server it came from.
    #[must_use]
    pub const fn server(&self) -> &Endpoint {
        self.session.server()
    }

    /// Whether the connection that reserved it is still there, as far as is known. Its time to run may be over all the same.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.session.is_connected() && self.session.connections() == self.connection
    }

    /// What the server knows of it.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`], else as [`Session::stats_job`].
    pub fn stats(&mut self) -> Result<JobStats, Error> {
        let id = self.job.id;
        let stats = self.on_it(StatsJob::new(id))?;
        // It was repeated on another connection, where the number may stand for another job.
        if self.is_held() { Ok(stats) } else { Err(Error::NotHeld { id }) }
    }

    /// The tube it is in. Of a session that watches one tube that is known, else the server is asked.
    ///
    /// # Errors
    ///
    /// As [`JobHandle::stats`].
    pub fn tube(&mut self) -> Result<TubeName, Error> {
        match self.session.tubes().watched() {
            [tube] => Ok(tube.clone()),
            _ => Ok(self.stats()?.tube.unwrap_or_default()),
        }
    }

    /// Gives it its full time to run again.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`], else as [`Session::touch`].
    pub fn touch(&mut self) -> Result<(), Error> {
        self.on_it(Touch::new(self.job.id))
    }

    /// It is done.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`], else as [`Session::delete`].
    pub fn delete(mut self) -> Result<(), Error> {
        self.on_it(Delete::new(self.job.id))
    }

    /// Gives it back, with the priority it had, which the server is asked for. It is ready after the delay.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`], else as [`Session::release`].
    pub fn release(mut self, delay: impl Argument<Seconds>) -> Result<ReleaseOutcome, Error> {
        let priority = self.priority()?;
        self.on_it(Release::new(self.job.id, priority, delay))
    }

    /// Sets it aside, with the priority it had, which the server is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`], else as [`Session::bury`].
    pub fn bury(mut self) -> Result<(), Error> {
        let priority = self.priority()?;
        self.on_it(Bury::new(self.job.id, priority))
    }

    /// Takes it back after a reconnect with `reserve-job`, if its number still stands for the same body and nobody else
    /// holds it. Servers from 1.12 on. Does nothing if it is held.
    ///
    /// # Errors
    ///
    /// [`NotFound`](CommandError::NotFound) if it is gone, held by somebody, or another job has its number; else as
    /// [`Session::call`].
    pub fn reclaim(&mut self) -> Result<(), Error> {
        if self.is_held() {
            return Ok(());
        }
        let id: JobId = self.job.id;
        if self.session.call(Peek::new(id))?.body != self.job.body {
            return Err(Error::Command {
                command: "reserve-job",
                subject: Subject::Job(id),
                error: CommandError::NotFound,
            });
        }
        self.session.call(ReserveJob::new(id))?;
        self.connection = self.session.connections();
        Ok(())
    }

    fn priority(&mut self) -> Result<Priority, Error> {
        Ok(self.stats()?.pri.unwrap_or_default())
    }

    /// A command about the job, on the connection that holds it.
    fn on_it<R: Request + Clone>(&mut self, request: R) -> Result<R::Reply, Error> {
        loop {
            match (self.is_held(), self.session.reclaim_jobs) {
                (true, _) => {}
                (false, true) => self.reclaim()?,
                (false, false) => return Err(Error::NotHeld { id: self.job.id }),
            }
            match self.session.call(request.clone()) {
                // What may have run is not said again: the job may be another's by now.
                Err(error) if self.session.reclaim_jobs && !self.is_held() && error.lost() == Some(Lost::NotSent) => {}
                result => return result,
            }
        }
    }
}

impl Deref for JobHandle<'_> {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.job
    }
}

impl fmt::Debug for JobHandle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("job", &self.job).field("is_held", &self.is_held()).finish_non_exhaustive()
    }
}
