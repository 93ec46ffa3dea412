//! Puts jobs on several servers: carries out what [`policy::Servers`](crate::policy::Servers) decides.

use alloc::vec::Vec;
use core::{fmt, time::Duration};

use crate::{
    connect::Endpoint,
    policy::{Backoff, Next, Pick, Placed, ServerId, Servers},
};
use crate::{runtime::Runtime, session::not_sent};
use beanstalk_proto::client::Config;
use beanstalk_proto::{Argument, Body, Error, Lost, Priority, Put, PutOutcome, Seconds, TubeArg, TubeName, Use};

/// How a [`Producer`] puts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerConfig {
    /// The tube to put into: `default` unless changed.
    pub tube: TubeName,
    /// How long a server that failed is left alone.
    pub backoff: Backoff,
    /// How long a put waits for a healthy server: 30 s unless changed. `None` waits as long as it takes.
    pub patience: Option<Duration>,
    /// The configuration of each connection.
    pub connection: Config,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            tube: TubeName::default(),
            backoff: Backoff::default(),
            patience: Some(Duration::from_secs(30)),
            connection: Config::default(),
        }
    }
}

/// Puts jobs on several servers, in turns, or by a key.
///
/// A server that can't be reached, is draining or out of memory is left alone for a while, and the others take its jobs. A put
/// that may have arrived is never repeated: it fails, and its [`lost`](Error::lost) says so.
pub struct Producer<R: Runtime> {
    runtime: R,
    config: ProducerConfig,
    servers: Servers,
    links: Vec<Link<R::Client>>,
}

struct Link<C> {
    id: ServerId,
    address: Endpoint,
    client: Option<C>,
    /// The tube in use on this connection, if that is known.
    tube: Option<TubeName>,
}

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
        let runtime = R::default();
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

    /// Adds a server, or finds the one that is there. Servers are told apart, and keys hashed, by how addresses are written.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no address.
    pub fn add_server(&mut self, address: &str) -> Result<ServerId, Error> {
        let parsed: Endpoint = address.parse()?;
        let id = self.servers.add(address);
        if !self.links.iter().any(|link| link.id == id) {
            self.links.push(Link { id, address: parsed, client: None, tube: None });
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

    /// Whether a server is taken for healthy.
    #[must_use]
    pub fn is_healthy(&self, id: ServerId) -> bool {
        self.servers.is_healthy(id, self.runtime.now())
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
        let ended = link.client.as_mut().is_some_and(|client| R::driver(client).connection.is_ended());
        if ended {
            link.client = None;
        }
        // Whoever gets it may use another.
        link.tube = None;
        link.connect(&self.runtime, self.config.connection).await
    }

    async fn place(&mut self, key: Option<&[u8]>, put: Put<'_>) -> Result<(Placed, PutOutcome), Error> {
        let since = self.runtime.now();
        let mut last = None;
        loop {
            match self.servers.pick(key, since, self.runtime.now()) {
                Pick::Server(id) => {
                    let result = self.put_on(id, &put).await;
                    let now = self.runtime.now();
                    match (self.servers.handle_result(id, result.as_ref().map(drop), now), result) {
                        (Next::Repeat, Err(error)) => last = Some(error),
                        (_, result) => return result.map(|outcome| (Placed { server: id, id: outcome.id() }, outcome)),
                    }
                }
                Pick::WaitUntil(until) => self.runtime.sleep(until).await,
                Pick::GiveUp => return Err(last.unwrap_or(Error::Closed { lost: Lost::NotSent })),
            }
        }
    }

    async fn put_on(&mut self, id: ServerId, put: &Put<'_>) -> Result<PutOutcome, Error> {
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else {
            return Err(Error::Closed { lost: Lost::NotSent });
        };
        let result = link.put(&self.runtime, &self.config, put).await;
        if result.as_ref().is_err_and(|error| error.is_fatal() || matches!(error, Error::TimedOut { .. })) {
            link.client = None;
        }
        result
    }
}

impl<C: Send> Link<C> {
    async fn connect<R: Runtime<Client = C>>(&mut self, runtime: &R, config: Config) -> Result<&mut C, Error> {
        let client = match self.client.take() {
            Some(client) => client,
            None => {
                self.tube = None;
                runtime.connect(&self.address, config).await?
            }
        };
        Ok(self.client.insert(client))
    }

    async fn put<R: Runtime<Client = C>>(
        &mut self,
        runtime: &R,
        config: &ProducerConfig,
        put: &Put<'_>,
    ) -> Result<PutOutcome, Error> {
        self.connect(runtime, config.connection).await?;
        let Some(client) = &mut self.client else { return Err(Error::Closed { lost: Lost::NotSent }) };
        if self.tube.as_ref() != Some(&config.tube) {
            // Until the server has agreed, nobody knows.
            self.tube = None;
            R::driver(client).call(Use::new(&config.tube)).await.map_err(not_sent)?;
            self.tube = Some(config.tube.clone());
        }
        R::driver(client).call(put.clone()).await
    }
}
