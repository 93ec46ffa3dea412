//! Putting jobs on several servers as if they were one.
//!
//! Which server takes a job, and when one that failed is asked again, is decided in
//! [`beanstalk_driver::policy::Servers`]; here it is carried out.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    fmt,
    hash::BuildHasher,
    sync::{Arc, Mutex},
    thread,
    time::{self, Duration},
};

use beanstalk_driver::{
    Endpoint,
    policy::{Backoff, IDLE, Next, Pick, Placed, ServerId, Servers},
};
use beanstalk_proto::{
    Argument, Body, Error, Instant, Lost, Priority, Put, PutOutcome, Seconds, TubeArg, TubeName, client::Config,
};

use crate::{client::Client, slot::lock};

/// How a [`Producer`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerConfig {
    /// The tube that jobs are put into: `default` unless changed.
    pub tube: TubeName,
    /// After how long a server that failed is asked again; no shorter than its failure took.
    pub backoff: Backoff,
    /// How long a job waits for a server that takes it: 30 s unless changed. `None` waits as long as it takes. An attempt to
    /// connect is given up when it ends; a reply that is awaited then has its own timeout. With zero, a put waits for none and
    /// tries each healthy one.
    pub patience: Option<Duration>,
    /// Timeouts and limits of each connection.
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

/// One server of the set.
struct Link {
    address: String,
    client: Option<Client>,
    /// The tube that the connection uses.
    used: TubeName,
    last: Instant,
    probe: Option<Probe>,
}

/// A thread that looks whether a server answers again.
struct Probe {
    began: Instant,
    tube: TubeName,
    outcome: Arc<Mutex<Option<Probed>>>,
}

/// What it came to, and when.
type Probed = (Result<Client, Error>, time::Instant);

/// Puts jobs on several servers.
///
/// Healthy servers take turns, or a key says where jobs belong that should stay together. A server that can't be reached,
/// is [draining](beanstalk_proto::CommandError::Draining) or
/// [out of memory](beanstalk_proto::CommandError::OutOfMemory) is passed over for a while, and its jobs go elsewhere. It is
/// then connected to in a thread of its own, which costs no put any time, unless it is the only one. Only
/// a job that may have arrived never goes twice: its put fails.
///
/// ```no_run
/// use beanstalk_sync::Producer;
///
/// # fn main() -> Result<(), beanstalk_sync::Error> {
/// let mut producer = Producer::new(["queue-1:11300", "queue-2:11300", "queue-3:11300"])?;
/// producer.use_tube("mails")?;
/// producer.put(100, 0, 60, "to: alice")?.1.inserted()?;
/// // All of one customer's jobs on one server, while it is healthy.
/// producer.put_keyed("customer 42", 100, 0, 60, "to: bob")?;
/// # Ok(())
/// # }
/// ```
pub struct Producer {
    servers: Servers,
    links: BTreeMap<ServerId, Link>,
    tube: TubeName,
    config: Config,
    epoch: time::Instant,
}

impl Producer {
    /// A producer for these servers, with the default configuration. It connects to a server with its first job.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no address, and if there is none.
    pub fn new(addresses: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, Error> {
        Self::with_config(addresses, ProducerConfig::default())
    }

    /// A producer for these servers.
    ///
    /// # Errors
    ///
    /// As [`Producer::new`], and for a first delay that is longer than the longest.
    pub fn with_config(addresses: impl IntoIterator<Item: AsRef<str>>, config: ProducerConfig) -> Result<Self, Error> {
        let seed = RandomState::new().hash_one(0);
        let mut producer = Self {
            servers: Servers::new(config.backoff, config.patience, seed),
            links: BTreeMap::new(),
            tube: config.tube,
            config: config.connection,
            epoch: time::Instant::now(),
        };
        for address in addresses {
            producer.add_server(address.as_ref())?;
        }
        producer.servers.check()?;
        Ok(producer)
    }

    /// Puts further jobs into this tube, whichever server takes them.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no name of a tube; nothing is sent.
    pub fn use_tube<'a>(&mut self, tube: impl Argument<TubeArg<'a>>) -> Result<(), Error> {
        self.tube = tube.into_argument().to_name()?;
        Ok(())
    }

