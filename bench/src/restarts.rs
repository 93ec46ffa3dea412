//! The shared client of many tasks or threads while its server is killed and started again: how long calls take, what becomes of them, and
//! how soon it works again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use beanstalk_proto::{Error, Lost, PutOutcome};
use tokio::{runtime, task::JoinSet};

use crate::{
    report::{Table, thousands, time},
    rounds::median,
    server::{Kind, Server},
};

const RESTARTS: usize = 50;
const TASKS: usize = 200;
const THREADS: usize = 32;
/// How long the server works, and how long it is away, each time.
const UP: Duration = Duration::from_millis(200);
const AWAY: Duration = Duration::from_millis(50);
const BODY: &[u8] = b"sixteen bytes ..";

pub(crate) fn report() -> Result<String> {
    let mut calls = Table::new(&["calls", "made", "half within", "99 % within", "99.9 % within", "longest"]);
    let mut fates = Table::new(&["restarts", "not sent", "unknown", "works again, half within", "longest"]);
    let titles = [
        format!("**beanstalk-tokio**, {TASKS} tasks, {RESTARTS} restarts"),
        format!("**beanstalk-sync**, {THREADS} threads, {RESTARTS} restarts"),
    ];
    for (title, measured) in titles.into_iter().zip([from_tasks()?, from_threads()?]) {
        let Measured { calls: Calls { mut took, not_sent, unknown }, recoveries } = measured;
        took.sort_by(f64::total_cmp);
        let within = |share: f64| time(took[(took.len() as f64 * share) as usize]);
        let longest = took.last().copied().map(time).unwrap_or_default();
        let made = thousands(took.len() as f64);
        calls.row([title.clone(), made, within(0.5), within(0.99), within(0.999), longest]);
        let [not_sent, unknown] = [not_sent, unknown].map(|count| thousands(count as f64));
        let longest = recoveries.iter().copied().fold(0.0, f64::max);
        fates.row([title, not_sent, unknown, time(median(recoveries)), time(longest)]);
    }
    Ok(format!("{}\n{}", calls.render(), fates.render()))
}

struct Measured {
    calls: Calls,
    /// Nanoseconds from when the server listens again until a call is answered.
    recoveries: Vec<f64>,
}

/// What became of the calls of a task or thread.
#[derive(Default)]
struct Calls {
    /// Nanoseconds, of failed calls as well.
    took: Vec<f64>,
    not_sent: u64,
    unknown: u64,
}

impl Calls {
    fn note(&mut self, start: Instant, result: Result<PutOutcome, Error>) -> Result<()> {
        self.took.push(start.elapsed().as_nanos() as f64);
        if let Err(error) = result {
            match error.lost() {
                Some(Lost::NotSent) => self.not_sent += 1,
                Some(Lost::Unknown) => self.unknown += 1,
                None => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.not_sent += other.not_sent;
        self.unknown += other.unknown;
    }
}

/// Kills the server and starts it again, so many times. `call` is a call on the client that is measured.
fn restart(server: &mut Server, mut call: impl FnMut() -> Result<(), Error>) -> Result<Vec<f64>> {
    let mut recoveries = Vec::new();
    for _ in 0..RESTARTS {
        thread::sleep(UP);
        server.restart(AWAY)?;
        let start = Instant::now();
        call()?;
        recoveries.push(start.elapsed().as_nanos() as f64);
        eprint!(".");
    }
    eprintln!();
    Ok(recoveries)
}

fn from_tasks() -> Result<Measured> {
    let mut server = Server::start(Kind::Beanstalkd)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let client = runtime.block_on(beanstalk_tokio::SharedClient::connect(&server.endpoint()))?;
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (client, over) = (client.clone(), Arc::clone(&over));
        let putting = async move {
            let mut calls = Calls::default();
            while !over.load(Relaxed) {
                let start = Instant::now();
                calls.note(start, client.put_in("t", 0, 0, 60, BODY).await)?;
            }
            anyhow::Ok(calls)
        };
        tasks.spawn_on(putting, runtime.handle());
    }
    let handle = runtime.handle().clone();
    let working = thread::spawn(move || {
        runtime.block_on(async {
            let mut calls = Calls::default();
            while let Some(task) = tasks.join_next().await {
                calls.add(task??);
            }
            anyhow::Ok(calls)
        })
    });
    let recoveries = restart(&mut server, || handle.block_on(client.stats()).map(drop));
    over.store(true, Relaxed);
    let calls = working.join().map_err(|_| anyhow!("a task panicked"))??;
    Ok(Measured { calls, recoveries: recoveries? })
}

fn from_threads() -> Result<Measured> {
    let mut server = Server::start(Kind::Beanstalkd)?;
    let client = beanstalk_sync::SharedClient::connect(&server.endpoint())?;
    let over = AtomicBool::new(false);
    let putting = || {
        let mut calls = Calls::default();
        while !over.load(Relaxed) {
            let start = Instant::now();
            calls.note(start, client.put_in("t", 0, 0, 60, BODY))?;
        }
        anyhow::Ok(calls)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(putting)).collect();
        let recoveries = restart(&mut server, || client.stats().map(drop));
        over.store(true, Relaxed);
        let mut calls = Calls::default();
        for thread in threads {
            calls.add(thread.join().map_err(|_| anyhow!("a thread panicked"))??);
        }
        Ok(Measured { calls, recoveries: recoveries? })
    })
}
