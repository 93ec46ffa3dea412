//! The worker of threads: the driver's, with handlers that block.

use std::{fmt, ops::Deref};

use beanstalk_driver::{self as tasks, BoxError, Endpoint, FromJob, JobDetails};
use beanstalk_proto::{Error, Job, TubeName, stats::JobStats};

use super::{Threads, consumer::ConsumerJob, wait::block_on};

beanstalk_driver::worker! {
    (blocking by block_on) on Threads;
    /// ```no_run
    /// use beanstalk_sync::{Error, HeldJob, Verdict, Worker};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Error> {
    /// let worker =
    ///     Worker::builder().server("localhost:11300").tube("mails").concurrency(4).build()?;
    ///
    /// let handle = worker.handle();
    /// std::thread::spawn(move || {
    ///     // … when a signal comes:
    ///     handle.shutdown(Duration::from_secs(10));
    /// });
    ///
    /// let metrics = worker.run(|job: HeldJob| {
    ///     println!("sending {}", job.text()?);
    ///     Ok::<_, std::str::Utf8Error>(Verdict::Done)
    /// });
    /// println!("{} mails sent", metrics.done);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # What differs from the asynchronous workers
    ///
    /// Everything but this is the same on every binding, and comes from the same code:
    ///
    /// | | here | tokio, async-std |
    /// |---|---|---|
    /// | a slot is | a thread | a task |
    /// | a handler runs | on its slot's thread; once it has taken 20 ms, another thread looks after the slot | on its slot's task, and must not block |
    /// | a handler that still runs at the deadline of a shutdown | is left behind: its job is given back, [`HeldJob::is_lost`] is true, and what it returns changes nothing | is dropped |
    /// | a handler that has run for longer than [`handler_timeout`](WorkerBuilder::handler_timeout) | runs on: [`HeldJob::is_timed_out`] is true, what it returns changes nothing, and its slot takes no job until then | is dropped |
    /// | a name that is still looked up at the deadline | is left behind in its thread | is left behind in the runtime's |
    /// | [`Worker::run`] | blocks its thread, and can't be dropped | is a future |
}

beanstalk_driver::consumer! {
    (blocking by block_on) on Threads;
    /// ```no_run
    /// use beanstalk_sync::{Consumer, Error};
    /// use std::{thread, time::Duration};
    ///
    /// # fn main() -> Result<(), Error> {
    /// let consumer =
    ///     Consumer::builder().server("localhost:11300").tube("mails").concurrency(4).build()?;
    /// while let Some(job) = consumer.next_timeout(Duration::from_secs(60)) {
    ///     // Up to four jobs are held at a time.
    ///     thread::spawn(move || {
    ///         println!("sending {}", job.text().unwrap_or("something that is not text"));
    ///         job.delete()
    ///     });
    /// }
    /// // Nothing has come for a minute.
    /// consumer.shutdown(Duration::from_secs(10));
    /// # Ok(())
    /// # }
    /// ```
}

/// The job that a worker's handler works on: its id and body, by way of [`Job`], and where it came from.
///
/// It is held for as long as the handler runs: the worker touches it before its time to run is over. What becomes of it
/// is the handler's [`Verdict`](crate::Verdict).
///
/// ```
/// use beanstalk_sync::{BoxError, HeldJob, Verdict};
///
/// fn send(job: HeldJob) -> Result<Verdict, BoxError> {
///     for address in job.text()?.lines() {
///         if job.is_lost() || job.is_shutting_down() {
///             return Ok(Verdict::retry_after(0)); // another worker goes on
///         }
///         println!("to {address}, attempt {:?}", job.details()?.attempt);
///     }
///     Ok(Verdict::Done)
/// }
/// ```
pub struct HeldJob {
    job: tasks::HeldJob,
}

impl HeldJob {
    /// Returns the server it came from.
    #[must_use]
    pub fn server(&self) -> &Endpoint {
        self.job.server()
    }

    /// Returns whether its handler has run for longer than the builder's `handler_timeout` allows: its job has failed, what the handler
    /// returns changes nothing, and its slot takes no other job until it returns. A handler that takes long should ask, and end early.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.job.is_timed_out()
    }

    /// Returns whether it is held no more, because the connection broke, its time to run was over or its handler has timed out: another worker may have it by
    /// now, and what the handler returns changes nothing. A handler that takes long may ask, and end early.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.job.is_lost()
    }

    /// Returns whether the worker is about to stop: there may not be time to finish, and what is not finished at the deadline is
    /// given back.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.job.is_shutting_down()
    }

    /// Asks the server for its statistics, between heartbeats on the connection that holds it.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`] if it is lost, else as [`Client::stats_job`](crate::Client::stats_job).
    pub fn stats(&self) -> Result<JobStats, Error> {
        block_on(self.job.stats())
    }

    /// Returns which attempt this is, and its priority, age, ttr and tube. The server is asked for them once for each job: by this, by
    /// [`HeldJob::stats`], or by the heartbeat of a job that is held for longer than a third of a second.
    ///
    /// # Errors
    ///
    /// As [`HeldJob::stats`], if the server is asked.
    pub fn details(&self) -> Result<JobDetails, Error> {
        block_on(self.job.details())
    }

    /// Returns the tube it is in. It is known to a worker of one tube; with several the server is asked.
    ///
    /// # Errors
    ///
    /// As [`HeldJob::stats`].
    pub fn tube(&self) -> Result<TubeName, Error> {
        block_on(self.job.tube())
    }

    /// Returns the job alone.
    #[must_use]
    pub fn into_job(self) -> Job {
        self.job.into_job()
    }
}

impl From<tasks::HeldJob> for HeldJob {
    fn from(job: tasks::HeldJob) -> Self {
        Self { job }
    }
}

impl FromJob for HeldJob {
    fn from_job(job: tasks::HeldJob) -> Result<Self, BoxError> {
        Ok(Self { job })
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
        self.job.fmt(f)
    }
}