    /// Puts a job on the server whose turn it is, and tells where it is.
    ///
    /// # Errors
    ///
    /// As [`Client::put`]. If no server takes it in time, what the last one failed with.
    pub fn put<'a>(
        &mut self,
        priority: impl Argument<Priority>,
        delay: impl Argument<Seconds>,
        ttr: impl Argument<Seconds>,
        body: impl Argument<Body<'a>>,
    ) -> Result<(Placed, PutOutcome), Error> {
        self.place(None, &Put::new(priority, delay, ttr, body))
    }

    /// Puts a job on the server that this key belongs to, or the next one for it while that is not healthy.
    ///
    /// # Errors
    ///
    /// As [`Producer::put`].
    pub fn put_keyed<'a>(
        &mut self,
        key: impl AsRef<[u8]>,
        priority: impl Argument<Priority>,
        delay: impl Argument<Seconds>,
        ttr: impl Argument<Seconds>,
        body: impl Argument<Body<'a>>,
    ) -> Result<(Placed, PutOutcome), Error> {
        self.place(Some(key.as_ref()), &Put::new(priority, delay, ttr, body))
    }

    /// Adds a server, or finds the one with this address.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no address.
    pub fn add_server(&mut self, address: &str) -> Result<ServerId, Error> {
        let address = address.parse::<Endpoint>()?.to_string();
        let id = self.servers.add(&address);
        let used = TubeName::default();
        self.links.entry(id).or_insert(Link { address, client: None, used, last: Instant::ZERO, probe: None });
        Ok(id)
    }

    /// Removes a server, and says whether there was one. The jobs on it stay there.
    pub fn remove_server(&mut self, id: ServerId) -> bool {
        self.links.remove(&id);
        self.servers.remove(id)
    }

    /// The servers and their addresses, in the order in which they were added.
    pub fn servers(&self) -> impl Iterator<Item = (ServerId, &str)> {
        self.servers.iter()
    }

    /// Whether a server is taken for healthy. One that failed is not until a put finds that it answers again.
    #[must_use]
    pub fn is_healthy(&self, id: ServerId) -> bool {
        self.servers.is_healthy(id)
    }

    /// The connection to a server, to look after a job that was put there. It uses the producer's tube.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`] and [`Client::use_tube`]; [`Error::Closed`] if there is no such server.
    pub fn client(&mut self, id: ServerId) -> Result<&mut Client, Error> {
        self.client_within(id, self.config.connect_timeout)
    }

    fn client_within(&mut self, id: ServerId, connect_timeout: Option<Duration>) -> Result<&mut Client, Error> {
        let now = self.now();
        let link = self.links.get_mut(&id).ok_or(Error::Closed { lost: Lost::NotSent })?;
        link.get_ready(&self.tube, Config { connect_timeout, ..self.config }, now)
    }

    fn place(&mut self, key: Option<&[u8]>, put: &Put<'_>) -> Result<(Placed, PutOutcome), Error> {
        let since = self.now();
        let mut failure = Error::Closed { lost: Lost::NotSent };
        loop {
            let now = self.now();
            self.look_after_probes(now);
            match self.servers.pick(key, since, now) {
                Pick::Server(server) => {
                    // The body is lent, so that trying elsewhere copies nothing.
                    let put = Put::new(put.priority, put.delay, put.ttr, &*put.body);
                    let timeout = self.servers.connect_timeout(since, self.config.connect_timeout, now);
                    let result = self.client_within(server, timeout).and_then(|client| client.call(put));
                    let next = self.servers.handle_result(server, result.as_ref().map(|_| ()), now, self.now());
                    if let Some(link) = self.links.get_mut(&server) {
                        link.drop_if_broken(&result);
                    }
                    match (result, next) {
                        (Ok(outcome), _) => return Ok((Placed { server, id: outcome.id() }, outcome)),
                        (Err(error), Next::Return) => return Err(error),
                        (Err(error), Next::Repeat) => failure = error,
                    }
                }
                Pick::WaitUntil(until) => thread::sleep(until.saturating_duration_since(now)),
                Pick::GiveUp => return Err(failure),
            }
        }
    }

    /// Takes in what probes came to, and starts those that it is time for.
    fn look_after_probes(&mut self, now: Instant) {
        for (&id, link) in &mut self.links {
            let Some((probe, (result, ended))) = link.end_probe() else { continue };
            let ended = Instant::ZERO + ended.saturating_duration_since(self.epoch);
            self.servers.handle_probed(id, result.as_ref().map(|_| ()), probe.began, ended);
            if let Ok(client) = result {
                (link.client, link.used, link.last) = (Some(client), probe.tube, now);
            }
        }
        while let Some(id) = self.servers.poll_probe(now) {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let outcome = Arc::default();
            link.probe = Some(Probe { began: now, tube: self.tube.clone(), outcome: Arc::clone(&outcome) });
            let (address, config, tube) = (link.address.clone(), self.config, self.tube.clone());
            let _thread = thread::Builder::new().name("beanstalk-probe".into()).spawn(move || {
                let result = probe(&address, config, &tube);
                *lock(&outcome) = Some((result, time::Instant::now()));
            });
        }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }
}

/// Connects, and has the server answer something that changes nothing.
fn probe(address: &str, config: Config, tube: &TubeName) -> Result<Client, Error> {
    let mut client = Client::connect_with(address, config)?;
    client.use_tube(tube)?;
    Ok(client)
}

impl Link {
    /// What the probe came to, if it has ended.
    fn end_probe(&mut self) -> Option<(Probe, Probed)> {
        let probe = self.probe.as_ref()?;
        // A thread that is gone, or that there was none for, has no outcome.
        let is_over = Arc::strong_count(&probe.outcome) == 1;
        let outcome = lock(&probe.outcome).take();
        let gone = || (Err(Error::Closed { lost: Lost::NotSent }), time::Instant::now());
        let outcome = outcome.or_else(|| is_over.then(gone))?;
        Some((self.probe.take()?, outcome))
    }

    /// A connection that uses this tube. What fails here, fails before a put is sent.
    fn get_ready(&mut self, tube: &TubeName, config: Config, now: Instant) -> Result<&mut Client, Error> {
        let idle = now.saturating_duration_since(self.last) > IDLE;
        self.last = now;
        if idle && self.client.as_ref().is_some_and(Client::has_ended) {
            self.client = None;
        }
        let client = match self.client.take() {
            Some(client) if !client.is_ended() => client,
            _ => {
                self.used = TubeName::default();
                Client::connect_with(&self.address, config)?
            }
        };
        let client = self.client.insert(client);
        if self.used != *tube {
            client.use_tube(tube).map_err(|error| error.with_lost(Lost::NotSent))?;
            self.used = tube.clone();
        }
        Ok(client)
    }

    fn drop_if_broken<T>(&mut self, result: &Result<T, Error>) {
        if result.as_ref().is_err_and(|error| error.is_fatal() || matches!(error, Error::TimedOut { .. })) {
            self.client = None;
        }
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("servers", &self.servers).field("tube", &self.tube).finish_non_exhaustive()
    }
}
