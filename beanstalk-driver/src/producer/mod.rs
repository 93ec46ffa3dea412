//! Puts jobs on several servers: carries out what [`policy::Servers`](crate::policy::Servers) decides.

use alloc::{string::ToString, sync::Arc, vec::Vec};
use core::{fmt, mem, time::Duration};
use std::sync::Mutex;

use crate::runtime::{Runtime, has_ended, lock};
use crate::{
    connect::{ConnectOptions, Route},
    policy::{Backoff, IDLE, Next, Pick, Placed, ServerId, Servers},
};
use beanstalk_proto::{
    Argument, Body, Error, Instant, Lost, Priority, Put, PutOutcome, Seconds, TubeArg, TubeName, Use,
};

/// How a [`Producer`] puts.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// The tube to put into: `default` unless changed.
    pub tube: TubeName,
    /// How long a server that failed is left alone; no shorter than its failure took.
    pub backoff: Backoff,
    /// How long a put waits for a healthy server: 30 s unless changed. `None` waits as long as it takes. An attempt to
    /// connect is given up when it ends; a reply that is awaited then has its own timeout. With zero, a put waits for none and
    /// tries each healthy one.
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

/// Puts jobs on several servers, in turns, or by a key.
///
/// A server that can't be reached, is draining or out of memory is left alone for a while, and the others take its jobs. It is
/// then connected to by a task of its own, which costs no put any time, unless it is the only one. A put that may have arrived is
/// never repeated: it fails, and its [`lost`](Error::lost) says so.
pub struct Producer<R: Runtime> {
    runtime: Arc<R>,
    config: ProducerConfig,
    servers: Servers,
    links: Vec<Link<R::Client>>,
}

struct Link<C> {
    id: ServerId,
    route: Route,
    client: Option<C>,
    /// The tube in use on this connection, if that is known.
    tube: Option<TubeName>,
    /// When it was used last.
    last: Instant,
    probe: Option<Probe<C>>,
}

/// A task that looks whether a server answers again.
struct Probe<C> {
    began: Instant,
    tube: TubeName,
    outcome: Arc<Mutex<Option<Probed<C>>>>,
}

/// What it came to, and when.
type Probed<C> = (Result<C, Error>, Instant);

impl<R: Runtime> fmt::Debug for Producer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, servers, .. } = self;
        f.debug_struct("Producer").field("config", config).field("servers", servers).finish_non_exhaustive()
    }
}

impl<R: Runtime> Producer<R> {
    /// A producer for these servers. It connects once there is something to put.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no address, and if there is none.
    pub fn new(addresses: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, Error> {
        Self::with_config(addresses, ProducerConfig::default())
    }

    /// A producer with a configuration.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no address, if there is none, and for a first delay that is longer than the longest.
    pub fn with_config(addresses: impl IntoIterator<Item: AsRef<str>>, config: ProducerConfig) -> Result<Self, Error> {
        let runtime = Arc::new(R::default());
        let servers = Servers::new(config.backoff, config.patience, runtime.seed());
        let mut producer = Self { runtime, config, servers, links: Vec::new() };
        for address in addresses {
            producer.add_server(address.as_ref())?;
        }
        producer.servers.check()?;
        Ok(producer)
    }

    /// Puts into another tube from now on. Each server is told with its next put.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no tube name.
    pub fn use_tube<'t>(&mut self, tube: impl Argument<TubeArg<'t>>) -> Result<(), Error> {
        self.config.tube = tube.into_argument().to_name()?;
        Ok(())
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
    /// Those of `put` and [`Error::Argument`]. When no server is healthy in time, what the last one failed with.
    pub async fn put<'b>(
        &mut self,
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
        &mut self,
        key: impl AsRef<[u8]>,
        priority: impl Argument<Priority>,
        delay: impl Argument<Seconds>,
        ttr: impl Argument<Seconds>,
        body: impl Argument<Body<'b>>,
    ) -> Result<(Placed, PutOutcome), Error> {
        self.place(Some(key.as_ref()), Put::new(priority, delay, ttr, body)).await
    }

    /// Adds a server, or finds the one that is there. Servers are told apart, and keys hashed, by the one way in which an [`Endpoint`](crate::Endpoint) is
    /// written: `localhost` is the same server as `localhost:11300`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no address.
    pub fn add_server(&mut self, address: &str) -> Result<ServerId, Error> {
        let route = address.parse::<Route>()?;
        let id = self.servers.add(&route.endpoint().to_string());
        if !self.links.iter().any(|link| link.id == id) {
            self.links.push(Link { id, route, client: None, tube: None, last: Instant::ZERO, probe: None });
        }
        Ok(id)
    }

    /// Removes a server and says whether it was there. Its jobs stay where they are.
    pub fn remove_server(&mut self, id: ServerId) -> bool {
        self.links.retain(|link| link.id != id);
        self.servers.remove(id)
    }

    /// The servers, in the order in which they were added.
    pub fn servers(&self) -> impl Iterator<Item = (ServerId, &str)> {
        self.servers.iter()
    }

    /// Whether a server is taken for healthy. One that failed is not until a put finds that it answers again.
    #[must_use]
    pub fn is_healthy(&self, id: ServerId) -> bool {
        self.servers.is_healthy(id)
    }

