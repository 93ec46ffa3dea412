//! Puts jobs on several servers: carries out what [`policy::Servers`](crate::policy::Servers) decides.
//!
//! ```text
//!   task ── put ──▶ ┌──────────────────────────┐     ┌── SharedClient ◀──▶ server
//!   task ── put ──▶ │ Servers: whose turn it is│ ──▶ ├── SharedClient ◀──▶ server
//!   task ◀─ reply ─ └──────────────────────────┘     └── none, out: a probe task connects
//! ```
//!
//! Each connection is a [`SharedClient`] that does not reconnect: when and where to connect is for [`Servers`] to decide. Clients are numbered,
//! so that whoever finds one broken drops that one, and not its successor.

mod links;

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{fmt, time::Duration};

use crate::runtime::{Runtime, lock};
use crate::{
    connect::{ConnectOptions, Route},
    policy::{Backoff, Next, Placed, ServerId, Servers, breaks},
    shared::SharedClient,
};
use beanstalk_proto::{
    Argument, Body, Error, Instant, ListTubeUsed, Lost, Priority, Put, PutOutcome, Request, Seconds, TubeArg, TubeName,
    client::Timeout,
};
use links::{Attempt, Inner, Step};

/// How a [`Producer`] puts.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// The tube to put into: `default` unless changed.
    pub tube: TubeName,
    /// How long a server that failed is left alone; no shorter than its failure took.
    pub backoff: Backoff,
    /// How long a put waits until it is sent, for a healthy server, a connection and its turn: 30 s unless changed. `None` waits as long as it
    /// takes. The reply then has its own timeout. With zero, a put waits for no server to become healthy and tries each healthy one.
    pub patience: Option<Duration>,
    /// How each connection is made.
    pub connection: ConnectOptions,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            tube: TubeName::default(),
            backoff: Backoff::default(),
            patience: Some(Duration::from_secs(30)),
            connection: ConnectOptions::default(),
        }
    }
}

/// Puts jobs on several servers, in turns, or by a key, from many tasks at once: cheap to clone, one clone for each task, or one for all.
///
/// Each clone has a tube of its own; servers, their health and connections are shared. There is one connection to each server, on which the puts of
/// all tasks go out together.
///
/// A server that can't be reached, is draining or out of memory is left alone for a while, and the others take its jobs. It is
/// then connected to by a task of its own, which costs no put any time, unless it is the only one. A put that may have arrived is
/// never repeated: it fails, and its [`lost`](Error::lost) is [`Unknown`](Lost::Unknown).
pub struct Producer<R: Runtime> {
    inner: Arc<Inner<R>>,
    tube: TubeName,
    timeout: Timeout,
}

impl<R: Runtime> Clone for Producer<R> {
    fn clone(&self) -> Self {
        let Self { inner, tube, timeout } = self;
        Self { inner: Arc::clone(inner), tube: tube.clone(), timeout: *timeout }
    }
}

impl<R: Runtime> fmt::Debug for Producer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, tube, .. } = self;
        f.debug_struct("Producer")
            .field("tube", tube)
            .field("servers", &lock(&inner.state).servers)
            .finish_non_exhaustive()
    }
}

impl<R: Runtime> Producer<R> {
    /// Returns a producer for these servers. It connects once there is something to put.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no endpoint, and if there is none.
    pub fn new(endpoints: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, Error> {
        Self::with_config(endpoints, ProducerConfig::default())
    }

    /// Returns a producer with a configuration.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no endpoint, if there is none, and for a first delay that is longer than the longest.
    pub fn with_config(endpoints: impl IntoIterator<Item: AsRef<str>>, config: ProducerConfig) -> Result<Self, Error> {
        let ProducerConfig { tube, backoff, patience, connection } = config;
        let runtime = R::default();
        let servers = Servers::new(backoff, patience, runtime.seed());
        let producer =
            Self { inner: Arc::new(Inner::new(runtime, servers, connection)), tube, timeout: Timeout::Default };
        for endpoint in endpoints {
            producer.add_server(endpoint.as_ref())?;
        }
        lock(&producer.inner.state).servers.check()?;
        Ok(producer)
    }

    /// Has this handle put into another tube from now on. Its clones are not concerned, and nothing is sent: each put brings its tube with it.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no tube name.
    pub fn use_tube<'t>(&mut self, tube: impl Argument<TubeArg<'t>>) -> Result<(), Error> {
        self.tube = tube.into_argument().to_name()?;
        Ok(())
    }

