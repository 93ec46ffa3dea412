//! Real work through a queue: every file under a folder becomes a job, workers count its lines and compute its digest.
//!
//! ```text
//! cargo run -p beanstalk-sync --example quickstart                  # this repository, the embedded server
//! cargo run -p beanstalk-sync --example quickstart -- /usr/share/doc
//! cargo run -p beanstalk-sync --example quickstart -- --server 127.0.0.1:11300 --workers 8 /usr/share/doc
//! ```
//!
//! A producer puts one job per file, pipelined; workers reserve, read, delete. A file that cannot be read is buried, and
//! its reason is printed at the end. Every file is accounted for, and the totals are those of `find` and `wc`.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{self, ExitCode},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use beanstalk_server::EmbeddedServer;
use beanstalk_sync::{Client, CommandError, Priority, Put, Reserved};
use clap::Parser;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// Puts a job for every file under a folder, and lets workers count lines and compute digests.
#[derive(Parser)]
struct Options {
    /// The folder [default: this repository, without `.git` and `target`]
    path: Option<PathBuf>,
    /// A beanstalkd to use instead of the embedded server: host:port, [v6]:port or unix:/path
    #[arg(long, value_name = "ADDR")]
    server: Option<String>,
    /// How many workers, each with a connection of its own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
}

type Failure = Box<dyn StdError + Send + Sync>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool, Failure> {
    let source = Source::new(options.path.as_deref())?;
    let (server, address) = match &options.server {
        Some(address) => (None, address.clone()),
        None => {
            let server = EmbeddedServer::start()?;
            let address = server.addr().to_string();
            (Some(server), address)
        }
    };
    println!("server   {address}{}", if server.is_some() { " (embedded, in memory)" } else { "" });
    println!("folder   {}", source.root.display());

    // A tube of our own, so that no other jobs on a shared server are touched.
    let tube = format!("quickstart-{}", process::id());
    let mut observer = Client::connect(&address).map_err(|error| format!("{address}: {error}"))?;
    // Using it keeps the tube, and with it the tube's counters, until the report.
    observer.use_tube(&tube)?;
    let tally = Tally::default();
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} files  {elapsed}")?);
    let start = Instant::now();
    let queued = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..options.workers).map(|_| scope.spawn(|| work(&address, &tube, &tally, &bar))).collect();
        let queued = produce(&address, &tube, &source, options.workers, &tally, &bar);
        // Without jobs that stop them, workers would never return.
        tally.stopped.store(queued.is_err(), Ordering::Relaxed);
        for worker in workers {
            worker.join().map_err(|_| "a worker panicked")??;
        }
        queued
    })?;
    let elapsed = start.elapsed();
    bar.finish_and_clear();
    report(observer, &tube, &source, queued, &tally, elapsed)
}

/// The files to work on.
struct Source {
    root: PathBuf,
    /// Folder names that are left out.
    skipped: &'static [&'static str],
}

impl Source {
    fn new(path: Option<&Path>) -> io::Result<Self> {
        match path {
            Some(path) => match path.canonicalize() {
                Ok(root) => Ok(Self { root, skipped: &[] }),
                Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
            },
            None => {
                let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
                Ok(Self { root: repository.canonicalize()?, skipped: &[".git", "target"] })
            }
        }
    }

    /// Every regular file; what cannot be listed is noted in the tally.
    fn files<'a>(&'a self, tally: &'a Tally) -> impl Iterator<Item = PathBuf> + 'a {
        let entries = WalkDir::new(&self.root).into_iter().filter_entry(|entry| {
            let skip = entry.file_type().is_dir() && self.skipped.iter().any(|name| entry.file_name() == *name);
            !skip || entry.depth() == 0
        });
        entries.filter_map(|entry| match entry {
            Ok(entry) => entry.file_type().is_file().then(|| entry.into_path()),
            Err(error) => {
                tally.unlisted.fetch_add(1, Ordering::Relaxed);
                eprintln!("cannot list: {error}");
                None
            }
        })
    }

    /// A command that counts the same files.
    fn find(&self) -> String {
        let prune: String = self.skipped.iter().map(|name| format!(" -name {name} -prune -o")).collect();
        format!("find {}{prune} -type f -print0", self.root.display())
    }
}

/// What the workers found.
#[derive(Default)]
struct Tally {
    files: AtomicU64,
    lines: AtomicU64,
    bytes: AtomicU64,
    unlisted: AtomicU64,
    /// The producer has failed; workers end when nothing is left.
    stopped: AtomicBool,
    /// The digests of all files, combined so that the order in which workers finish does not matter.
    digest: Mutex<[u8; 32]>,
    /// Jobs that were buried: id, file, reason.
    buried: Mutex<BTreeMap<u64, (String, String)>>,
}

/// Puts a job for each file, and then one for each worker that stops it. Returns how many files were queued.
fn produce(
    address: &str,
    tube: &str,
    source: &Source,
    workers: u8,
    tally: &Tally,
    bar: &ProgressBar,
) -> Result<u64, Failure> {
    let mut client = Client::connect(address)?;
    client.use_tube(tube)?;
    let mut queued = 0;
    let mut outcome = Ok(());
    let jobs = source.files(tally).map(|path| Put::of(path.into_os_string().into_encoded_bytes()).ttr(120));
    for result in client.call_all(jobs) {
        match result {
            Ok(_) => {
                queued += 1;
                bar.set_length(queued);
            }
            Err(error) => outcome = Err(error),
        }
    }
    // An empty job, less urgent than all files, is the last thing a worker gets.
    for _ in 0..workers {
        client.call(Put::of("").priority(Priority::LEAST_URGENT))?.inserted()?;
    }
    outcome?;
    Ok(queued)
}

