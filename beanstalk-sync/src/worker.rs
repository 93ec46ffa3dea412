//! A worker: takes jobs from one or several servers and has a handler work on them.
//!
//! ```text
//!   Worker::run ── waits for: shutdown, servers added, slots that ended
//!      ├── server A ── slot 0: a connection, a working and a keeping thread
//!      │            └─ slot 1
//!      └── server B ── slot 0 …
//! ```
//!
//! Every server has its own slots, so an empty one never keeps a full one waiting, and a dead one delays its own jobs
//! only.

use std::{
    fmt, mem,
    sync::{Arc, Condvar, Mutex, Weak},
    thread,
    time::{self, Duration},
};

use beanstalk_driver::{
    ConnectOptions, Endpoint, HandlerResult,
    policy::{Backoff, Metrics, RetryPolicy, WorkerConfig, WorkerEvent},
};
use beanstalk_proto::{Argument, ArgumentError, Error, TubeArg};

use crate::{
    held::HeldJob,
    listener::Listener,
    slot::{Shop, Slot, lock, wait},
};

/// How long after its deadline a slot may take that is in a call which can't be broken off, such as looking up a name.
const GRACE: Duration = Duration::from_millis(100);

/// What there is of a worker, from its handles' point of view.
struct Crew {
    shop: Arc<Shop>,
    concurrency: usize,
    roster: Mutex<Roster>,
    changed: Condvar,
}

#[derive(Default)]
struct Roster {
    servers: Vec<Endpoint>,
    /// Those that have threads and did not end.
    slots: Vec<Arc<Slot>>,
    /// Those that have no threads yet.
    new: Vec<Arc<Slot>>,
    /// How many slots there were so far.
    made: usize,
    /// What slots did that are here no more.
    metrics: Metrics,
    shutdown: bool,
}

/// Runs a handler for every job that comes.
///
/// ```no_run
/// use beanstalk_sync::{Error, HeldJob, Verdict, Worker};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Error> {
/// let worker = Worker::builder().server("localhost:11300").tube("mails").concurrency(4).build()?;
///
/// let handle = worker.handle();
/// std::thread::spawn(move || {
///     // … when a signal comes:
///     handle.shutdown(Duration::from_secs(10));
/// });
///
/// let metrics = worker.run(|job: &HeldJob| {
///     println!("sending {}", job.text()?);
///     Ok::<_, std::str::Utf8Error>(Verdict::Done)
/// });
/// println!("{} mails sent", metrics.done);
/// # Ok(())
/// # }
/// ```
///
/// While a handler runs, its job is touched before its time to run is over, so it may take as long as it likes. A handler
/// that fails or panics has its job released with a delay that grows with the job's own count of releases and timeouts,
/// and at last buried: see [`RetryPolicy`]. Lost connections are made again, with their tubes.
#[derive(Debug)]
pub struct Worker {
    crew: Arc<Crew>,
}

impl Worker {
    /// A worker with nothing set: it needs a server at least.
    #[must_use]
    pub fn builder() -> WorkerBuilder {
        WorkerBuilder::default()
    }

    /// What controls and observes it, from any thread.
    #[must_use]
    pub fn handle(&self) -> WorkerHandle {
        WorkerHandle { crew: Arc::clone(&self.crew) }
    }

    /// Works until it is shut down, and tells what was done. The handler is called in the threads of the slots, several at
    /// a time if there are several.
    ///
    /// It returns as soon as every slot has finished, and at the deadline of the shutdown in any case: connections are
    /// closed then, which gives back what they held, and handlers that still run are left behind with nothing to say. Such
    /// a handler learns of it from [`HeldJob::is_lost`].
    ///
    /// # Panics
    ///
    /// If the operating system gives no thread.
    pub fn run<O: HandlerResult>(self, handler: impl Fn(&HeldJob) -> O + Send + Sync + 'static) -> Metrics {
        let (crew, handler) = (self.crew, Arc::new(handler));
        let mut roster = lock(&crew.roster);
        loop {
            for slot in mem::take(&mut roster.new) {
                roster.slots.push(Arc::clone(&slot));
                let (keeper, handler) = (Arc::clone(&slot), Arc::clone(&handler));
                thread::spawn(move || keeper.keep());
                thread::spawn(move || slot.work(|job| HeldJob::handle(job, &slot, &*handler)));
            }
            let left = roster.look_after(&crew.shop);
            if roster.shutdown && roster.slots.is_empty() {
                return roster.metrics;
            }
            roster = wait(&crew.changed, roster, left.unwrap_or(Duration::from_secs(3600)));
        }
    }
}

