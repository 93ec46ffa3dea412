//! Several servers on one clock, and whoever is polled beside them.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use beanstalk_driver::WorkerHandle;
use beanstalk_proto::{Instant, client::Config};

use super::{
    super::{Rng, Woken, outage::Outage, stream::Sim, trace::Trace, world::World},
    runtime::Virtual,
    tally::Tally,
};

/// How long a task may go without being polled. It is as if its machine were overloaded.
const LONGEST_STALL: u64 = 3000;

/// Names whoever connects: a worker, a producer, a session.
pub(super) type Owner = u64;

/// How often somebody may look at the clock within one poll.
const LOOKS_AT_MOST: u64 = 100_000;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the policies' tasks run on, and what they connect to.
pub(super) struct Cluster {
    servers: Vec<Sim>,
    /// Everybody's notes.
    tally: Mutex<Tally>,
    rng: Mutex<Rng>,
    spawned: Mutex<Vec<(Owner, Task)>>,
    owners: AtomicU64,
    /// Which task is being polled.
    current: AtomicU64,
    /// How often somebody has looked at the clock within one poll.
    looks: AtomicU64,
    seed: u64,
    /// Whether everybody is to come to an end.
    finishing: AtomicBool,
    /// How many there are who have to be gone before the last worker begins.
    pub(super) busy: AtomicU64,
    /// Of all workers that there were.
    handles: Mutex<Vec<(Owner, WorkerHandle<Virtual>)>>,
}

impl Cluster {
    /// So many servers.
    pub(super) fn new(servers: usize, seed: u64, rng: &mut Rng, tell: bool) -> Arc<Self> {
        let mut server = || {
            let mut world = World::new(rng.fork(), Trace::new(tell));
            world.ledger.effects = Some(Vec::new());
            Sim::new(world)
        };
        Arc::new(Self {
            servers: (0..servers).map(|_| server()).collect(),
            tally: Mutex::default(),
            rng: Mutex::new(rng.fork()),
            spawned: Mutex::default(),
            owners: AtomicU64::new(0),
            current: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            seed,
            finishing: AtomicBool::new(false),
            busy: AtomicU64::new(0),
            handles: Mutex::default(),
        })
    }

    /// How addresses are written here.
    pub(super) fn address(server: usize) -> String {
        format!("server{server}:11300")
    }

    /// All of them.
    pub(super) fn addresses(&self) -> Vec<String> {
        (0..self.servers.len()).map(Self::address).collect()
    }

    /// Which server has this address.
    pub(super) fn number(address: &str) -> usize {
        let number = address.strip_prefix("server").and_then(|rest| rest.strip_suffix(":11300"));
        number.and_then(|number| number.parse().ok()).expect("an address of these servers")
    }

    /// The servers.
    pub(super) fn servers(&self) -> &[Sim] {
        &self.servers
    }

    /// What time it is, for all of them.
    pub(super) fn now(&self) -> Instant {
        self.servers[0].now()
    }

    /// The time as the task that is being polled sees it. A task that asks without end is stopped: nothing else could end it.
    pub(super) fn look_at_clock(&self) -> Instant {
        if self.looks.fetch_add(1, Ordering::Relaxed) > LOOKS_AT_MOST {
            panic!("BEANSTALK_SIM_SEED={}: a poll goes round in circles at {:?}", self.seed, self.now());
        }
        self.now()
    }

    /// Waits.
    pub(super) async fn sleep(&self, duration: Duration) {
        self.servers[0].sleep(duration).await;
    }

    /// The notes. Never across an await.
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.try_lock().expect("nobody else to hold them")
    }

    /// Of all workers that there were, to compare in the end.
    pub(super) fn handles(&self) -> MutexGuard<'_, Vec<(Owner, WorkerHandle<Virtual>)>> {
        self.handles.try_lock().expect("nobody else to hold them")
    }

    /// Chances.
    pub(super) fn rng(&self) -> MutexGuard<'_, Rng> {
        self.rng.try_lock().expect("nobody else to take any")
    }

    /// Names somebody who will connect.
    pub(super) fn new_owner(&self) -> Owner {
        self.owners.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Who was named last.
    pub(super) fn last_owner(&self) -> Owner {
        self.owners.load(Ordering::Relaxed)
    }

    /// Takes a task on.
    pub(super) fn spawn(&self, owner: Owner, task: Task) {
        self.spawned.try_lock().expect("nobody else to spawn").push((owner, task));
    }

    /// Which task is being polled.
    pub(super) fn current(&self) -> u64 {
        self.current.load(Ordering::Relaxed)
    }

    /// Whether everybody is to come to an end.
    pub(super) fn is_finishing(&self) -> bool {
        self.finishing.load(Ordering::Relaxed)
    }

    /// Notes something in the record by which two runs are compared.
    pub(super) fn note(&self, what: &str, number: u64, text: &[u8]) {
        let mut world = self.servers[0].world();
        let now = world.now;
        world.trace.note(now, what, number, text);
    }

    /// Nothing goes wrong any more.
    pub(super) fn finish(&self) {
        self.finishing.store(true, Ordering::Relaxed);
        self.servers.iter().for_each(|server| server.world().faults = false);
    }

    /// A server dies.
    pub(super) fn kill(&self, server: usize, outage: Outage) {
        self.servers[server].world().die(outage);
        self.gather(server);
    }

    /// A server comes back, with its jobs or without.
    pub(super) fn revive(&self, server: usize, remembers: bool) {
        let gone = self.servers[server].world().revive(remembers);
        self.tally().died(&gone);
    }

    /// Lets the next thing happen. `false` if there is none.
    pub(super) fn step(&self) -> bool {
        let next = self.servers.iter().enumerate().filter_map(|(number, server)| {
            let at = server.world().next_time()?;
            Some((at, number))
        });
        let Some((_, number)) = next.min() else { return false };
        self.servers[number].world().step();
        let now = self.servers[number].now();
        self.servers.iter().for_each(|server| server.world().now = now);
        self.gather(number);
        true
    }

    /// Tells the tally what a server has done.
    fn gather(&self, number: usize) {
        let mut world = self.servers[number].world();
        let now = world.now;
        world.ledger.settle(now);
        let effects = world.ledger.effects.as_mut().map(std::mem::take).unwrap_or_default();
        for effect in effects {
            self.tally().effect(number, &world, &effect);
        }
    }

    /// The first promise that was broken.
    pub(super) fn violation(&self) -> Option<String> {
        let of_servers = self.servers.iter().find_map(|server| server.world().violation.clone());
        self.tally().violation.clone().or(of_servers)
    }

    /// The same for two runs in which the same happened.
    pub(super) fn hash(&self) -> u64 {
        self.servers.iter().fold(0, |hash, server| (hash ^ server.world().trace.hash()).rotate_left(7))
    }

    /// The last of what happened.
    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        for (number, server) in self.servers.iter().enumerate() {
            lines.extend(server.world().trace.told().map(|(at, line)| (*at, format!("{number}: {line}"))));
        }
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
    }
}