    /// The connection to a server, to look after a job that was put there. It is connected first if there is need.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it connects, there is no connection.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if there is no such server, and what connecting fails with.
    pub async fn client(&mut self, id: ServerId) -> Result<&mut R::Client, Error> {
        let gone = Error::Closed { lost: Lost::NotSent };
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else { return Err(gone) };
        // Whoever gets it may use another.
        link.tube = None;
        link.connect(&*self.runtime, &self.config.connection).await
    }

    async fn place(&mut self, key: Option<&[u8]>, put: Put<'_>) -> Result<(Placed, PutOutcome), Error> {
        let since = self.runtime.now();
        let mut last = None;
        loop {
            let began = self.runtime.now();
            self.look_after_probes(began);
            match self.servers.pick(key, since, began) {
                Pick::Server(id) => {
                    let timeout = self.config.connection.config.connect_timeout;
                    let result = self.put_on(id, &put, self.servers.connect_timeout(since, timeout, began)).await;
                    let now = self.runtime.now();
                    match (self.servers.handle_result(id, result.as_ref().map(drop), began, now), result) {
                        (Next::Repeat, Err(error)) => last = Some(error),
                        (_, result) => return result.map(|outcome| (Placed { server: id, id: outcome.id() }, outcome)),
                    }
                }
                Pick::WaitUntil(until) => self.runtime.sleep(until).await,
                Pick::GiveUp => return Err(last.unwrap_or(Error::Closed { lost: Lost::NotSent })),
            }
        }
    }

    async fn put_on(&mut self, id: ServerId, put: &Put<'_>, timeout: Option<Duration>) -> Result<PutOutcome, Error> {
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else {
            return Err(Error::Closed { lost: Lost::NotSent });
        };
        let connection = self.config.connection.clone().connect_timeout(timeout);
        let result = link.put(&*self.runtime, &self.config.tube, &connection, put).await;
        if result.as_ref().is_err_and(|error| error.is_fatal() || matches!(error, Error::TimedOut { .. })) {
            link.client = None;
        }
        result
    }
}

impl<R: Runtime> Producer<R> {
    /// Takes in what probes came to, and starts those that it is time for.
    fn look_after_probes(&mut self, now: Instant) {
        for link in &mut self.links {
            let Some((probe, (result, ended))) = link.end_probe(now) else { continue };
            self.servers.handle_probed(link.id, result.as_ref().map(drop), probe.began, ended);
            if let Ok(client) = result {
                (link.client, link.tube) = (Some(client), Some(probe.tube));
            }
        }
        while let Some(id) = self.servers.poll_probe(now) {
            let Some(link) = self.links.iter_mut().find(|link| link.id == id) else { continue };
            let (tube, outcome) = (self.config.tube.clone(), Arc::default());
            link.probe = Some(Probe { began: now, tube: tube.clone(), outcome: Arc::clone(&outcome) });
            let (runtime, route) = (Arc::clone(&self.runtime), link.route.clone());
            let options = self.config.connection.clone();
            self.runtime.spawn(async move {
                let result = probe(&*runtime, &route, &options, &tube).await;
                *lock(&outcome) = Some((result, runtime.now()));
            });
        }
    }
}

/// Connects, and has the server answer something that changes nothing.
async fn probe<R: Runtime>(
    runtime: &R,
    route: &Route,
    options: &ConnectOptions,
    tube: &TubeName,
) -> Result<R::Client, Error> {
    let mut client = runtime.connect(route, options).await?;
    R::driver(&mut client).call(Use::new(tube)).await?;
    Ok(client)
}

impl<C> Link<C> {
    /// What the probe came to, if it has ended.
    fn end_probe(&mut self, now: Instant) -> Option<(Probe<C>, Probed<C>)> {
        let probe = self.probe.as_ref()?;
        // A task that is gone, with its runtime, has no outcome.
        let is_over = Arc::strong_count(&probe.outcome) == 1;
        let outcome = lock(&probe.outcome).take();
        let outcome = outcome.or_else(|| is_over.then(|| (Err(Error::Closed { lost: Lost::NotSent }), now)))?;
        Some((self.probe.take()?, outcome))
    }
}

impl<C: Send> Link<C> {
    async fn connect<R: Runtime<Client = C>>(
        &mut self,
        runtime: &R,
        options: &ConnectOptions,
    ) -> Result<&mut C, Error> {
        let now = runtime.now();
        let idle = now.saturating_duration_since(mem::replace(&mut self.last, now)) > IDLE;
        if let Some(client) = &mut self.client {
            // A connection that ended while nobody looked would take a put, and nobody could tell whether it has run.
            if R::driver(client).connection.is_ended() || idle && has_ended::<R>(client).await {
                self.client = None;
            }
        }
        let client = match self.client.take() {
            Some(client) => client,
            None => {
                self.tube = None;
                runtime.connect(&self.route, options).await?
            }
        };
        Ok(self.client.insert(client))
    }

    async fn put<R: Runtime<Client = C>>(
        &mut self,
        runtime: &R,
        tube: &TubeName,
        options: &ConnectOptions,
        put: &Put<'_>,
    ) -> Result<PutOutcome, Error> {
        self.connect(runtime, options).await?;
        let Some(client) = &mut self.client else { return Err(Error::Closed { lost: Lost::NotSent }) };
        if self.tube.as_ref() != Some(tube) {
            // Until the server has agreed, nobody knows.
            self.tube = None;
            R::driver(client).call(Use::new(tube)).await.map_err(|error| error.with_lost(Lost::NotSent))?;
            self.tube = Some(tube.clone());
        }
        R::driver(client).call(put.clone()).await
    }
}