impl Roster {
    /// Lets go of slots that ended, and breaks off those whose deadline has passed. Gives when to do so again.
    fn look_after(&mut self, shop: &Shop) -> Option<Duration> {
        let now = shop.now();
        let mut next: Option<Duration> = None;
        let metrics = &mut self.metrics;
        self.slots.retain(|slot| {
            let deadline = slot.shutdown();
            let mut over = slot.is_over();
            if let Some(deadline) = deadline.filter(|_| !over) {
                let end = deadline + GRACE;
                let left = match now < deadline {
                    true => deadline.saturating_duration_since(now),
                    false => {
                        slot.cut();
                        over = end <= now;
                        end.saturating_duration_since(now)
                    }
                };
                next = Some(next.map_or(left, |next| next.min(left)));
            }
            if over {
                metrics.merge(&slot.metrics_if_stopped());
            }
            !over
        });
        next
    }
}

/// Controls and observes a [`Worker`], before it runs and while it does.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    crew: Arc<Crew>,
}

impl WorkerHandle {
    /// Stops the worker: no further job is reserved, those in hand may be finished within this time, and what is left is
    /// given back to the server, ready. Returns at once; [`Worker::run`] returns when it is over. Of several calls the
    /// earliest deadline counts.
    pub fn shutdown(&self, within: Duration) {
        let mut roster = lock(&self.crew.roster);
        roster.shutdown = true;
        // What has not begun never will.
        roster.new.clear();
        let deadline = self.crew.shop.now() + within;
        for slot in &roster.slots {
            slot.shut_down(deadline);
        }
        self.crew.changed.notify_all();
    }

    /// What all slots have done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let roster = lock(&self.crew.roster);
        let mut metrics = roster.metrics;
        for slot in &roster.slots {
            metrics.merge(&slot.metrics());
        }
        metrics
    }

    /// Works for one more server. Does nothing if it does so already, or was shut down.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no address.
    pub fn add_server(&self, address: &str) -> Result<(), Error> {
        let server: Endpoint = address.parse()?;
        let mut roster = lock(&self.crew.roster);
        if !roster.shutdown && !roster.servers.contains(&server) {
            for _ in 0..self.crew.concurrency {
                let slot = Slot::new(&self.crew.shop, &server, roster.made);
                roster.made += 1;
                roster.new.push(Arc::new(slot));
            }
            roster.servers.push(server);
            self.crew.changed.notify_all();
        }
        Ok(())
    }

    /// Works no more for a server, and says whether it did: as [`WorkerHandle::shutdown`], for this one only.
    pub fn remove_server(&self, address: &str, within: Duration) -> bool {
        let Ok(server) = address.parse::<Endpoint>() else { return false };
        let mut roster = lock(&self.crew.roster);
        let before = roster.servers.len();
        roster.servers.retain(|other| *other != server);
        roster.new.retain(|slot| slot.server != server);
        let deadline = self.crew.shop.now() + within;
        for slot in roster.slots.iter().filter(|slot| slot.server == server) {
            slot.shut_down(deadline);
        }
        self.crew.changed.notify_all();
        roster.servers.len() < before
    }

    /// The servers it works for.
    #[must_use]
    pub fn servers(&self) -> Vec<Endpoint> {
        lock(&self.crew.roster).servers.clone()
    }
}

/// Sets a [`Worker`] up. What is not set is as in [`WorkerConfig`].
#[derive(Default)]
pub struct WorkerBuilder {
    servers: Vec<String>,
    tubes: Vec<TubeArg<'static>>,
    concurrency: Option<usize>,
    policy: WorkerConfig,
    connection: ConnectOptions,
    listener: Listener,
}

