//! Clients, a network that goes wrong and the server, in one thread, in virtual time, from one seed.
//!
//! ```text
//!   behaviour ─▶ Driver / Connection ─▶ stream ─▶ link: split, coalesced, late, cut, reset ─▶ server::Connection ─▶ Engine
//!       │            (the real ones)                                                            (the real ones)      │
//!       ▼                                                                                                            ▼
//!     call_log: what clients asked and were told ─────── compared with ──────────── ledger: what the server did
//! ```
//!
//! Clients call, pipeline, cancel, stall and crash; connections are refused, half-closed, and reset at either end before the
//! other knows. What must hold nevertheless is in `ledger` (a job is held by one connection; ready jobs go by priority and
//! id; every command has one reply, of an allowed kind; no job is lost) and in `call_log` (every reply reaches the request it
//! answers; what is called unsent did not run; a job that is handed over is still ours; none that was given to a living
//! connection is forgotten). When the faults stop, everybody must come to an end within [`STEPS_TO_END`].

mod behaviour;
mod call_log;
mod client;
mod effects;
mod ends;
mod ledger;
mod link;
mod network;
mod outage;
mod rng;
mod stream;
mod trace;
pub mod workers;
mod world;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env,
    ops::Range,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use beanstalk_proto::Instant;

pub use self::rng::Rng;
use self::{
    behaviour::{Style, live},
    call_log::CallLog,
    client::Client,
    stream::Sim,
    trace::Trace,
    world::World,
};
use crate::watchdog;

/// Steps that everybody may take to come to an end once nothing goes wrong any more. One step is one thing that happens, or
/// one poll of one client.
pub const STEPS_TO_END: u64 = 20_000;
/// And how long that may take by the clock.
const TIME_TO_END: Duration = Duration::from_secs(60);
/// What a whole run may take at most: beyond this it goes round in circles.
const STEPS_AT_MOST: u64 = 2_000_000;

/// What one seed came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The same for two runs in which the same happened.
    pub hash: u64,
    /// Steps in all.
    pub steps: u64,
    /// Steps after the faults had stopped.
    pub steps_to_end: u64,
    /// Calls that had a result.
    pub calls: u64,
    /// Jobs that were put although their client does not know.
    pub unknown_puts: u64,
}

/// A client on its way.
struct Task {
    style: Style,
    life: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
    stalled_until: Instant,
    over: bool,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a seed.
///
/// # Errors
///
/// The first promise that was broken, and what led to it.
pub fn run(seed: u64) -> Result<Run, String> {
    replayed(seed, run_told)
}

/// The seeds to run: as many as are always run, unless `BEANSTALK_SIM_SEEDS` is how many, or `BEANSTALK_SIM_SEED` with which
/// to begin (and then it is one).
pub fn seeds(always: u64) -> Range<u64> {
    let number = |variable: &str| {
        let text = env::var(variable).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
    };
    let first = number("BEANSTALK_SIM_SEED");
    let seeds = number("BEANSTALK_SIM_SEEDS").unwrap_or(if first.is_some() { 1 } else { always });
    let first = first.unwrap_or_default();
    first..first + seeds
}

/// Runs a seed, and if a promise is broken runs it once more to tell how: text costs time.
fn replayed<R>(seed: u64, run: fn(u64, bool) -> Result<R, String>) -> Result<R, String> {
    let _bound = watchdog::bound();
    run(seed, false).map_err(|_| {
        let text = run(seed, true).err().unwrap_or_else(|| "it did not happen again!".to_string());
        format!("{text}\n\nBEANSTALK_SIM_SEED={seed} runs this again")
    })
}

fn run_told(seed: u64, tell: bool) -> Result<Run, String> {
    let mut rng = Rng::new(seed);
    let sim = Sim::new(World::new(rng.fork(), Trace::new(tell)));
    let log = Rc::new(RefCell::new(CallLog::default()));
    let mut tasks = BTreeMap::new();
    for number in 0..rng.between(2, 5) {
        let style = rng.pick(&Style::ALL);
        tasks.insert(number, start(&sim, &log, &mut rng, style, number));
    }
    let faults_until = Instant::ZERO + Duration::from_millis(rng.between(2_000, 20_000));
    let mut run = Run::default();
    let ended = drive(&sim, &log, &mut rng, &mut tasks, faults_until, &mut run);
    // Their connections close, and the server hears of it.
    tasks.clear();
    while ended.is_ok() && sim.world().step() {}
    let mut world = sim.world();
    world.audit();
    let compared = log.borrow_mut().check(&world.ledger);
    world.check(ended);
    world.check(compared);
    run.hash = world.trace.hash();
    run.calls = log.borrow().calls;
    run.unknown_puts = log.borrow().unknown_puts;
    match &world.violation {
        None => Ok(run),
        Some(what) => Err(format!("{}\n\nseed {seed}: {what}", world.trace.text())),
    }
}

fn start(sim: &Sim, log: &Rc<RefCell<CallLog>>, rng: &mut Rng, style: Style, number: u64) -> Task {
    let name = format!("client {number}");
    let client = Client::new(sim, log, rng.fork(), format!("{name}.{}", rng.below(1 << 40)));
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    Task { style, life: Box::pin(live(client, style)), woken, stalled_until: Instant::ZERO, over: false }
}

/// Lets things happen until every client has come to its end.
fn drive(
    sim: &Sim,
    log: &Rc<RefCell<CallLog>>,
    rng: &mut Rng,
    tasks: &mut BTreeMap<u64, Task>,
    faults_until: Instant,
    run: &mut Run,
) -> Result<(), String> {
    loop {
        let now = sim.now();
        let finishing = now >= faults_until;
        if finishing && !sim.world().finishing {
            let mut world = sim.world();
            world.finishing = true;
            world.faults = false;
        }
        for (&number, task) in tasks.iter_mut() {
            if task.over || now < task.stalled_until || !task.woken.0.swap(false, Ordering::Relaxed) {
                continue;
            }
            run.steps += 1;
            run.steps_to_end += u64::from(finishing);
            let waker = Waker::from(Arc::clone(&task.woken));
            task.over = task.life.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            if finishing || task.over {
                continue;
            }
            if rng.one_in(300) {
                let stall = Duration::from_millis(rng.between(1, 4000));
                task.stalled_until = now + stall;
                task.woken.0.store(true, Ordering::Relaxed);
                let mut world = sim.world();
                world.stalled += stall;
                let timer = world.new_timer();
                world.set_timer(timer, now + stall);
            } else if rng.one_in(400) {
                *task = start(sim, log, rng, task.style, number);
            }
        }
        if let Some(what) = &sim.world().violation {
            return Err(what.clone());
        }
        if tasks.values().all(|task| task.over) {
            return Ok(());
        }
        run.steps += 1;
        run.steps_to_end += u64::from(finishing);
        let took = now.saturating_duration_since(faults_until);
        if run.steps > STEPS_AT_MOST || run.steps_to_end > STEPS_TO_END || took > TIME_TO_END {
            let left = tasks.values().filter(|task| !task.over).count();
            let (all, since) = (run.steps, run.steps_to_end);
            return Err(format!(
                "{left} clients do not come to an end: {all} steps, {since} and {took:?} without faults"
            ));
        }
        let woken = tasks
            .values()
            .any(|task| !task.over && task.woken.0.load(Ordering::Relaxed) && sim.now() >= task.stalled_until);
        if !woken && !sim.world().step() {
            return Err("nothing will ever happen again, and somebody waits".to_string());
        }
        if run.steps % 64 == 0 {
            sim.world().audit();
        }
    }
}
