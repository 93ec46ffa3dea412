//! Workers and consumers on threads that have nothing to do do nothing. A binary of its own, as it counts what all threads of the process do.
#![cfg(target_os = "linux")]

use std::{
    fs,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use beanstalk_sync::{Client, Consumer, HeldJob, Verdict, Worker};
use beanstalk_tests::{Backend, Options, Server, watchdog};

const SLOTS: usize = 4;
const WHILE: Duration = Duration::from_millis(600);

/// How often the worker's threads have waited for something so far.
fn waits() -> u64 {
    let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    let read = |thread: &std::path::Path, file| fs::read_to_string(thread.join(file)).unwrap_or_default();
    let of_worker = threads.filter(|thread| {
        let name = read(thread, "comm");
        name.starts_with("beanstalk") && !name.starts_with("beanstalk-server")
    });
    let count = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:").map(str::to_string));
        line.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    };
    of_worker.map(|thread| count(read(&thread, "status"))).sum()
}

/// How often they wait meanwhile, once they have come to rest.
fn waits_at_rest() -> u64 {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let before = waits();
        thread::sleep(WHILE);
        let waited = waits() - before;
        if waited == 0 || Instant::now() > until {
            return waited;
        }
    }
}

/// One after the other, as both count all threads.
#[test]
fn idle_workers_and_consumers_and_those_with_a_long_job_only_wait() {
    let _bound = watchdog::bound();
    let server = Server::start(Backend::Embedded, Options::default());
    a_worker(&server);
    a_consumer(&server);
}

fn a_consumer(server: &Server) {
    let mut client = Client::connect(server.address()).unwrap();
    let builder = Consumer::builder().server(server.address()).concurrency(SLOTS).reserve_slice(3600);
    let consumer = Arc::new(builder.build().unwrap());
    let mut put = || client.put(1, 0, 600, "x").unwrap().inserted().unwrap();
    for _ in 0..20 {
        put();
        consumer.next().unwrap().delete().unwrap();
    }
    assert!(waits() > 20, "the threads are found");
    assert_eq!(waits_at_rest(), 0, "nobody waits for a job");
    put();
    let job = consumer.next().unwrap();
    assert_eq!(waits_at_rest(), 0, "a job is held, with a heartbeat now and then");
    let waiting = Arc::clone(&consumer);
    let waiting = thread::spawn(move || waiting.next().unwrap().delete());
    assert_eq!(waits_at_rest(), 0, "somebody waits");
    put();
    waiting.join().unwrap().unwrap();
    job.delete().unwrap();
    assert_eq!(consumer.shutdown(Duration::from_secs(60)).done, 22);
}

fn a_worker(server: &Server) {
    let mut client = Client::connect(server.address()).unwrap();
    let worker = Worker::builder().server(server.address()).concurrency(SLOTS).reserve_slice(3600).build().unwrap();
    let handle = worker.handle();
    let (worked, works) = mpsc::channel();
    let (go, going) = mpsc::channel::<()>();
    let going = std::sync::Mutex::new(going);
    let run = thread::spawn(move || {
        worker.run(move |job: HeldJob| {
            worked.send(()).unwrap();
            if job.text() == Ok("long") {
                let _ = going.lock().unwrap().recv();
            }
            Verdict::Done
        })
    });
    for _ in 0..20 {
        client.put(1, 0, 600, "short").unwrap().inserted().unwrap();
        works.recv().unwrap();
    }
    assert!(waits() > 20, "the threads are found");
    assert_eq!(waits_at_rest(), 0, "it is idle");
    client.put(1, 0, 600, "long").unwrap().inserted().unwrap();
    works.recv().unwrap();
    assert_eq!(waits_at_rest(), 0, "it has one long job, with a heartbeat now and then");
    drop(go);
    handle.shutdown(Duration::from_secs(60));
    assert_eq!(run.join().unwrap().done, 21);
}
