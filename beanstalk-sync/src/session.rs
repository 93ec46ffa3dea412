//! A client that connects again by itself, and puts its tubes back in place.
//!
//! What is repeated and what is not is told in [`beanstalk_driver::policy::Session`], which decides; here it is carried out.

use std::{collections::hash_map::RandomState, fmt, hash::BuildHasher, thread, time};

use beanstalk_driver::{
    Endpoint, policy,
    policy::{Call, Event, IDLE, Next, SessionConfig, Step, Tubes},
};
use beanstalk_proto::{Error, Instant, Lost, Request, client::Config};

use crate::client::Client;

type Tell = Box<dyn FnMut(&Event) + Send>;

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
pub struct Session {
    machine: policy::Session,
    client: Option<Client>,
    server: Endpoint,
    config: Config,
    epoch: time::Instant,
    /// When the last call ended.
    last: Instant,
    pub(crate) reclaim_jobs: bool,
    listener: Option<Tell>,
}

impl Session {
    /// Connects to `host:port`, `[v6]:port` or `unix:/path`, once and now; from then on as the default [`SessionConfig`]
    /// says.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    pub fn connect(address: &str) -> Result<Self, Error> {
        let mut session = Self::new(address, SessionConfig::default(), Config::default())?;
        session.open(session.config)?;
        Ok(session)
    }

    /// A session that connects with its first call, and keeps trying for as long as its patience lasts.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no address, and for a first delay that is longer than the longest.
    pub fn new(address: &str, session: SessionConfig, config: Config) -> Result<Self, Error> {
        session.check()?;
        let seed = RandomState::new().hash_one(address);
        Ok(Self {
            machine: policy::Session::new(&session, Tubes::default(), seed),
            client: None,
            server: address.parse()?,
            config,
            epoch: time::Instant::now(),
            last: Instant::ZERO,
            reclaim_jobs: false,
            listener: None,
        })
    }

    /// Tells of every event, during the call in which it happens, or the next one.
    #[must_use]
    pub fn on_event(mut self, listener: impl FnMut(&Event) + Send + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self.tell();
        self
    }

    /// Whether job handles take their job back by themselves after a reconnect, as [`JobHandle::reclaim`](crate::JobHandle::reclaim) does. Not unless
    /// set.
    #[must_use]
    pub const fn reclaim_jobs(mut self, reclaim: bool) -> Self {
        self.reclaim_jobs = reclaim;
        self
    }

    /// Sends a request and waits for its reply, over as many connections as it takes.
    ///
    /// # Errors
    ///
    /// As [`Client::call`]. When no connection comes about in time, what the last attempt failed with; then, and whenever
    /// [`Error::lost`] says so, it was not sent.
    pub fn call<R: Request + Clone>(&mut self, request: R) -> Result<R::Reply, Error> {
        self.call_on(None, request)
    }

    /// Calls, but on no other connection than this one, if one is given: then it fails with [`Error::Closed`].
    pub(crate) fn call_on<R: Request + Clone>(&mut self, on: Option<u64>, request: R) -> Result<R::Reply, Error> {
        let mut call = Call::new(&request, self.now());
        let mut cause = None;
        self.notice_the_end();
        loop {
            self.get_ready(&call, &mut cause)?;
            let gone = on.is_some_and(|connection| connection != self.connections());
            let attempt = call.attempt(&request, self.now());
            let (Some(client), false) = (&mut self.client, gone) else {
                return Err(Error::Closed { lost: Lost::NotSent });
            };
            let result = client.call(attempt);
            self.last = self.now();
            let next = self.machine.handle_result(&mut call, result.as_ref().map(|_| ()), self.last);
            // Only once the connection is dropped it is true that what was not sent never will be.
            if self.machine.poll_step(&call, self.last) != Step::Ready {
                self.client = None;
            }
            self.tell();
            match next {
                Next::Return => return result,
                Next::Repeat => cause = result.err(),
            }
        }
    }

    beanstalk_driver::client_methods!(sync);

    /// How many connections there were so far.
    #[must_use]
    pub const fn connections(&self) -> u64 {
        self.machine.connections()
    }

    /// Whether there is a connection now, as far as is known.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// The tubes that it uses and watches.
    #[must_use]
    pub const fn tubes(&self) -> &Tubes {
        self.machine.tubes()
    }

    /// Where the server is.
    #[must_use]
    pub const fn server(&self) -> &Endpoint {
        &self.server
    }

    /// Sees to it that there is a connection with its tubes restored.
    fn get_ready(&mut self, call: &Call, cause: &mut Option<Error>) -> Result<(), Error> {
        loop {
            let now = self.now();
            match self.machine.poll_step(call, now) {
                Step::Ready => return Ok(()),
                Step::Connect => {
                    let connect_timeout = self.machine.connect_timeout(call, self.config.connect_timeout, now);
                    let config = Config { connect_timeout, ..self.config };
                    *cause = self.open(config).err().or(cause.take());
                }
                Step::Replay(command) => {
                    let result = match &mut self.client {
                        Some(client) => client.call(command),
                        None => Err(Error::Closed { lost: Lost::NotSent }),
                    };
                    match result {
                        Ok(_) => self.machine.handle_replayed(),
                        Err(error) => {
                            self.lose(&error);
                            *cause = Some(error);
                        }
                    }
                }
                Step::WaitUntil(until) => thread::sleep(until.saturating_duration_since(now)),
                Step::GiveUp => return Err(call.given_up(cause.take())),
            }
            self.tell();
        }
    }

    fn open(&mut self, config: Config) -> Result<(), Error> {
        self.client = None;
        match Client::connect_with(&self.server.to_string(), config) {
            Ok(client) => {
                self.client = Some(client);
                self.last = self.now();
                self.machine.handle_connected(self.last);
                Ok(())
            }
            Err(error) => {
                self.lose(&error);
                Err(error)
            }
        }
    }

    fn lose(&mut self, error: &Error) {
        self.client = None;
        self.machine.handle_lost(error, self.now());
    }

    /// A connection that ended while nobody looked would take a request, and nobody could tell whether it has run.
    fn notice_the_end(&mut self) {
        let idle = self.now().saturating_duration_since(self.last) > IDLE;
        if idle && self.client.as_ref().is_some_and(Client::has_ended) {
            self.lose(&Error::Closed { lost: Lost::NotSent });
        }
    }

    fn tell(&mut self) {
        // Nobody listens yet: the machine keeps them.
        if self.listener.is_none() && !cfg!(feature = "tracing") {
            return;
        }
        while let Some(event) = self.machine.poll_event() {
            #[cfg(feature = "tracing")]
            tracing::debug!(server = %self.server, ?event, "session");
            if let Some(listener) = &mut self.listener {
                listener(&event);
            }
        }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("server", &self.server).field("machine", &self.machine).finish_non_exhaustive()
    }
}
