//! Several servers as one: a producer spreads jobs over them, a worker serves them all.
//!
//! ```text
//! cargo run --release -p beanstalk-sync --example cluster                        # three embedded servers
//! cargo run --release -p beanstalk-sync --example cluster -- --server 127.0.0.1:11300 --server 127.0.0.1:11301
//! ```
//!
//! Embedded servers refuse jobs for a second each, in turn, and half-way a fourth one joins. No job is lost, and jobs of
//! the same key are on the same server for as long as it takes any.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    process::{self, ExitCode},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use beanstalk_server::EmbeddedServer;
use beanstalk_sync::{Backoff, HeldJob, Producer, ProducerConfig, Verdict, Worker, WorkerHandle};
use clap::Parser;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Puts jobs on several servers and works on them.
#[derive(Parser)]
struct Options {
    /// A beanstalkd to use instead of embedded servers; can be given several times
    #[arg(long, value_name = "ADDR")]
    server: Vec<String>,
    /// How many jobs
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    jobs: u64,
}

type Failure = Box<dyn StdError + Send + Sync>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many jobs each server has taken and how many of them were worked on, shown as they change.
#[derive(Default)]
struct Board {
    bars: MultiProgress,
    servers: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Board {
    fn bar(&self, server: &str) -> ProgressBar {
        let Ok(mut servers) = self.servers.lock() else { return ProgressBar::hidden() };
        let add = || {
            let bar = self.bars.add(ProgressBar::new(0).with_message(server.to_string()));
            match ProgressStyle::with_template("{msg:>24} {bar:30} {pos:>6} of {len} jobs") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        };
        servers.entry(server.to_string()).or_insert_with(add).clone()
    }
}

fn run(options: &Options) -> Result<bool, Failure> {
    let count = if options.server.is_empty() { 3 } else { 0 };
    let mut embedded = (0..count).map(|_| EmbeddedServer::start()).collect::<Result<Vec<_>, _>>()?;
    let mut addresses = options.server.clone();
    addresses.extend(embedded.iter().map(|server| server.addr().to_string()));
    let tube = format!("cluster-{}", process::id());

    let board = Arc::new(Board::default());
    let worker = Worker::builder().servers(&addresses).tube(&tube).concurrency_per_server(2).build()?;
    let (handle, shown) = (worker.handle(), Arc::clone(&board));
    let working = thread::spawn(move || {
        worker.run(move |job: HeldJob| {
            thread::sleep(Duration::from_micros(500));
            shown.bar(&job.server().to_string()).inc(1);
            Ok::<_, Failure>(Verdict::Done)
        })
    });

    let backoff = Backoff { first: Duration::from_millis(50), max: Duration::from_millis(400) };
    let config = ProducerConfig::default().tube(tube.parse()?).backoff(backoff);
    let producer = Producer::with_config(&addresses, config)?;
    let start = Instant::now();
    for n in 0..options.jobs {
        if n == options.jobs / 2 && count > 0 {
            embedded.push(join(&producer, &handle)?);
        }
        // One server after the other takes none for a while.
        for (place, server) in embedded.iter().enumerate() {
            server.set_draining(start.elapsed().as_secs() % 4 == place as u64 + 1);
        }
        let key = format!("customer {}", n % 20);
        let (placed, _) = match n % 2 {
            0 => producer.put(1024, 0, 60, format!("job {n}"))?,
            _ => producer.put_keyed(key, 1024, 0, 60, format!("job {n}"))?,
        };
        let name = producer.servers().find(|(id, _)| *id == placed.server).map(|(_, name)| name);
        board.bar(&name.unwrap_or_default()).inc_length(1);
        thread::sleep(Duration::from_micros(500));
    }
    while handle.metrics().done < options.jobs {
        thread::sleep(Duration::from_millis(10));
    }
    handle.shutdown(Duration::from_secs(5));
    let metrics = working.join().map_err(|_| "the worker panicked")?;
    println!("\n{metrics:?} in {:.2?}", start.elapsed());
    Ok(metrics.done == options.jobs)
}

/// One more server, while everything runs.
fn join(producer: &Producer, handle: &WorkerHandle) -> Result<EmbeddedServer, Failure> {
    let server = EmbeddedServer::start()?;
    producer.add_server(server.addr())?;
    handle.add_server(server.addr())?;
    Ok(server)
}
