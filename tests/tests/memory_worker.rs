//! A worker's memory does not grow with the jobs it has done. A binary of its own, as the allocator counts for all of it.
//!
//! `cargo test --release -p beanstalk-tests --test memory_worker -- --ignored --nocapture` does a million jobs on each binding.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
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

/// A server whose queue has no end, and takes no memory.
fn endless() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || listener.incoming().for_each(|stream| drop(thread::spawn(move || serve(stream.unwrap())))));
    address
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
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
            Some("delete") => reply.extend_from_slice(b"DELETED\r\n"),
            _ => reply.extend_from_slice(b"WATCHING 1\r\n"),
        }
        if lines.buffer().is_empty() {
            stream.write_all(&reply)?;
            reply.clear();
        }
    }
}

/// What the heap grew by from the first fifth of the jobs to the last.
fn growth<B: Binding>(jobs: u64) {
    // A build without optimization does some thousand a second.
    let _bound = watchdog::bound_to(watchdog::LIMIT * u32::try_from(1 + jobs / 50_000).unwrap());
    let worker = B::work(Setup::new(&endless()));
    let start = Instant::now();
    let until = |done| {
        while worker.handle.metrics().done < done {
            thread::sleep(Duration::from_millis(1));
        }
        MEMORY.current_usage()
    };
    let early = until(jobs / 5);
    MEMORY.reset_peak_usage();
    let late = until(jobs);
    let (grown, peak) = (late.saturating_sub(early), MEMORY.peak_usage().saturating_sub(early));
    println!("{}: {jobs} jobs in {:.1?}: {grown} bytes more at the end, {peak} at most", B::NAME, start.elapsed());
    worker.stop(Duration::from_secs(60));
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
    all(1_000_000);
}
