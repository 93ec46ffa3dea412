//! A client that outlives its connections, and the jobs that it holds: the driver's, in the thread that calls.

use std::{fmt, ops::Deref};

use beanstalk_driver::{
    self as tasks, ConnectOptions, Endpoint, ReservedJob,
    policy::{Event, SessionConfig, Tubes},
};
use beanstalk_proto::{Argument, Error, Job, ReleaseOutcome, Request, Seconds, TubeName, stats::JobStats};

use crate::{blocking::block_on, std_runtime::Std};

/// A client that outlives its connections. Every command of the protocol is a method, as on a [`Client`].
///
/// When the connection breaks, the next call connects again, waiting longer after each failure, and restores the tube in
/// use and the watch list before it sends anything else. A call that was broken off is repeated if that can do no harm:
///
/// | request | cannot have run | may have run |
/// |---|---|---|
/// | reads (`peek…`, `stats…`, `list-…`), `use`, `watch`, `ignore` | repeated | repeated |
/// | `reserve`, `reserve-with-timeout` | repeated | repeated, with what is left of the timeout; with 0 if nothing is |
/// | `put`, `kick`, `pause-tube` | repeated | fails |
/// | `delete`, `release`, `bury`, `touch`, `reserve-job`, `kick-job`, and commands of your own | fails | fails |
///
/// A job that the old connection's reserve took goes back by itself, once the server knows that the connection is gone. While only the
/// client knows, the server may hand a job to the old connection: it goes back when its time to run ends, which the server counts in
/// the job's `timeouts`, and a [`RetryPolicy`](crate::RetryPolicy) counts as a failure.
///
/// Jobs that were reserved are held no more once the connection is gone. A [`JobHandle`](crate::JobHandle) knows that, and finishes only
/// what it holds; the methods that take an id don't.
///
/// ```no_run
/// use beanstalk_sync::Session;
///
/// # fn main() -> Result<(), beanstalk_sync::Error> {
/// let mut session = Session::connect("localhost:11300")?.on_event(|event| eprintln!("{event:?}"));
/// session.watch("urls-to-fetch")?;
/// while let Some(job) = session.next_job(60_u32)? {
///     match job.text() {
///         Ok(url) => {
///             println!("fetching {url}");
///             job.delete()?;
///         }
///         Err(_) => job.bury()?,
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Session {
    session: tasks::Session<Std>,
}

impl Session {
    /// Connects to an [`Endpoint`], once and now; from then on as the default [`SessionConfig`] has it.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`](crate::Client::connect).
    pub fn connect(endpoint: &str) -> Result<Self, Error> {
        Ok(Self { session: block_on(tasks::Session::connect(endpoint))? })
    }

    /// Connects once and now, with options that hold for every connection of the session.
    ///
    /// # Errors
    ///
    /// As [`Session::connect`].
    pub fn connect_with(endpoint: &str, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        Ok(Self { session: block_on(tasks::Session::connect_with(endpoint, options))? })
    }

    /// Makes a session that connects with its first call, and keeps trying for as long as its patience lasts.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint, and for a first delay that is longer than the longest.
    pub fn new(endpoint: &str, session: SessionConfig, options: impl Into<ConnectOptions>) -> Result<Self, Error> {
        Ok(Self { session: tasks::Session::new(endpoint, session, options)? })
    }

    /// Calls this with every event, during the call in which it happens, or the next one.
    #[must_use]
    pub fn on_event(self, on_event: impl FnMut(&Event) + Send + 'static) -> Self {
        Self { session: self.session.on_event(on_event) }
    }

    /// Sets whether job handles take their job back by themselves after a reconnect, as [`JobHandle::reclaim`] does: not unless set.
    #[must_use]
    pub fn reclaim_jobs(self, reclaim: bool) -> Self {
        Self { session: self.session.reclaim_jobs(reclaim) }
    }

    /// Sends a request and waits for its reply, over as many connections as it takes.
    ///
    /// # Errors
    ///
    /// As [`Client::call`](crate::Client::call). When no connection comes about in time, what the last attempt failed with; then, and
    /// whenever [`Error::lost`] says so, it was not sent.
    pub fn call<R: Request + Clone>(&mut self, request: R) -> Result<R::Reply, Error> {
        block_on(self.session.call(request))
    }

