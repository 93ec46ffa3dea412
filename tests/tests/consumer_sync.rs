//! The consumer of threads by its own, blocking, interface: as the backend of a small job framework, and on its own.

use std::{
    collections::HashSet,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use beanstalk_sync::{Client, Consumer, ConsumerJob, Error, ReleaseOutcome, RetryPolicy, stats::JobState};
use beanstalk_tests::{Backend, Options, Server, watchdog};

const LONG: Duration = Duration::from_secs(60);

fn server() -> (Server, Client) {
    let server = Server::start(Backend::Embedded, Options::default());
    let client = Client::connect(server.address()).unwrap();
    (server, client)
}

/// What a job framework asks of what it takes its jobs from.
trait Queue: Send + Sync + 'static {
    type Job: Send + 'static;

    fn fetch(&self) -> Option<Self::Job>;
    fn payload(job: &Self::Job) -> (&[u8], u64);
    fn acknowledge(job: Self::Job) -> Result<(), Error>;
    fn retry(job: Self::Job, why: String) -> Result<(), Error>;
}

impl Queue for Consumer {
    type Job = (ConsumerJob, u64);

    fn fetch(&self) -> Option<Self::Job> {
        loop {
            let job = self.next()?;
            // One that is lost meanwhile is no job.
            if let Ok(details) = job.details() {
                return Some((job, details.attempt));
            }
        }
    }

    fn payload((job, attempt): &Self::Job) -> (&[u8], u64) {
        (&job.body, *attempt)
    }

    fn acknowledge((job, _): Self::Job) -> Result<(), Error> {
        job.delete()
    }

    fn retry((job, _): Self::Job, why: String) -> Result<(), Error> {
        job.fail(why)
    }
}

/// A small job framework: each job is done on a thread of its own.
fn run_framework<Q: Queue>(queue: &Q, service: impl Fn(&[u8], u64) -> Result<(), String> + Send + Sync) {
    thread::scope(|scope| {
        while let Some(job) = queue.fetch() {
            let service = &service;
            scope.spawn(move || {
                let (payload, attempt) = Q::payload(&job);
                match service(payload, attempt) {
                    Ok(()) => Q::acknowledge(job),
                    Err(why) => Q::retry(job, why),
                }
                .expect("it is carried out");
            });
        }
    });
}

#[test]
fn a_job_framework_runs_on_it() {
    let _bound = watchdog::bound();
    let (server, mut client) = server();
    for n in 0..30 {
        client.put(1, 0, 60, n.to_string()).unwrap().inserted().unwrap();
    }
    let retry = RetryPolicy::default().first(Duration::ZERO);
    let builder = Consumer::builder().server(server.address()).concurrency(4).retry(retry);
    let consumer = Arc::new(builder.build().unwrap());
    let (running, handle) = (Arc::clone(&consumer), consumer.handle());
    let done = Arc::new(Mutex::new(HashSet::new()));
    let note = Arc::clone(&done);
    let framework = thread::spawn(move || {
        run_framework(&*running, |payload, attempt| {
            if attempt == 1 {
                return Err("not at the first attempt".to_string());
            }
            note.lock().unwrap().insert(payload.to_vec());
            Ok(())
        });
    });
    let until = Instant::now() + LONG;
    while handle.metrics().done < 30 {
        assert!(Instant::now() < until, "{:?}", handle.metrics());
        thread::sleep(Duration::from_millis(2));
    }
    let metrics = consumer.shutdown(LONG);
    framework.join().unwrap();
    assert_eq!((metrics.done, metrics.retried, metrics.lost), (30, 30, 0));
    assert_eq!(done.lock().unwrap().len(), 30);
}

#[test]
fn a_job_is_finished_in_each_way_on_any_thread() {
    let _bound = watchdog::bound();
    let (server, mut client) = server();
    let retry = RetryPolicy::default().bury_after(NonZeroU32::new(1));
    let consumer = Consumer::builder().server(server.address()).retry(retry).build().unwrap();
    assert!(consumer.next_timeout(Duration::from_millis(10)).is_none(), "there is none");
    let id = client.put(3, 0, 60, "x").unwrap().id();
    let mut state = || client.stats_job(id).unwrap().state;
    // What was reserved for the call that is over is this one's.
    let job = consumer.next_timeout(LONG).unwrap();
    assert_eq!((job.id, job.text(), job.tube().unwrap().as_str()), (id, Ok("x"), "default"));
    let released = thread::spawn(move || job.release(0)).join().unwrap();
    assert_eq!((released.unwrap(), state()), (ReleaseOutcome::Released, Some(JobState::Ready)));
    drop(consumer.next().unwrap());
    consumer.next().unwrap().bury().unwrap();
    assert_eq!(state(), Some(JobState::Buried));
    client.kick_job(id).unwrap();
    consumer.next().unwrap().fail("no such thing").unwrap();
    assert_eq!(client.stats_job(id).unwrap().state, Some(JobState::Buried), "by the policy");
    client.kick_job(id).unwrap();
    let job = consumer.next().unwrap();
    thread::spawn(move || job.delete()).join().unwrap().unwrap();
    let metrics = consumer.shutdown(LONG);
    assert_eq!((metrics.done, metrics.retried, metrics.buried, metrics.returned), (1, 1, 2, 1));
    assert!(consumer.next().is_none());
}