impl WorkerBuilder {
    /// Takes jobs from this server, besides those set already: `host:port`, `[v6]:port` or `unix:/path`.
    #[must_use]
    pub fn server(self, address: &str) -> Self {
        self.servers([address])
    }

    /// Takes jobs from these servers, besides those set already.
    #[must_use]
    pub fn servers(mut self, addresses: impl IntoIterator<Item: AsRef<str>>) -> Self {
        self.servers.extend(addresses.into_iter().map(|address| address.as_ref().to_string()));
        self
    }

    /// Takes jobs from this tube, besides those set already; from `default` if none is set.
    #[must_use]
    pub fn tube<'a>(self, tube: impl Argument<TubeArg<'a>>) -> Self {
        self.tubes([tube])
    }

    /// Takes jobs from these tubes, besides those set already.
    #[must_use]
    pub fn tubes<'a>(mut self, tubes: impl IntoIterator<Item: Argument<TubeArg<'a>>>) -> Self {
        self.tubes.extend(tubes.into_iter().map(|tube| TubeArg::from(tube.into_argument().as_str().to_string())));
        self
    }

    /// How many jobs of each server are worked on at a time, each on a connection of its own: one unless set.
    #[must_use]
    pub const fn concurrency(mut self, slots: usize) -> Self {
        self.concurrency = Some(slots);
        self
    }

    /// What becomes of jobs that fail.
    #[must_use]
    pub const fn retry(mut self, retry: RetryPolicy) -> Self {
        self.policy.retry = retry;
        self
    }

    /// How long to wait between attempts to connect.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.policy.backoff = backoff;
        self
    }

    /// How long one reserve waits, in seconds: 10 unless set. A server that has vanished without a word is noticed after
    /// this and the reply timeout.
    #[must_use]
    pub const fn reserve_slice(mut self, seconds: u32) -> Self {
        self.policy.reserve_slice = seconds;
        self
    }

    /// Whether to take the job in hand back with `reserve-job` after the connection broke, if nobody else has it yet. Needs
    /// servers from 1.12 on.
    #[must_use]
    pub const fn reclaim(mut self, reclaim: bool) -> Self {
        self.policy.reclaim = reclaim;
        self
    }

    /// Sets how each connection is made.
    #[must_use]
    pub fn connection(mut self, options: impl Into<ConnectOptions>) -> Self {
        self.connection = options.into();
        self
    }

    /// Tells of everything that happens, in the thread where it does: return soon.
    #[must_use]
    pub fn on_event(mut self, listener: impl Fn(&WorkerEvent) + Send + Sync + 'static) -> Self {
        self.listener = Listener(Some(Box::new(listener)));
        self
    }

    /// Makes the worker. It connects when it runs.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no address or no name of a tube, and for what no worker could work with: no servers, a
    /// concurrency of 0, a `reserve_slice` of 0, a first delay that is longer than the longest.
    pub fn build(self) -> Result<Worker, Error> {
        let Self { servers, tubes, concurrency, mut policy, connection, listener } = self;
        policy.tubes = tubes.iter().map(TubeArg::to_name).collect::<Result<_, ArgumentError>>()?;
        let concurrency = concurrency.unwrap_or(1);
        policy.check(servers.len(), concurrency)?;
        let crew = Arc::new_cyclic(|crew: &Weak<Crew>| {
            let crew = Weak::clone(crew);
            // Under the lock, or it would come between the look and the wait.
            let ended = move || {
                if let Some(crew) = crew.upgrade() {
                    let _roster = lock(&crew.roster);
                    crew.changed.notify_all();
                }
            };
            let (epoch, deferrals, ended) = (time::Instant::now(), Mutex::default(), Box::new(ended));
            let shop = Shop { epoch, policy, connection, listener, deferrals, ended };
            Crew { shop: Arc::new(shop), concurrency, roster: Mutex::default(), changed: Condvar::new() }
        });
        let worker = Worker { crew };
        let handle = worker.handle();
        servers.iter().try_for_each(|address| handle.add_server(address))?;
        Ok(worker)
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("policy", &self.shop.policy).finish_non_exhaustive()
    }
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("servers", &self.servers)
            .field("tubes", &self.tubes)
            .finish_non_exhaustive()
    }
}