    /// Returns a handle of the same producer whose puts take no longer than this all told: waiting for a server, for a connection and for their
    /// turn, and for the reply. With `None` the reply has as long as it takes.
    ///
    /// A put that is over before its server is late by [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout) fails alone: the
    /// server is not held to have failed.
    #[must_use]
    pub fn timeout(&self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { timeout: Timeout::of(timeout), ..self.clone() }
    }

    /// Puts a job on the server whose turn it is, or the next that takes it.
    ///
    /// The body is kept until the reply is here, in case another server has to take it: one that is borrowed is not copied for
    /// that.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it has been polled, the job may have been put.
    ///
    /// # Errors
    ///
    /// Those of `put` and [`Error::Argument`]; [`Error::UseRefused`] if the server refused the tube, so that the job is in another. When no server
    /// takes it in time, what the last one failed with.
    pub async fn put<'b>(
        &self,
        priority: impl Argument<Priority>,
        delay: impl Argument<Seconds>,
        ttr: impl Argument<Seconds>,
        body: impl Argument<Body<'b>>,
    ) -> Result<(Placed, PutOutcome), Error> {
        self.place(None, Put::new(priority, delay, ttr, body)).await
    }

    /// Puts a job where those with the same key go: on the same server, as long as that is healthy.
    ///
    /// # Cancel safety
    ///
    /// As [`Producer::put`].
    ///
    /// # Errors
    ///
    /// As [`Producer::put`].
    pub async fn put_keyed<'b>(
        &self,
        key: impl AsRef<[u8]>,
        priority: impl Argument<Priority>,
        delay: impl Argument<Seconds>,
        ttr: impl Argument<Seconds>,
        body: impl Argument<Body<'b>>,
    ) -> Result<(Placed, PutOutcome), Error> {
        self.place(Some(key.as_ref()), Put::new(priority, delay, ttr, body)).await
    }

    /// Adds a server for all handles, or finds the one that is there. Servers are told apart, and keys hashed, by the one way in which an
    /// [`Endpoint`](crate::Endpoint) is written: `localhost` is the same server as `localhost:11300`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint.
    pub fn add_server(&self, endpoint: &str) -> Result<ServerId, Error> {
        Ok(self.inner.add(endpoint.parse::<Route>()?))
    }

    /// Removes a server for all handles, and returns whether it was there. Its jobs stay where they are, and puts that were sent to it are
    /// answered.
    pub fn remove_server(&self, id: ServerId) -> bool {
        self.inner.remove(id)
    }

    /// Returns the servers and their endpoints, in the order in which they were added.
    pub fn servers(&self) -> impl Iterator<Item = (ServerId, String)> + use<R> {
        let servers: Vec<_> = lock(&self.inner.state).servers.iter().map(|(id, name)| (id, name.into())).collect();
        servers.into_iter()
    }

    /// Returns whether a server is taken for healthy. One that failed is not until a probe or a put finds that it answers again.
    #[must_use]
    pub fn is_healthy(&self, id: ServerId) -> bool {
        lock(&self.inner.state).servers.is_healthy(id)
    }

    /// Returns the client of a server, to look after a job that was put there: as `SharedClient`, the type of the binding. It has the connection
    /// that the producer puts on, and ends with it; ask for it again then. It connects with its first call if there is need.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if there is no such server.
    pub fn client<C: From<SharedClient<R>>>(&self, id: ServerId) -> Result<C, Error> {
        Ok(self.inner.client(id)?.into())
    }

    async fn place(&self, key: Option<&[u8]>, put: Put<'_>) -> Result<(Placed, PutOutcome), Error> {
        let inner = &self.inner;
        let since = inner.runtime.now();
        let over = match self.timeout {
            Timeout::After(timeout) if !timeout.is_zero() => Some(since + timeout),
            _ => None,
        };
        let mut last = None;
        loop {
            let now = inner.runtime.now();
            if over.is_some_and(|over| over <= now) {
                return Err(last.unwrap_or_else(|| timed_out(&put, now.saturating_duration_since(since))));
            }
            inner.start_probes(now);
            match inner.step(key, since, now)? {
                Step::Ask(attempt) => match self.ask(attempt, over, put.clone()).await {
                    (Next::Repeat, Err(error)) => last = Some(error),
                    (_, result) => return result,
                },
                Step::Wait(until, seen) => inner.wait(over.map_or(until, |over| over.min(until)), seen).await,
                Step::GiveUp => return Err(last.unwrap_or(Error::Closed { lost: Lost::NotSent })),
            }
        }
    }

    /// Puts on one server, and returns what that came to and whether to ask another.
    ///
    /// A connection has to have answered something before a put is sent on it: what a server that is silent from the beginning swallows would
    /// else be a job of which nobody knows.
    async fn ask(
        &self,
        attempt: Attempt<R>,
        over: Option<Instant>,
        put: Put<'_>,
    ) -> (Next, Result<(Placed, PutOutcome), Error>) {
        let Attempt { server, number, client, began, patience, has_answered } = attempt;
        let inner = &self.inner;
        // What is left of the time of the whole, and until the put is sent.
        let limited = |now: Instant| {
            let timeout = over.map_or(self.timeout, |over| {
                Timeout::After(over.saturating_duration_since(now).max(Duration::from_nanos(1)))
            });
            let patience = patience.map(|patience| patience.saturating_sub(now.saturating_duration_since(began)));
            (client.with_timeout(timeout), patience)
        };
        let mut result = Ok(());
        if !has_answered {
            let (client, patience) = limited(began);
            result = client.run_within(patience, None, ListTubeUsed::new()).await.map(drop);
        }
        let (mut result, was_sent) = match result {
            Err(error) if error.command_error().is_none() => (Err(error), false),
            _ => {
                if !has_answered {
                    inner.handle_answer(server, number);
                }
                let (client, patience) = limited(inner.runtime.now());
                (client.run_within(patience, Some(&self.tube), put).await, true)
            }
        };
        let now = inner.runtime.now();
        let is_broken = client.is_closed();
        let mut is_its_own = false;
        if let (Err(error), false) = (&mut result, is_broken) {
            // Nothing is known of a server that was not given its time.
            let is_over = over.is_some_and(|over| over <= now);
            let has_waited_its_turn =
                matches!(error, Error::TimedOut { lost: Lost::NotSent, .. }) && client.is_connected();
            is_its_own = breaks(error) && (is_over || has_waited_its_turn);
            if let (Error::TimedOut { waited, .. }, Timeout::After(timeout), true) = (error, self.timeout, is_over) {
                *waited = timeout;
            }
        }
        let result = result.map_err(|error| if was_sent { error } else { error.with_lost(Lost::NotSent) });
        let mut next = Next::Return;
        if !is_its_own {
            let has_ended = is_broken || result.as_ref().is_err_and(breaks);
            next = inner.handle_result(server, result.as_ref().map(drop), began, now, has_ended.then_some(number));
        }
        (next, result.map(|outcome| (Placed { server, id: outcome.id() }, outcome)))
    }
}

fn timed_out(put: &Put<'_>, waited: Duration) -> Error {
    let expect = put.expect();
    Error::TimedOut { command: expect.command(), subject: expect.about(), waited, lost: Lost::NotSent }
}
