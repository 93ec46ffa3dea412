//! Puts jobs on several servers: carries out what [`policy::Servers`](crate::policy::Servers) decides.
//!
//! ```text
//!   task ── put ──▶ ┌──────────────────────────┐     ┌── SharedClient ◀──▶ server
//!   task ── put ──▶ │ Servers: whose turn it is│ ──▶ ├── SharedClient ◀──▶ server
//!   task ◀─ reply ─ └──────────────────────────┘     └── none, out: a probe task connects
//! ```
//!
//! Each connection is a [`SharedClient`] that does not reconnect: when and where to connect is for [`Servers`] to decide. Clients are numbered,
//! so that a call that finds one broken drops that one, and not its successor.

mod asked;
mod links;

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{fmt, time::Duration};

use crate::runtime::Runtime;
use crate::sync::lock;
use crate::{
    argument::setters,
    connect::{ConnectOptions, Route},
    policy::{Backoff, Next, Placed, ServerId, Servers, SharedConfig},
    shared::{Flushed, SharedClient},
};
use asked::{Asked, Delivery, Stage, UntilAnswered, UntilFlushed};
use beanstalk_proto::{
    Argument, Body, Error, ListTubeUsed, Lost, Priority, Put, PutOutcome, Request, Seconds, Subject, TubeArg, TubeName,
    client::Timeout,
};
use links::{Inner, Step};

/// A `Producer`'s tube, how long and how many puts wait, and how it connects.
///
/// ```
/// use std::time::Duration;
///
/// use beanstalk_driver::{ConnectOptions, ProducerConfig, proto::TubeName};
///
/// let config = ProducerConfig::default()
///     .tube(TubeName::new("mails")?)
///     .patience(Duration::from_secs(2))
///     .connection(ConnectOptions::new().token("kept secret"));
/// assert_eq!(config.tube, "mails");
/// # Ok::<(), beanstalk_driver::proto::TubeNameError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProducerConfig {
    /// The tube to put into: `default` unless changed.
    pub tube: TubeName,
    /// How long a server that failed is left alone; no shorter than its failure took.
    pub backoff: Backoff,
    /// How long a put waits until it is sent, for a healthy server, a connection and its turn: 30 s unless changed. `None` waits as long as it
    /// takes. The reply then has its own timeout. With zero, a put waits for no server to become healthy and tries each healthy one.
    pub patience: Option<Duration>,
    /// How many puts may wait while no server is healthy, and as many for each server's connection and for their turn on it: 16,384 unless
    /// changed. One more fails with [`Full::Waiting`](beanstalk_proto::Full::Waiting).
    pub waiting: usize,
    /// How many bytes of bodies they may have: 64 MiB unless changed. One more put fails with
    /// [`Full::WaitingBytes`](beanstalk_proto::Full::WaitingBytes), but one may always wait.
    pub waiting_bytes: usize,
    /// How each connection is made.
    pub connection: ConnectOptions,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        let SharedConfig { waiting, waiting_bytes, .. } = SharedConfig::default();
        Self {
            tube: TubeName::default(),
            backoff: Backoff::default(),
            patience: Some(Duration::from_secs(30)),
            waiting,
            waiting_bytes,
            connection: ConnectOptions::default(),
        }
    }
}

impl ProducerConfig {
    setters! {
        /// Sets the tube to put into.
        tube: TubeName;
        /// Sets how long a server that failed is left alone.
        backoff: Backoff;
        /// Sets how long a put waits until it is sent; `None` waits as long as it takes.
        patience: impl Into<Option<Duration>>;
        /// Sets how each connection is made.
        connection: impl Into<ConnectOptions>;
    }

    /// Sets how many puts may wait while no server is healthy, and how many bytes of bodies they may have.
    #[must_use]
    pub fn waiting(mut self, puts: usize, bytes: usize) -> Self {
        (self.waiting, self.waiting_bytes) = (puts, bytes);
        self
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
///
/// One that [refuses](Error::is_refusal) to be connected to, for example as it does not accept a token, is no outage: the put that met that fails with it.
/// It is left alone from then on, until [`Producer::add_server`] is called with it again, or until no server is left that does not refuse.
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
        let ProducerConfig { tube, backoff, patience, waiting, waiting_bytes, connection } = config;
        let runtime = R::default();
        let servers = Servers::new(backoff, patience, runtime.seed());
        let inner = Arc::new(Inner::new(runtime, servers, connection, (waiting, waiting_bytes)));
        let producer = Self { inner, tube, timeout: Timeout::Default };
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

    /// Returns a handle of the same producer whose puts take no longer than this in all: waiting for a server, for a connection and for their
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
    /// takes it in time, what the last one failed with; [`Error::Full`] if as many wait for one as [`ProducerConfig::waiting`] allows.
    pub async fn put<'b>(
        &self,
        priority: impl Argument<Priority>,
        delay: impl Argument<Seconds>,
        ttr: impl Argument<Seconds>,
        body: impl Argument<Body<'b>>,
    ) -> Result<(Placed, PutOutcome), Error> {
        self.put_on(None, &Put::new(priority, delay, ttr, body)).await
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
        self.put_on(Some(key.as_ref()), &Put::new(priority, delay, ttr, body)).await
    }