fn work(address: &str, tube: &str, tally: &Tally, bar: &ProgressBar) -> Result<(), Failure> {
    let mut client = Client::connect(address)?;
    client.watch(tube)?;
    client.ignore("default")?;
    loop {
        let job = match client.reserve_with_timeout(1)? {
            Reserved::Job(job) => job,
            _ if tally.stopped.load(Ordering::Relaxed) => return Ok(()),
            // Each job is finished before the next reserve, so none is held whose deadline could be near.
            Reserved::TimedOut | Reserved::DeadlineSoon => continue,
        };
        if job.body.is_empty() {
            client.delete(job.id)?;
            return Ok(());
        }
        match measure(&path_of(&job.body)) {
            Ok(measured) => {
                client.delete(job.id)?;
                tally.add(&measured);
            }
            Err(reason) => {
                client.bury(job.id, Priority::default())?;
                let name = String::from_utf8_lossy(&job.body).into_owned();
                tally.buried.lock().map_err(|_| "a worker panicked")?.insert(job.id.0, (name, reason.to_string()));
            }
        }
        bar.inc(1);
    }
}

/// The path that a job's body holds; on Unix any bytes are one.
#[cfg(unix)]
fn path_of(body: &[u8]) -> PathBuf {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    PathBuf::from(OsStr::from_bytes(body))
}

#[cfg(not(unix))]
fn path_of(body: &[u8]) -> PathBuf {
    String::from_utf8_lossy(body).into_owned().into()
}

struct Measured {
    lines: u64,
    bytes: u64,
    digest: [u8; 32],
}

fn measure(path: &Path) -> io::Result<Measured> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let (mut lines, mut bytes) = (0, 0);
    let mut buf = vec![0; 64 * 1024];
    loop {
        let n = match file.read(&mut buf) {
            Ok(0) => return Ok(Measured { lines, bytes, digest: digest.finalize().into() }),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(&buf[..n]);
        lines += buf[..n].iter().filter(|&&byte| byte == b'\n').count() as u64;
        bytes += n as u64;
    }
}

impl Tally {
    fn add(&self, measured: &Measured) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.lines.fetch_add(measured.lines, Ordering::Relaxed);
        self.bytes.fetch_add(measured.bytes, Ordering::Relaxed);
        if let Ok(mut all) = self.digest.lock() {
            for (all, one) in all.iter_mut().zip(measured.digest) {
                *all ^= one;
            }
        }
    }
}

/// Prints the tables, checks that no file is missing, and removes what was buried. Gives whether all is accounted for.
fn report(
    mut client: Client,
    tube: &str,
    source: &Source,
    queued: u64,
    tally: &Tally,
    elapsed: Duration,
) -> Result<bool, Failure> {
    let stats = client.stats()?;
    let of_tube = client.stats_tube(tube)?;
    let [files, lines, bytes] = [&tally.files, &tally.lines, &tally.bytes].map(|n| n.load(Ordering::Relaxed));
    let buried = tally.buried.lock().map_err(|_| "a worker panicked")?;
    let digest: String =
        tally.digest.lock().map_err(|_| "a worker panicked")?.iter().map(|b| format!("{b:02x}")).collect();
    let seconds = elapsed.as_secs_f64().max(1e-9);

    println!();
    println!("files    {:>14}", HumanCount(files).to_string());
    println!("lines    {:>14}", HumanCount(lines).to_string());
    println!("bytes    {:>14}   {}", HumanCount(bytes).to_string(), HumanBytes(bytes));
    println!("buried   {:>14}", HumanCount(buried.len() as u64).to_string());
    println!(
        "time     {seconds:>13.2}s   {:.0} files/s, {}/s",
        files as f64 / seconds,
        HumanBytes((bytes as f64 / seconds) as u64)
    );
    println!("digest   {digest}");
    for (id, (name, reason)) in buried.iter() {
        println!("  buried job {id}: {name}: {reason}");
    }
    println!();
    println!("the server counts");
    let count = |value: Option<u64>| value.map_or("-".into(), |value| HumanCount(value).to_string());
    for (key, value) in [
        ("version", stats.version.clone().unwrap_or_else(|| "-".into()).to_string()),
        ("jobs in the tube, ever", count(of_tube.total_jobs)),
        ("buried in the tube", count(of_tube.current_jobs_buried)),
        ("cmd-put", count(stats.cmd_put)),
        ("cmd-reserve-with-timeout", count(stats.cmd_reserve_with_timeout)),
        ("cmd-delete", count(stats.cmd_delete)),
        ("total-connections", count(stats.total_connections)),
    ] {
        println!("  {key:<26}{value:>12}");
    }
    println!();
    println!("the same totals, from the shell:");
    println!("  {} | tr -dc '\\0' | wc -c", source.find());
    println!("  {} | xargs -0 cat | wc -lc", source.find());

    // The tube goes with its last job.
    for _ in 0..buried.len() {
        let job = match client.peek_buried() {
            Ok(job) => job,
            Err(error) if error.command_error() == Some(CommandError::NotFound) => break,
            Err(error) => return Err(error.into()),
        };
        client.delete(job.id)?;
    }
    let accounted = files + buried.len() as u64 == queued && of_tube.current_jobs_buried == Some(buried.len() as u64);
    if !accounted {
        eprintln!("quickstart: {queued} files were queued, but {files} measured and {} buried", buried.len());
    }
    client.disconnect()?;
    Ok(accounted && tally.unlisted.load(Ordering::Relaxed) == 0)
}
