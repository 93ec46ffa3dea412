//! A worker at work: pages to fetch, some of which are slow, fail at first, or are not there at all.
//!
//! ```text
//! cargo run --release -p beanstalk-tokio --example tokio_worker                          # the embedded server
//! cargo run --release -p beanstalk-tokio --example tokio_worker -- --server 127.0.0.1:11300 --jobs 5000
//! ```
//!
//! Watch the worker touch a job of one second that takes three, try failed ones again, survive a handler that panics, bury
//! what can't be done, and stop when all is done.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    process::{self, ExitCode},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use beanstalk_server::EmbeddedServer;
use beanstalk_tokio::{Client, HeldJob, JobEvent, Put, Queue, Verdict, Worker, WorkerEvent, clear_tube};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::sleep;

/// Fetches pages that come as jobs.
#[derive(Parser)]
struct Options {
    /// A beanstalkd to use instead of the embedded server: host:port, [v6]:port or unix:/path
    #[arg(long, value_name = "ADDR")]
    server: Option<String>,
    /// How many jobs
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    jobs: u64,
    /// How many are worked on at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
}

type Failure = Box<dyn StdError + Send + Sync>;
type Reasons = Arc<Mutex<BTreeMap<String, u64>>>;

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<bool, Failure> {
    let embedded = options.server.is_none().then(EmbeddedServer::start).transpose()?;
    let address = options.server.as_deref().or(embedded.as_ref().map(EmbeddedServer::addr)).ok_or("no server")?;
    let tube = format!("worker-{}", process::id());
    let mut client = Client::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
    client.use_tube(&tube).await?;
    let mut results = client.call_all((0..options.jobs).map(job));
    while let Some(result) = results.next().await {
        result?.inserted()?;
    }
    drop(results);

    let reasons = Reasons::default();
    let listener = Arc::clone(&reasons);
    let builder = Worker::builder().server(address).tube(&tube).concurrency(options.concurrency.into());
    let worker = builder.on_event(move |event| note(event, &listener)).build()?;
    let handle = worker.handle();
    let start = Instant::now();
    // The panic is meant: the worker reports it.
    std::panic::set_hook(Box::new(|_| {}));
    let working = tokio::spawn(worker.run(fetch));

    let bar = ProgressBar::new(options.jobs);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len}  {msg}")?);
    loop {
        let metrics = handle.metrics();
        bar.set_position(metrics.done + metrics.buried);
        bar.set_message(format!("{} tried again, {} buried", metrics.retried, metrics.buried));
        if metrics.done + metrics.buried == options.jobs {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    handle.shutdown(Duration::from_secs(5));
    let metrics = working.await?;
    bar.finish();

    println!("{metrics:?}");
    println!("in {:.2?}; why jobs failed:", start.elapsed());
    for (reason, times) in reasons.lock().map_err(|_| "a listener panicked")?.iter() {
        println!("{times:>6} × {reason}");
    }
    let timeouts = client.stats().await?.job_timeouts;
    println!("jobs whose time ran out while they were worked on, as the server counts: {}", timeouts.unwrap_or(0));
    let buried = clear_tube(&mut client, &tube, &[Queue::Buried]).await?;
    Ok(metrics.done + buried == options.jobs)
}

fn note(event: &WorkerEvent, reasons: &Reasons) {
    if let (
        WorkerEvent::Job { event: JobEvent::Failed { reason } | JobEvent::Panicked { reason }, .. },
        Ok(mut reasons),
    ) = (event, reasons.lock())
    {
        *reasons.entry(reason.clone()).or_default() += 1;
    }
}

/// Mostly pages that are there.
fn job(n: u64) -> Put<'static> {
    let page = match n % 100 {
        1 => format!("gone/{n}"),
        2 => format!("flaky/{n}"),
        3 if n == 3 => "slow/3".into(),
        _ => format!("page/{n}"),
    };
    // A second is all the server gives each; the worker asks for more where it takes longer.
    Put::of(page).ttr(1)
}

#[expect(clippy::panic, reason = "to show what a panic comes to")]
async fn fetch(job: HeldJob) -> Result<Verdict, Failure> {
    match job.text()?.split_once('/').ok_or("this is no page")? {
        ("page", _) => sleep(Duration::from_millis(10)).await,
        ("slow", _) => sleep(Duration::from_secs(3)).await,
        ("flaky", n) => match job.stats().await?.releases {
            // How often it was tried, the server remembers: the second time it works.
            Some(0) if n == "2" => panic!("the handler has a bug"),
            Some(0) => return Err("the connection was reset".into()),
            _ => {}
        },
        _ => return Ok(Verdict::Bury),
    }
    Ok(Verdict::Done)
}