    /// Puts a job on the server whose turn it is, or the next that takes it, and returns once its last byte was flushed. What it returns is the
    /// future of the reply, which may be dropped.
    ///
    /// A server that runs gets what was flushed, even if the producer is dropped then: a put as the last thing that a program does is done. A put
    /// that was flushed is not repeated, and no other server is asked.
    ///
    /// # Cancel safety
    ///
    /// As [`Producer::put`].
    ///
    /// # Errors
    ///
    /// As [`Producer::put`], but for what the server answers.
    pub async fn send(&self, put: Put<'_>) -> Result<Flushed<(Placed, PutOutcome)>, Error> {
        self.send_to(None, &put).await
    }

    /// As [`Producer::send`], on the server where jobs with the same key go.
    ///
    /// # Cancel safety
    ///
    /// As [`Producer::put`].
    ///
    /// # Errors
    ///
    /// As [`Producer::send`].
    pub async fn send_keyed(
        &self,
        key: impl AsRef<[u8]>,
        put: Put<'_>,
    ) -> Result<Flushed<(Placed, PutOutcome)>, Error> {
        self.send_to(Some(key.as_ref()), &put).await
    }

    /// Adds a server for all handles, or finds the one that is there, which is tried again if it had refused to be connected to. Servers are distinguished, and keys hashed, by the one way in which an
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

    /// Returns what a server that is not healthy failed with last.
    #[must_use]
    pub fn failure(&self, id: ServerId) -> Option<Error> {
        self.inner.failure(id)
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

    async fn put_on(&self, key: Option<&[u8]>, put: &Put<'_>) -> Result<(Placed, PutOutcome), Error> {
        let (asked, outcome) = self.place::<UntilAnswered>(key, put).await?;
        Ok((Placed { server: asked.server, id: outcome.id() }, outcome))
    }

    async fn send_to(&self, key: Option<&[u8]>, put: &Put<'_>) -> Result<Flushed<(Placed, PutOutcome)>, Error> {
        let (asked, reply) = self.place::<UntilFlushed>(key, put).await?;
        Ok(Flushed::new(async move {
            let result = reply.await;
            // What was flushed is not put on another server.
            let (_next, result) = asked.settle(result, Stage::Answering);
            result.map(|outcome| (Placed { server: asked.server, id: outcome.id() }, outcome))
        }))
    }

    async fn place<D: Delivery<R>>(&self, key: Option<&[u8]>, put: &Put<'_>) -> Result<(Asked<R>, D::Out), Error> {
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
                return Err(last.unwrap_or_else(|| timed_out(put, now.saturating_duration_since(since))));
            }
            inner.start_probes(now);
            match inner.step(key, since, now)? {
                Step::Ask(attempt) => {
                    let has_answered = attempt.has_answered;
                    let asked = Asked::new(inner, attempt, over, self.timeout);
                    match self.ask::<D>(&asked, has_answered, put).await {
                        (Next::Repeat, Err(error)) => last = Some(error),
                        (_, result) => return result.map(|out| (asked, out)),
                    }
                }
                Step::Wait(until, seen) => {
                    let until = over.map_or(until, |over| over.min(until));
                    inner.wait(until, seen, body(put)).await?;
                }
                Step::GiveUp(failed) => return Err(last.or(failed).unwrap_or(Error::Closed { lost: Lost::NotSent })),
            }
        }
    }

    /// Puts on one server, and returns the result and whether to ask another.
    ///
    /// A connection has to have answered something before a put is sent on it: what a server that is silent from the beginning swallows would
    /// else be a job of unknown fate.
    async fn ask<D: Delivery<R>>(
        &self,
        asked: &Asked<R>,
        has_answered: bool,
        put: &Put<'_>,
    ) -> (Next, Result<D::Out, Error>) {
        if !has_answered {
            let (client, patience) = asked.limited();
            match client.run_within(patience, None, ListTubeUsed::new()).await {
                Err(error) if error.command_error().is_none() => return asked.settle(Err(error), Stage::Connecting),
                _ => self.inner.handle_answer(asked.server, asked.number),
            }
        }
        let (client, patience) = asked.limited();
        let result = D::deliver(&client, patience, &self.tube, put).await;
        asked.settle(result, D::STAGE)
    }
}

fn body(put: &Put<'_>) -> usize {
    if let Subject::Body(bytes) = put.expect().subject { bytes } else { 0 }
}

fn timed_out(put: &Put<'_>, waited: Duration) -> Error {
    let expect = put.expect();
    Error::TimedOut { command: expect.command, subject: expect.subject.clone(), waited, lost: Lost::NotSent }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "a test that goes wrong may panic")]
mod tests;
