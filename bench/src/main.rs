//! Measures the clients and the server of this repository: beside bare sockets, which are the floor, beside the published
//! Rust clients, and beside beanstalkd. `RESULTS.md` describes how it is done and what came of it.

mod alloc;
mod check;
mod core;
mod counts;
mod end_to_end;
mod picture;
mod producer;
mod proxy;
mod report;
mod restarts;
mod rounds;
mod run;
mod scale;
mod server;
mod task;
mod upkeep;
mod worker;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result};
use beanstalk_server::EmbeddedServer;
use clap::{Args, Parser, Subcommand};

use crate::task::Contender;

/// Measures the clients and the server of this repository.
///
/// Every measurement can be run alone and prints its tables. Wants Linux with two cores, `taskset` and beanstalkd (in the
/// path, or named by BEANSTALKD); counting wants valgrind and strace as well. Build it with --release.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    how: How,
}

#[derive(Args, Debug)]
struct How {
    /// Rounds in which the contenders take turns
    #[arg(long, global = true, default_value_t = 7)]
    rounds: usize,
    /// Rewrite the section of this measurement in a document, between its markers, and the pictures beside it
    #[arg(long, global = true, value_name = "DOCUMENT")]
    write: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Measure {
    /// Instructions, allocations and system calls of every client
    Counts,
    /// The core alone: parsing, bodies against memcpy, splits, idle connections
    Core,
    /// A command at a time, end to end
    Serial,
    /// Pipelined puts beside serial ones, end to end; draws the picture
    Pipeline,
    /// Emptying a queue: serially, a delete with the next reserve, pipelined
    Drain,
    /// 60 KiB put and peek in turn through one pipeline
    Alternate,
    /// 16 MiB put, reserved and deleted
    Large,
    /// Our workers beside a loop of reserve and delete: at a steady rate, and flat out
    Worker,
    /// What a job costs the same workers and loops, in counts that a busy machine does not change
    WorkerCounts,
    /// Behind a proxy that adds 1 ms each way
    Latency,
    /// The embedded server beside beanstalkd
    Servers,
    /// What an operation costs in a server that holds much
    Load,
    /// Clearing and scanning beside a bare socket, behind a proxy, and what a scan costs another client
    Upkeep,
    /// The shared client of many tasks and threads, through restarts of its server
    Restarts,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(flatten)]
    One(Measure),
    /// All of the above
    All,
    /// Hold instructions, allocations and system calls to the limits in a file; exits with 1 if one is over
    Check {
        /// The limits
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/limits.txt"))]
        limits: PathBuf,
        /// Only this client
        #[arg(long)]
        only: Option<Contender>,
    },
    /// One contender at one piece of work, with a server that is there: what the measurements start
    Run(run::RunArgs),
    /// A producer that the clock paces: what the measurements start
    Produce {
        #[arg(long)]
        port: u16,
        #[arg(long)]
        jobs: u64,
    },
    /// The embedded server: what the measurements start
    Serve {
        #[arg(short = 'l', default_value = "127.0.0.1")]
        host: String,
        #[arg(short = 'p')]
        port: u16,
    },
}

impl Measure {
    const ALL: [Self; 14] = [
        Self::Counts,
        Self::Core,
        Self::Serial,
        Self::Pipeline,
        Self::Drain,
        Self::Alternate,
        Self::Large,
        Self::Worker,
        Self::WorkerCounts,
        Self::Latency,
        Self::Servers,
        Self::Load,
        Self::Upkeep,
        Self::Restarts,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Core => "core",
            Self::Serial => "serial",
            Self::Pipeline => "pipeline",
            Self::Drain => "drain",
            Self::Alternate => "alternate",
            Self::Large => "large",
            Self::Worker => "worker",
            Self::WorkerCounts => "worker-counts",
            Self::Latency => "latency",
            Self::Servers => "servers",
            Self::Load => "load",
            Self::Upkeep => "upkeep",
            Self::Restarts => "restarts",
        }
    }

    fn report(self, how: &How) -> Result<()> {
        let rounds = how.rounds;
        let pictures = how.write.as_deref().map(pictures_beside).transpose()?;
        let text = match self {
            Self::Counts => counts::report(pictures.as_deref())?,
            Self::Core => core::report(rounds),
            Self::Serial => end_to_end::serial(rounds)?,
            Self::Pipeline => end_to_end::pipeline(rounds, pictures.as_deref())?,
            Self::Drain => end_to_end::drain(rounds)?,
            Self::Alternate => end_to_end::alternate(10_000)?,
            Self::Large => end_to_end::large(rounds)?,
            Self::Worker => worker::report(rounds)?,
            Self::WorkerCounts => worker::counts()?,
            Self::Latency => end_to_end::latency(rounds)?,
            Self::Servers => scale::servers(rounds)?,
            Self::Load => scale::load(rounds)?,
            Self::Upkeep => upkeep::report(rounds)?,
            Self::Restarts => restarts::report()?,
        };
        println!("{text}");
        if let Some(document) = &how.write {
            report::replace_section(document, self.name(), &text)?;
            report::replace_section(document, "machine", &machine(rounds)?)?;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let Cli { what, how } = Cli::parse();
    match what {
        What::One(measure) => measure.report(&how),
        What::All => Measure::ALL.iter().try_for_each(|measure| {
            eprintln!("== {}", measure.name());
            measure.report(&how)
        }),
        What::Check { limits, only } => check::check(&limits, only),
        What::Run(args) => run::run(args),
        What::Produce { port, jobs } => run::produce(port, jobs),
        What::Serve { host, port } => {
            let _server = EmbeddedServer::builder().listen(format!("{host}:{port}")).start()?;
            loop {
                thread::park();
            }
        }
    }
}

/// The directory for the pictures that a document shows.
fn pictures_beside(document: &Path) -> Result<PathBuf> {
    let directory = document.parent().context("a document has a directory")?.join("pictures");
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// What all this was measured on.
fn machine(rounds: usize) -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<&str> = cpus.lines().filter_map(|line| line.strip_prefix("model name")).collect();
    let model = models.first().map_or("unknown", |model| model.trim_start_matches([' ', '\t', ':']));
    let first_line_of = |program: &str, argument: &str| -> Result<String> {
        let output =
            Command::new(program).arg(argument).output().with_context(|| format!("could not run {program}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    let kernel = first_line_of("uname", "-sr")?;
    let (server, compiler) = (first_line_of("beanstalkd", "-v")?, first_line_of("rustc", "--version")?);
    Ok(format!("{} cores ({model}), {kernel}, {server}, {compiler}, {rounds} rounds.", models.len()))
}