    /// Reserves a job, waiting for it as long as this: `reserve-with-timeout`. `None` if none came in time, or if one that
    /// is held already has less than a second left (`DEADLINE_SOON`).
    ///
    /// # Errors
    ///
    /// As [`Session::call`].
    pub fn next_job(&mut self, timeout: impl Argument<Seconds>) -> Result<Option<JobHandle<'_>>, Error> {
        let job = block_on(self.session.next_reserved(timeout))?;
        Ok(job.map(|job| JobHandle { session: self, job }))
    }

    beanstalk_driver::client_methods!(sync);

    /// Returns how many connections there were so far.
    #[must_use]
    pub const fn connections(&self) -> u64 {
        self.session.connections()
    }

    /// Returns whether there is a connection now, as far as is known.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.session.is_connected()
    }

    /// Returns the tubes that it uses and watches.
    #[must_use]
    pub const fn tubes(&self) -> &Tubes {
        self.session.tubes()
    }

    /// Returns where the server is.
    #[must_use]
    pub const fn server(&self) -> &Endpoint {
        self.session.server()
    }
}

/// A job reserved by a [`Session`]: its id and body, by way of [`Job`], and what can be done with it.
///
/// Only this connection can finish it, and only until its time to run is over. Once the connection is gone, everything
/// here fails with [`Error::NotHeld`], unless the job is taken back.
///
/// Dropping it sends nothing: the job stays held until its time to run is over or the connection ends, and is ready again then.
pub struct JobHandle<'s> {
    session: &'s mut Session,
    job: ReservedJob,
}

impl JobHandle<'_> {
    /// Returns the session, for other commands: putting a job that follows from this one, say.
    pub const fn session(&mut self) -> &mut Session {
        self.session
    }

    /// Returns the server it came from.
    #[must_use]
    pub const fn server(&self) -> &Endpoint {
        self.session.server()
    }

    /// Returns whether the connection that reserved it is still there, as far as is known. Its time to run may be over nevertheless.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.job.is_held(&self.session.session)
    }

    /// Asks the server for its statistics.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`], else as [`Session::stats_job`].
    pub fn stats(&mut self) -> Result<JobStats, Error> {
        block_on(self.job.stats(&mut self.session.session))
    }

    /// Returns the tube it is in. That is known if the session watched only one; else the server is asked.
    ///
    /// # Errors
    ///
    /// As [`JobHandle::stats`].
    pub fn tube(&mut self) -> Result<TubeName, Error> {
        block_on(self.job.tube(&mut self.session.session))
    }

    /// Gives it its full time to run again.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`], else as [`Session::touch`].
    pub fn touch(&mut self) -> Result<(), Error> {
        block_on(self.job.touch(&mut self.session.session))
    }

    /// Deletes it: it is done.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`], else as [`Session::delete`].
    pub fn delete(self) -> Result<(), Error> {
        block_on(self.job.delete(&mut self.session.session))
    }

    /// Gives it back, with the priority it had, which the server is asked for. It is ready after the delay.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`], else as [`Session::release`].
    pub fn release(self, delay: impl Argument<Seconds>) -> Result<ReleaseOutcome, Error> {
        block_on(self.job.release(&mut self.session.session, delay))
    }

    /// Buries it, with the priority it had, which the server is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`], else as [`Session::bury`].
    pub fn bury(self) -> Result<(), Error> {
        block_on(self.job.bury(&mut self.session.session))
    }

    /// Takes it back after a reconnect with `reserve-job`, if its id still stands for the same job, as its body, tube, age and count of
    /// reserves show, and nobody else holds it. Servers from 1.12 on. Does nothing if it is held.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::CommandError::NotFound) if it is gone, held by somebody, or another job has its id; else as
    /// [`Session::call`].
    pub fn reclaim(&mut self) -> Result<(), Error> {
        block_on(self.job.reclaim(&mut self.session.session))
    }

    /// Returns the job alone, held as before.
    #[must_use]
    pub fn into_job(self) -> Job {
        self.job.into_job()
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
