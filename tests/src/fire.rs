//! Servers under fire: killed with SIGKILL and restarted once a second, while what they acknowledged is written down.
//!
//! For four seconds; `BEANSTALK_CHAOS_SECONDS=60` makes it a minute. Every job that a server acknowledged must be worked on
//! at least once. A server without a binlog takes what it held with it when it is killed, so there those jobs are counted
//! apart; with a binlog there must be none.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    io::{self, Write},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::policy::Metrics;
use beanstalk_proto::{CommandError, Error, Lost};
use beanstalk_sync::{Client, wait_until_empty};

use crate::{daemon::Daemon, server::Backend, torn};

/// How many servers there are.
pub const SERVERS: usize = 3;
/// The tube that jobs go through.
pub const TUBE: &str = "work";
/// How long a producer rests between two jobs: about a thousand of them a second.
pub const REST: Duration = Duration::from_micros(900);
/// How long a job takes: about as long as it takes until the next one comes for the same slot.
pub const WORK: Duration = Duration::from_millis(3);

/// How many seconds a producer's `n`th job is delayed: now and then one, so that each server always has something to lose.
pub fn delay(n: u64) -> u32 {
    u32::from(n % 10 == 0)
}

/// A job that was acknowledged.
#[derive(Debug)]
struct Acknowledged {
    server: String,
    /// When its put began.
    since: Instant,
}

/// What producers were told, what workers did, and what became of the servers.
#[derive(Debug)]
pub struct Tally {
    name: String,
    durable: bool,
    acknowledged: Mutex<BTreeMap<u64, Acknowledged>>,
    /// Puts that failed, and may have arrived nevertheless.
    unknown: AtomicU64,
    /// How often each job was worked on.
    processed: Mutex<BTreeMap<u64, u64>>,
    /// When each server was killed.
    kills: Mutex<HashMap<String, Vec<Instant>>>,
    stop: AtomicBool,
}

/// How long servers are killed.
pub fn seconds() -> u64 {
    env::var("BEANSTALK_CHAOS_SECONDS").map_or(4, |seconds| seconds.parse().expect("a number of seconds"))
}

/// The servers to be killed. Those that are durable keep a binlog.
pub fn servers(durable: bool) -> Vec<Daemon> {
    (0..SERVERS).map(|_| Daemon::start(Backend::Real, durable)).collect()
}

impl Tally {
    /// An empty one.
    pub fn new(name: &str, durable: bool) -> Self {
        Self {
            name: format!("{name}, {}", if durable { "binlog" } else { "in memory" }),
            durable,
            acknowledged: Mutex::default(),
            unknown: AtomicU64::new(0),
            processed: Mutex::default(),
            kills: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// Whether producers are to stop.
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Notes that a server has taken a job.
    pub fn acknowledge(&self, job: u64, server: &str, since: Instant) {
        let acknowledged = Acknowledged { server: server.to_string(), since };
        let before = self.acknowledged.lock().unwrap().insert(job, acknowledged);
        assert!(before.is_none(), "{job} was put twice");
    }

    /// Notes that it is unknown whether a job was put; anything else is no excuse.
    pub fn failed(&self, error: &Error) {
        assert!(error.lost() == Some(Lost::Unknown), "{error}");
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a job was worked on.
    pub fn process(&self, job: u64) {
        *self.processed.lock().unwrap().entry(job).or_default() += 1;
    }

    /// Kills one server after the other, once a second, then stops the producers, and waits until all is worked off.
    pub fn kill_and_restart(&self, daemons: &mut [Daemon]) {
        let stop = Stop(&self.stop);
        // How many jobs of each may be torn.
        let mut torn = [0; SERVERS];
        for round in 0..seconds() as usize {
            let second = Instant::now() + Duration::from_secs(1);
            thread::sleep(Duration::from_millis(700));
            let daemon = &mut daemons[round % SERVERS];
            // What it acknowledged until it was dead may be gone with it.
            daemon.kill();
            self.kills.lock().unwrap().entry(daemon.address()).or_default().push(Instant::now());
            torn[round % SERVERS] += usize::from(self.durable);
            thread::sleep(Duration::from_millis(100));
            daemon.restart();
            for (daemon, torn) in daemons.iter().zip(&mut torn) {
                look_for_torn(&daemon.address(), torn);
            }
            thread::sleep(second.saturating_duration_since(Instant::now()));
        }
        drop(stop);
        for (daemon, torn) in daemons.iter().zip(&mut torn) {
            work_off(&daemon.address(), torn);
        }
    }

    /// Prints it, and gives the jobs that were acknowledged and never worked on, without those that died with their server.
    pub fn report(&self, metrics: &Metrics) -> BTreeSet<u64> {
        let acknowledged = self.acknowledged.lock().unwrap();
        let processed = self.processed.lock().unwrap();
        let kills = self.kills.lock().unwrap();
        let (mut died, mut missing) = (0, BTreeSet::new());
        for (job, Acknowledged { server, since }) in acknowledged.iter().filter(|(job, _)| !processed.contains_key(job))
        {
            match !self.durable && kills.get(server).is_some_and(|kills| kills.iter().any(|kill| kill >= since)) {
                true => died += 1,
                false => drop(missing.insert(*job)),
            }
        }
        let killed = kills.values().map(Vec::len).sum::<usize>() as u64;
        let _ = writeln!(
            io::stderr(),
            "{}: {killed} kills; {} jobs acknowledged, {} puts unknown, {} jobs worked on, {} of them more than once; \
             {died} died with their server, {} missing; {metrics:?}",
            self.name,
            acknowledged.len(),
            self.unknown.load(Ordering::Relaxed),
            processed.len(),
            processed.values().filter(|&&times| times > 1).count(),
            missing.len(),
        );
        assert!(acknowledged.len() as u64 > seconds() * 100, "that was no load");
        assert_eq!(killed, seconds());
        assert!(metrics.reconnects >= seconds(), "each kill costs two connections");
        assert_eq!(metrics.reserved, metrics.done + metrics.lost + metrics.returned, "{metrics:?}");
        missing
    }
}

/// Stops the producers, also when killing has failed.
struct Stop<'t>(&'t AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Takes out the job that is next, if it is torn: a worker would get nothing else. So many may be.
fn look_for_torn(address: &str, torn: &mut usize) {
    let next = torn::past(address, torn, || {
        let mut client = Client::connect(address)?;
        client.use_tube(TUBE)?;
        client.peek_ready()
    });
    let error = next.err().filter(|error| error.command_error() != Some(CommandError::NotFound));
    assert!(error.is_none(), "{address}: {error:?}");
}

/// Waits until everything is worked off that is not torn.
fn work_off(address: &str, torn: &mut usize) {
    let (mut client, until) = (Client::connect(address).unwrap(), Instant::now() + Duration::from_secs(60));
    while !wait_until_empty(&mut client, TUBE, Some(Duration::from_millis(100))).unwrap() {
        assert!(Instant::now() < until, "{address} is not empty");
        look_for_torn(address, torn);
    }
}
