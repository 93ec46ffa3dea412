//! What a handler gets.

use std::{fmt, ops::Deref, sync::Arc};

use beanstalk_driver::{
    Endpoint, HandlerResult,
    policy::{Verdict, WorkerEvent, describe_chain, guarded},
};
use beanstalk_proto::{Error, Job, StatsJob, TubeName, stats::JobStats};

use crate::slot::Slot;

/// The job that a worker's handler works on: its id and body, by way of [`Job`], and where it came from.
///
/// It is held for as long as the handler runs: the worker touches it before its time to run is over. What becomes of it
/// is the handler's [`Verdict`](crate::Verdict).
pub struct HeldJob {
    job: Job,
    slot: Arc<Slot>,
}

impl HeldJob {
    /// Runs a handler on a job of this slot, and reports what it fails with.
    pub(crate) fn handle<O: HandlerResult>(job: Job, slot: &Arc<Slot>, handler: impl Fn(&Self) -> O) -> Verdict {
        let job = Self { job, slot: Arc::clone(slot) };
        let (id, server) = (job.id, || slot.server.clone());
        let event = match guarded(|| handler(&job).into_outcome()) {
            Ok(Ok(verdict)) => return verdict,
            Ok(Err(error)) => WorkerEvent::Failed { server: server(), id, reason: describe_chain(error) },
            Err(reason) => WorkerEvent::Panicked { server: server(), id, reason },
        };
        slot.shop.listener.tell(&event);
        Verdict::Failed
    }

    /// The server it came from.
    #[must_use]
    pub fn server(&self) -> &Endpoint {
        &self.slot.server
    }

    /// Whether it is held no more, because the connection broke or its time to run was over: somebody else may have it by
    /// now, and what the handler comes to changes nothing. A handler that takes long may ask, and end early.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.slot.is_job_lost()
    }

    /// Whether the worker is about to stop: there may not be time to finish, and what is not finished at the deadline is
    /// given back.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.slot.shutdown().is_some()
    }

    /// What the server knows of it, asked between heartbeats on the connection that holds it.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`] if it is lost, else as [`Client::stats_job`](crate::Client::stats_job).
    pub fn stats(&self) -> Result<JobStats, Error> {
        let id = self.job.id;
        self.slot.call(StatsJob::new(id), Error::NotHeld { id })
    }

    /// The tube it is in. A worker of one tube knows; one of several asks the server.
    ///
    /// # Errors
    ///
    /// As [`HeldJob::stats`].
    pub fn tube(&self) -> Result<TubeName, Error> {
        match self.slot.shop.only_tube() {
            Some(tube) => Ok(tube),
            None => Ok(self.stats()?.tube.unwrap_or_default()),
        }
    }
}

impl Deref for HeldJob {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.job
    }
}

impl fmt::Debug for HeldJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldJob").field("job", &self.job).field("server", self.server()).finish_non_exhaustive()
    }
}
