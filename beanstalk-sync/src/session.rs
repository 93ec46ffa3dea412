//! A client that outlives its connections, and the jobs that it holds: the driver's, in the thread that calls.

use std::{fmt, ops::Deref, time::Duration};

use beanstalk_driver::{
    self as tasks, ConnectOptions, Endpoint, NextJob, ReservedJob, Sent,
    policy::{Event, SessionConfig, Tubes},
};
use beanstalk_proto::{Argument, Error, Job, ReleaseOutcome, Request, Seconds, TubeName, stats::JobStats};

use crate::{blocking::block_on, std_runtime::Std};

/// A client that outlives its connections. Every command of the protocol is a method, as on a [`Client`](crate::Client).
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
/// // Work until nothing has come for a minute.
/// while let Some(next) = session.next_job(60_u32)? {
///     // If not, a job that is held besides is about to expire. Here that is one left without a verdict, which comes again.
///     let Some(job) = next.job() else { continue };
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

    /// Gives the one call that is made on what this returns so long for its reply, in place of
    /// [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout); `None` waits as long as it takes. As there, what a `reserve` may wait for a job is added to it. A call
    /// that is repeated has so long each time, and connecting takes what it takes.
    ///
    /// A body has to be written within it, or read: 16 MiB take 7 s on a line of 20 Mbit/s, and 134 s at 1 Mbit/s.
    #[must_use = "it counts for the call that is made on what this returns"]
    pub fn timeout(&mut self, timeout: impl Into<Option<Duration>>) -> &mut Self {
        let _ = self.session.timeout(timeout);
        self
    }

    /// Sends a request, connecting first if there is need, and returns once its last byte was written and flushed. What it returns is for
    /// [`Session::reply`] or [`Session::abandon`].
    ///
    /// A server that runs gets what was flushed, even if the session is dropped then: a `put` as the last thing that is done on a
    /// connection is done. Of several requests sent so the server may run the first only, as it notices that nobody listens.
    ///
    /// What was flushed is not repeated. A `use`, `watch` or `ignore` counts for the connections to come once its reply was taken.
    ///
    /// # Errors
    ///
    /// As [`Session::call`], but for what the server answers.
    pub fn send<R: Request + Clone>(&mut self, request: R) -> Result<Sent<R::Reply>, Error> {
        block_on(self.session.send(request))
    }

    /// Waits for the reply to a request that was sent. Replies can be taken in any order.
    ///
    /// # Errors
    ///
    /// As [`Session::call`]; [`Error::Closed`] if the connection that it was sent on is gone.
    pub fn reply<R>(&mut self, sent: Sent<R>) -> Result<R, Error> {
        block_on(self.session.reply(sent))
    }

    /// Gives up the claim to a reply: it is dropped when it comes.
    pub fn abandon<R>(&mut self, sent: Sent<R>) {
        self.session.abandon(sent);
    }

    /// Returns whether there is no connection now: looks at what is here, and waits for nothing. The next call makes one.
    pub fn is_closed(&mut self) -> bool {
        self.session.is_closed()
    }

    /// Waits so many seconds for a job: `reserve-with-timeout`. `None` is the answer if none came (`TIMED_OUT`), and only then, so that
    /// it ends a loop.
    ///
    /// [`NextJob::DeadlineSoon`] is the answer if a job that is held besides is nearly out of time: one that was taken out of its handle
    /// with [`JobHandle::into_job`], or whose handle was dropped without a verdict. A call after that sends its reserve no sooner than 100 ms
    /// later: so a loop that does nothing about it is one of some turns a second, until that job is ready again.
    ///
    /// # Errors
    ///
    /// As [`Session::call`].
    #[doc(alias = "reserve")]
    pub fn next_job(&mut self, timeout: impl Argument<Seconds>) -> Result<Option<NextJob<JobHandle<'_>>>, Error> {
        Ok(match block_on(self.session.next_reserved(timeout))? {
            Some(NextJob::Job(job)) => Some(NextJob::Job(JobHandle { session: self, job })),
            Some(NextJob::DeadlineSoon) => Some(NextJob::DeadlineSoon),
            None => None,
        })
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