/// How connections of this simulation behave.
pub(super) fn config(rng: &mut Rng) -> Config {
    let mut config = Config {
        connect_timeout: Some(Duration::from_secs(1)),
        reply_timeout: Some(Duration::from_secs(2)),
        ..Config::default()
    };
    if rng.one_in(3) {
        config.limits.reply_body = super::SMALL_LIMIT;
    }
    config
}

/// Somebody on their way.
struct Life {
    /// Whose slot it is, if it is one.
    owner: Option<Owner>,
    future: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
    stalled_until: Instant,
}

/// Polls everybody in turns: of those who were woken, any.
pub(super) struct Tasks {
    cluster: Arc<Cluster>,
    /// In the order in which they came.
    lives: Vec<(u64, Life)>,
    numbered: u64,
    rng: Rng,
    stalls: bool,
}

impl Tasks {
    /// Nobody yet.
    pub(super) fn new(cluster: &Arc<Cluster>, rng: Rng) -> Self {
        Self { cluster: Arc::clone(cluster), lives: Vec::new(), numbered: 0, rng, stalls: true }
    }

    /// Nobody is kept from being polled.
    pub(super) fn never_stall(&mut self) {
        self.stalls = false;
    }

    /// One more.
    pub(super) fn add(&mut self, owner: Option<Owner>, future: impl Future<Output = ()> + 'static) {
        self.numbered += 1;
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let life = Life { owner, future: Box::pin(future), woken, stalled_until: Instant::ZERO };
        self.lives.push((self.numbered, life));
    }

    /// Whether everybody has come to their end.
    pub(super) fn are_over(&self) -> bool {
        self.lives.is_empty()
    }

    /// How many are left, and how many of them slots.
    pub(super) fn left(&self) -> (usize, usize) {
        (self.lives.len(), self.lives.iter().filter(|(_, life)| life.owner.is_some()).count())
    }

    /// Whether a slot is left of a worker that has ended, and could have ended itself.
    pub(super) fn lingering(&self, had_ended: impl Fn(Owner) -> bool) -> Option<Owner> {
        let now = self.cluster.now();
        let slots = self.lives.iter().filter(|(_, life)| now >= life.stalled_until);
        slots.filter_map(|(_, life)| life.owner).find(|&owner| had_ended(owner))
    }

    /// Polls one of those who were woken. `false` if there is none.
    pub(super) fn poll_one(&mut self) -> bool {
        let now = self.cluster.now();
        let awake = |life: &Life| life.woken.0.load(Ordering::Relaxed) && now >= life.stalled_until;
        let ready: Vec<usize> = (0..self.lives.len()).filter(|&at| awake(&self.lives[at].1)).collect();
        if ready.is_empty() {
            return false;
        }
        let at = self.rng.pick(&ready);
        let (number, life) = &mut self.lives[at];
        if self.stalls && life.owner.is_some() && !self.cluster.is_finishing() && self.rng.one_in(1500) {
            let until = now + Duration::from_millis(self.rng.between(1, LONGEST_STALL));
            life.stalled_until = until;
            self.cluster.note("stalls", *number, format!("until {until:?}").as_bytes());
            for server in self.cluster.servers() {
                server.world().stall(*number, until);
            }
            let mut world = self.cluster.servers()[0].world();
            let timer = world.new_timer();
            world.set_timer(timer, until);
            return true;
        }
        life.woken.0.store(false, Ordering::Relaxed);
        self.cluster.current.store(*number, Ordering::Relaxed);
        self.cluster.looks.store(0, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&life.woken));
        let polled = life.future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled == Poll::Ready(()) {
            self.lives.remove(at);
        }
        let spawned = std::mem::take(&mut *self.cluster.spawned.try_lock().expect("nobody else to spawn"));
        for (owner, task) in spawned {
            self.add(Some(owner), task);
        }
        true
    }
}
