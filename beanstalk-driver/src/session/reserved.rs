//! A job that a session has reserved, apart from the session: what a binding's job handle is made of.
//!
//! ```text
//!            the connection is gone                      reclaim: the same job, and it is free
//!   held ─────────────────────────────▶ held no more ──────────────────────────────────────────────▶ held
//!    │ delete, release, bury
//!    ▼
//!   finished: consumed
//! ```

use alloc::vec::Vec;
use core::ops::Deref;

use super::Session;
use crate::{
    policy::{Claim, Reclaim, Reclaimed},
    runtime::Runtime,
};
use beanstalk_proto::{
    Argument, Bury, CommandError, Delete, Error, Instant, Job, Lost, Priority, Release, ReleaseOutcome, Request,
    Seconds, StatsJob, Subject, Touch, TubeName,
    stats::{JobStats, StatsError},
};

/// A job that a [`Session`] has reserved. Each method takes the session; [`JobHandle`](super::JobHandle) holds both, and documents them.
#[derive(Debug)]
#[allow(missing_docs, clippy::missing_errors_doc, reason = "the methods are those of the job handle")]
pub struct ReservedJob {
    job: Job,
    /// Which of the session's connections holds it.
    connection: u64,
    stats: Option<JobStats>,
    /// When it was reserved, and which tubes were watched then.
    since: Instant,
    tubes: Vec<TubeName>,
}

impl Deref for ReservedJob {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.job
    }
}

#[allow(missing_docs, clippy::missing_errors_doc, reason = "they are those of the job handle")]
impl ReservedJob {
    pub(super) fn new<R: Runtime>(session: &Session<R>, job: Job) -> Self {
        let (connection, since, tubes) = (session.connections(), session.now(), session.tubes().watched().to_vec());
        Self { job, connection, stats: None, since, tubes }
    }

    #[must_use]
    pub const fn is_held<R: Runtime>(&self, session: &Session<R>) -> bool {
        session.is_connected() && session.connections() == self.connection
    }

    pub async fn stats<R: Runtime>(&mut self, session: &mut Session<R>) -> Result<JobStats, Error> {
        let stats = self.call(session, StatsJob::new(self.job.id)).await?;
        self.stats = Some(stats.clone());
        Ok(stats)
    }

    pub async fn tube<R: Runtime>(&mut self, session: &mut Session<R>) -> Result<TubeName, Error> {
        match &self.tubes[..] {
            [tube] => Ok(tube.clone()),
            _ => Ok(self.known(session).await?.tube.clone().unwrap_or_default()),
        }
    }

    pub async fn touch<R: Runtime>(&mut self, session: &mut Session<R>) -> Result<(), Error> {
        self.call(session, Touch::new(self.job.id)).await
    }

    pub async fn delete<R: Runtime>(mut self, session: &mut Session<R>) -> Result<(), Error> {
        self.call(session, Delete::new(self.job.id)).await
    }

    pub async fn release<R: Runtime>(
        mut self,
        session: &mut Session<R>,
        delay: impl Argument<Seconds>,
    ) -> Result<ReleaseOutcome, Error> {
        let delay = delay.into_argument();
        let priority = self.priority(session).await?;
        self.call(session, Release::new(self.job.id, priority, delay)).await
    }

    pub async fn bury<R: Runtime>(mut self, session: &mut Session<R>) -> Result<(), Error> {
        let priority = self.priority(session).await?;
        self.call(session, Bury::new(self.job.id, priority)).await
    }

    pub async fn reclaim<R: Runtime>(&mut self, session: &mut Session<R>) -> Result<(), Error> {
        let mut claim = Claim::new(&self.job, self.tubes.clone(), self.since);
        self.stats.iter().for_each(|stats| claim.handle_stats(stats));
        let (mut reclaim, mut on) = (Reclaim::default(), None);
        loop {
            let command = reclaim.poll_command(&claim, session.now());
            let result = session.call_on(on, command).await;
            if self.is_held(session) {
                return result.map(drop);
            }
            let connection = *on.get_or_insert(session.connections());
            match reclaim.handle_reply(&claim, result)? {
                Reclaimed::NotYet => {}
                Reclaimed::Ours => {
                    self.connection = connection;
                    return Ok(());
                }
                Reclaimed::Gone => {
                    let (subject, error) = (Subject::Job(self.job.id), CommandError::NotFound);
                    return Err(Error::Command { command: "reserve-job", subject, error });
                }
            }
        }
    }

    #[must_use]
    pub fn into_job(self) -> Job {
        self.job
    }

    /// A command about the job, on the connection that holds it.
    async fn call<R: Runtime, Q: Request + Clone>(
        &mut self,
        session: &mut Session<R>,
        request: Q,
    ) -> Result<Q::Reply, Error> {
        loop {
            match (self.is_held(session), session.reclaims_jobs()) {
                (true, _) => {}
                (false, true) => self.reclaim(session).await?,
                (false, false) => return Err(Error::NotHeld { id: self.job.id }),
            }
            match session.call_on(Some(self.connection), request.clone()).await {
                // What may have run is not repeated: the job may be another's by now.
                Err(error)
                    if session.reclaims_jobs() && !self.is_held(session) && error.lost() == Some(Lost::NotSent) => {}
                // It was kept from another connection, where the job is not held.
                Err(Error::Closed { .. }) if session.connections() != self.connection => {
                    return Err(Error::NotHeld { id: self.job.id });
                }
                result => return result,
            }
        }
    }

    async fn priority<R: Runtime>(&mut self, session: &mut Session<R>) -> Result<Priority, Error> {
        let subject = Subject::Job(self.job.id);
        let pri = self.known(session).await?.pri;
        let error = StatsError::Missing { key: "pri" };
        pri.ok_or_else(|| Error::Stats { command: "stats-job", subject, error: error.into() })
    }

    /// What does not change about it while it is held, asked for once.
    async fn known<R: Runtime>(&mut self, session: &mut Session<R>) -> Result<&JobStats, Error> {
        let stats = match self.stats.take() {
            Some(stats) => stats,
            None => self.stats(session).await?,
        };
        Ok(self.stats.insert(stats))
    }
}
