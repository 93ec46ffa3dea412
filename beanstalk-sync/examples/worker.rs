//! A worker at work: numbers to factor, some of which take long, fail at first, or are no numbers at all.
//!
//! ```text
//! cargo run --release -p beanstalk-sync --example worker                          # the embedded server
//! cargo run --release -p beanstalk-sync --example worker -- --server 127.0.0.1:11300 --jobs 5000
//! ```
//!
//! Watch the worker touch a job of one second that takes two, try failed ones again, survive a handler that panics, bury
//! what can't be done, and stop when the tube is empty.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    process::{self, ExitCode},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use beanstalk_server::EmbeddedServer;
use beanstalk_sync::{Client, HeldJob, JobEvent, Metrics, Put, Queue, Verdict, Worker, WorkerEvent, clear_tube};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// Factors numbers that come as jobs.
#[derive(Parser)]
struct Options {
    /// A beanstalkd to use instead of the embedded server: host:port, [v6]:port or unix:/path
    #[arg(long, value_name = "ADDR")]
    server: Option<String>,
    /// How many jobs
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    jobs: u64,
    /// How many are worked on at a time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    concurrency: u8,
}

type Failure = Box<dyn StdError + Send + Sync>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool, Failure> {
    let embedded = options.server.is_none().then(EmbeddedServer::start).transpose()?;
    let address = options.server.as_deref().or(embedded.as_ref().map(EmbeddedServer::addr)).ok_or("no server")?;
    let tube = format!("worker-{}", process::id());
    let mut client = Client::connect(address).map_err(|error| format!("{address}: {error}"))?;
    client.use_tube(&tube)?;
    for result in client.call_all((0..options.jobs).map(job)) {
        result?.inserted()?;
    }

    let bar = ProgressBar::new(options.jobs);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len}  {msg}")?);
    let reasons = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let listener = Arc::clone(&reasons);
    let worker = Worker::builder()
        .server(address)
        .tube(&tube)
        .concurrency(options.concurrency.into())
        .on_event(move |event| {
            if let (
                WorkerEvent::Job { event: JobEvent::Failed { reason } | JobEvent::Panicked { reason }, .. },
                Ok(mut reasons),
            ) = (event, listener.lock())
            {
                *reasons.entry(reason.clone()).or_default() += 1;
            }
        })
        .build()?;
    let handle = worker.handle();
    let start = Instant::now();
    // The panics are meant: the worker reports them.
    std::panic::set_hook(Box::new(|_| {}));
    let working = thread::spawn(move || worker.run(factor));

    let mut metrics = Metrics::default();
    while metrics.done + metrics.buried < options.jobs {
        thread::sleep(Duration::from_millis(50));
        metrics = handle.metrics();
        bar.set_position(metrics.done + metrics.buried);
        bar.set_message(format!("{} tried again, {} buried", metrics.retried, metrics.buried));
    }
    handle.shutdown(Duration::from_secs(5));
    let metrics = working.join().map_err(|_| "the worker panicked")?;
    bar.finish();

    println!("{metrics:?}");
    println!("in {:.2?}; why jobs failed:", start.elapsed());
    for (reason, times) in reasons.lock().map_err(|_| "a listener panicked")?.iter() {
        println!("{times:>6} × {reason}");
    }
    let timeouts = client.stats()?.job_timeouts;
    println!("jobs whose time ran out while they were worked on, as the server counts: {}", timeouts.unwrap_or(0));
    let buried = clear_tube(&mut client, &tube, &[Queue::Buried])?;
    Ok(metrics.done + buried == options.jobs)
}

/// Mostly numbers to factor.
fn job(n: u64) -> Put<'static> {
    let body = match n % 100 {
        1 => format!("{n}?"),
        2 => format!("flaky {n}"),
        3 if n == 3 => "slow 3".into(),
        _ => (n * 7919 + 1_000_000_007).to_string(),
    };
    // A second is all the server gives each; the worker asks for more where it takes longer.
    Put::of(body).ttr(1)
}

#[expect(clippy::panic, reason = "to show what a panic comes to")]
fn factor(job: HeldJob) -> Result<Verdict, Failure> {
    let text = job.text()?;
    if text.ends_with('?') {
        return Ok(Verdict::Bury);
    }
    if let Some(n) = text.strip_prefix("flaky ") {
        // Whose fault it was, the server remembers: at the second attempt it works.
        return match job.stats()?.releases {
            Some(0) if n == "2" => panic!("the handler has a bug"),
            Some(0) => Err("the disk is full".into()),
            _ => Ok(Verdict::Done),
        };
    }
    if text.starts_with("slow") {
        thread::sleep(Duration::from_secs(2));
        return Ok(Verdict::Done);
    }
    let mut rest: u64 = text.parse()?;
    for divisor in 2.. {
        if divisor * divisor > rest {
            break;
        }
        while rest % divisor == 0 {
            rest /= divisor;
        }
    }
    thread::sleep(Duration::from_millis(5));
    Ok(Verdict::Done)
}
