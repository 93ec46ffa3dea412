//! Workers, consumers, sessions and producers over several servers that die and come back, on networks that go wrong, in virtual time,
//! from one seed.
//!
//! ```text
//!   runs ─▶ Worker ─▶ its slots ─┐
//!   producer ─▶ Producer ────────┼─▶ Driver ─▶ links: split, late, cut, reset ─▶ as many servers as there are
//!   session ─▶ Session ──────────┘   (the real ones, on a runtime of virtual time)            ▲
//!       │                                                                                     │
//!       ▼                                                                                 director: kills
//!     tally: what was said ──────────────── compared with ─────────────── what the servers did
//! ```
//!
//! What must hold, whatever happens:
//!
//! - a job that was acknowledged is done, or buried because somebody said so, or died with a server that remembers nothing;
//! - none is finished more often than somebody came to an end with it, and what its owner was told is deleted is;
//! - a job that failed is released until it has failed often enough, and then buried;
//! - no more handlers run, and no more jobs are held, than the limit over all servers allows;
//! - none is deleted, released or buried unless its handler (or a session's user) came to that first, and none is deleted
//!   on a connection that did not reserve it;
//! - none is put twice, nor put after all when its producer was told that it is not;
//! - none expires in a handler's hands on a connection that was good since the ttr last began anew;
//! - nobody gets a job of a tube that he does not watch, nor puts one into a tube that he does not use;
//! - a worker's `run` is over by its deadline, its slots with it, and a worker with nothing to do ends at once;
//! - what a worker counts is what the servers did for it;
//! - once nothing goes wrong any more, everything comes to an end.
//!
//! `dead` has one server die, and shows that this delays nobody else's jobs.

mod actors;
mod cluster;
mod consumer_runs;
pub mod dead;
mod runtime;
mod tally;
mod worker_runs;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use beanstalk_proto::Instant;

pub use self::tally::Counts;
use self::{
    cluster::{Cluster, Tasks},
    runtime::Running,
};
use super::{Rng, network::Weather};

/// The reply bodies that some clients take at most. They bury what is longer.
const SMALL_LIMIT: usize = 300;
/// How long everything may take to come to an end.
const TIME_TO_END: Duration = Duration::from_secs(120);
/// Polls and things that happen in one run, at most.
const STEPS_AT_MOST: u64 = 5_000_000;

/// What one seed came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The same for two runs in which the same happened.
    pub hash: u64,
    /// Polls, and things that happened.
    pub steps: u64,
    /// What was counted.
    pub counts: Counts,
}

/// Runs a seed.
///
/// # Errors
///
/// The first promise that was broken, and what led to it.
pub fn run(seed: u64) -> Result<Run, String> {
    super::replayed(seed, play)
}

fn play(seed: u64, tell: bool) -> Result<Run, String> {
    let mut rng = Rng::new(seed);
    let cluster = Cluster::new(rng.between(1, 3) as usize, seed, &mut rng, tell);
    let _running = Running::new(&cluster);
    // From calm to stormy: what takes calm to show does not show in a storm, and the other way round.
    let calm = rng.pick(&[1, 1, 4, 20]);
    for server in cluster.servers() {
        let bad = Weather::default();
        server.world().weather = Weather {
            late: bad.late * calm,
            refused: bad.refused * calm,
            five_break: bad.five_break * calm,
            within: 6000,
        };
    }
    let mut tasks = Tasks::new(&cluster, rng.fork());
    for number in 0..rng.between(1, 2) {
        tasks.add(None, busy(&cluster, actors::producer(Arc::clone(&cluster), rng.fork(), number)));
    }
    for number in 0..rng.below(3) {
        tasks.add(None, busy(&cluster, actors::session(Arc::clone(&cluster), rng.fork(), number)));
    }
    for _ in 0..rng.below(3) {
        tasks.add(None, busy(&cluster, consumer_runs::run_consumers(Arc::clone(&cluster), rng.fork())));
    }
    for _ in 0..rng.between(1, 2) {
        tasks.add(None, busy(&cluster, worker_runs::run_workers(Arc::clone(&cluster), rng.fork())));
    }
    tasks.add(None, busy(&cluster, actors::director(Arc::clone(&cluster), rng.fork(), 2500 * calm.min(4))));
    tasks.add(None, worker_runs::run_last_worker(Arc::clone(&cluster)));
    let faults_until = Instant::ZERO + Duration::from_millis(rng.between(2000, 12_000));
    let steps = drive(&cluster, &mut tasks, faults_until);
    drop(tasks);
    end(&cluster, seed, steps)
}

/// Counts somebody who has to be gone before the last worker begins.
fn busy<L: Future<Output = ()>>(cluster: &Arc<Cluster>, life: L) -> impl Future<Output = ()> + use<L> {
    let cluster = Arc::clone(cluster);
    cluster.busy.fetch_add(1, Ordering::Relaxed);
    async move {
        life.await;
        cluster.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets things happen until everybody has come to an end; gives how many steps that took.
fn drive(cluster: &Cluster, tasks: &mut Tasks, faults_until: Instant) -> Result<u64, String> {
    let mut steps = 0;
    loop {
        steps += 1;
        let now = cluster.now();
        if now >= faults_until && !cluster.is_finishing() {
            cluster.finish();
        }
        if let Some(what) = cluster.violation() {
            return Err(what);
        }
        if tasks.are_over() {
            return Ok(steps);
        }
        let left =
            |tasks: &Tasks| format!("{:?} tasks and slots are left after {steps} steps, at {now:?}", tasks.left());
        if steps > STEPS_AT_MOST || now > faults_until + TIME_TO_END {
            return Err(format!("it does not come to an end: {}", left(tasks)));
        }
        if tasks.poll_one() {
            continue;
        }
        if let Some(owner) = tasks.lingering(|owner| cluster.tally().had_ended(owner, cluster.now())) {
            return Err(format!("worker {owner} has ended, and one of its slots has not"));
        }
        if !cluster.step() {
            return Err(format!("nothing will ever happen again: {}", left(tasks)));
        }
        cluster.tally().check_time(cluster.now());
        if steps % 64 == 0 {
            cluster.servers().iter().for_each(|server| server.world().audit());
        }
    }
}

/// Compares, when all is over.
fn end(cluster: &Arc<Cluster>, seed: u64, steps: Result<u64, String>) -> Result<Run, String> {
    // What connections are left close, and the servers hear of it.
    while steps.is_ok() && cluster.step() {}
    if steps.is_ok() {
        for (owner, handle) in cluster.handles().drain(..) {
            cluster.tally().metrics(owner, &handle.metrics());
        }
        let worlds: Vec<_> = cluster.servers().iter().map(|server| server.world()).collect();
        cluster.tally().check_end(worlds.iter().flat_map(|world| world.ledger.bodies()));
    }
    cluster.handles().clear();
    match cluster.violation().or(steps.as_ref().err().cloned()) {
        None => Ok(Run { hash: cluster.hash(), steps: steps.unwrap_or_default(), counts: cluster.tally().counts }),
        Some(what) => Err(format!("{}\n\nseed {seed}: {what}", cluster.text())),
    }
}
