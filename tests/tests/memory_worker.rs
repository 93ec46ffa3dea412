//! A worker's memory and its descriptors do not grow with the jobs it has done, and each is counted once. A binary of its own, as the
//! allocator and the descriptors are those of all of it.
//!
//! `cargo test --release -p beanstalk-tests --test memory_worker -- --ignored --nocapture` is the soak: a million jobs on each binding, or
//! `BEANSTALK_SOAK_JOBS`.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use beanstalk_async_std::AsyncStd;
use beanstalk_tests::{
    watchdog,
    work::every::{Async, Binding, Blocking, Setup},
};
use beanstalk_tokio::Tokio;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What may differ between two looks: events and buffers on their way.
const ALLOWANCE: usize = 64 * 1024;

/// A server whose queue has no end, and takes no memory, and how many jobs were deleted from it.
fn endless() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let deleted = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&deleted);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let deleted = Arc::clone(&counted);
            thread::spawn(move || serve(stream.unwrap(), &deleted));
        }
    });
    (address, deleted)
}

fn serve(mut stream: TcpStream, deleted: &AtomicU64) -> std::io::Result<()> {
    let (mut lines, mut line, mut reply, mut id) =
        (BufReader::new(stream.try_clone()?), String::new(), Vec::new(), 0_u64);
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.split([' ', '\r']).next() {
            Some("reserve-with-timeout") => {
                id += 1;
                write!(reply, "RESERVED {id} 5\r\nhello\r\n")?;
            }
            Some("delete") => {
                deleted.fetch_add(1, Ordering::Relaxed);
                reply.extend_from_slice(b"DELETED\r\n");
            }
            _ => reply.extend_from_slice(b"WATCHING 1\r\n"),
        }
        if lines.buffer().is_empty() {
            stream.write_all(&reply)?;
            reply.clear();
        }
    }
}

/// How many descriptors this process has.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What the heap and the descriptors grew by from the first fifth of the jobs to the last.
fn growth<B: Binding>(jobs: u64) {
    // A build without optimization does some thousand a second.
    let _bound = watchdog::bound_to(watchdog::LIMIT * u32::try_from(1 + jobs / 50_000).unwrap());
    let (server, deleted) = endless();
    let worker = B::work(Setup::new(&server));
    let start = Instant::now();
    let until = |done| {
        while worker.handle.metrics().done < done {
            thread::sleep(Duration::from_millis(1));
        }
        (MEMORY.current_usage(), descriptors())
    };
    let (early, open_early) = until(jobs / 5);
    MEMORY.reset_peak_usage();
    let (late, open_late) = until(jobs);
    let (grown, peak) = (late.saturating_sub(early), MEMORY.peak_usage().saturating_sub(early));
    println!(
        "{}: {jobs} jobs in {:.1?}: {grown} bytes more at the end, {peak} at most; descriptors {open_early}, {open_late}",
        B::NAME,
        start.elapsed()
    );
    let metrics = worker.stop(Duration::from_secs(60));
    assert_eq!(open_early, open_late, "{}: descriptors", B::NAME);
    assert_eq!(metrics.done, deleted.load(Ordering::Relaxed), "{}: jobs done, and deleted", B::NAME);
    assert!(grown < ALLOWANCE && peak < ALLOWANCE, "{}: {grown} bytes more, {peak} at most", B::NAME);
}

fn all(jobs: u64) {
    growth::<Blocking>(jobs);
    growth::<Async<Tokio>>(jobs);
    growth::<Async<AsyncStd>>(jobs);
}

#[test]
fn memory_does_not_grow_with_the_jobs_done() {
    all(3000);
}

#[test]
#[ignore = "a million jobs on each binding"]
fn nor_with_a_million() {
    let jobs = std::env::var("BEANSTALK_SOAK_JOBS").map_or(1_000_000, |jobs| jobs.parse().unwrap());
    all(jobs);
}
