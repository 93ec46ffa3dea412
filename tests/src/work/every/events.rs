//! What a worker reports: of its jobs each by itself, of its connections once for a server.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::policy::{BuryReason, Event, JobEvent, RetryPolicy, Verdict, WorkerEvent};
use beanstalk_proto::{JobId, client::Config};
use beanstalk_sync::Client;
use smol::channel;

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Deed, Ending, Setup},
    eventually,
    evil::Evil,
    peers::{Answering, obliging},
};

pub(super) type Heard<T> = Arc<Mutex<Vec<T>>>;

/// Hears of what happens to jobs.
pub(super) fn of_jobs(setup: &mut Setup) -> Heard<(JobId, JobEvent)> {
    let heard = Heard::default();
    let hears = Arc::clone(&heard);
    setup.on_event = Box::new(move |event| {
        if let WorkerEvent::Job { id, event, .. } = event {
            // The time that a handler takes is another each time.
            let event = match event {
                JobEvent::Done { took } if *took < LONG => JobEvent::Done { took: Duration::ZERO },
                event => event.clone(),
            };
            hears.lock().unwrap().push((*id, event));
        }
    });
    heard
}

pub(super) fn of(heard: &Heard<(JobId, JobEvent)>, job: JobId) -> Vec<JobEvent> {
    heard.lock().unwrap().iter().filter(|(id, _)| *id == job).map(|(_, event)| event.clone()).collect()
}

pub(super) fn everything_that_happens_to_a_job_is_reported<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    let mut setup = Setup::new(&server.address());
    setup.retry = RetryPolicy::default().first(Duration::ZERO).bury_after(NonZeroU32::new(2));
    setup.config = Config {
        limits: beanstalk_proto::client::Limits { reply_body: 1000, ..Default::default() },
        ..Config::default()
    };
    let heard = of_jobs(&mut setup);
    let (_go, going) = channel::bounded::<()>(1);
    setup.handler = Box::new(move |job| match job.text().unwrap() {
        "fails" => Ending::Error(Evil::Plain("no such thing")).into(),
        "panics" => Ending::Panic(Box::new("look out")).into(),
        "bury" => Ending::Verdict(Verdict::Bury).into(),
        "stuck" => Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) },
        _ => Ending::Verdict(Verdict::Done).into(),
    });
    let worker = B::work(setup);
    let mut put = |body: &str| client.put(1, 0, 60, body).unwrap().id();
    let (fails, panics, bury, done, big) =
        (put("fails"), put("panics"), put("bury"), put("done"), put(&"x".repeat(1001)));
    eventually("all are finished", || {
        let metrics = worker.handle.metrics();
        metrics.done + metrics.buried == 5
    });
    let stuck = put("stuck");
    eventually("the last is begun", || worker.handle.metrics().reserved == 8);
    worker.stop(Duration::from_millis(500));

    let (reserved, buried) = (JobEvent::Reserved, |reason| JobEvent::Buried { reason });
    let retried = JobEvent::Retried { attempt: 1, delay: 0.into() };
    let twice = |what: JobEvent| {
        let for_good = buried(BuryReason::Failed { attempt: 2 });
        [reserved.clone(), what.clone(), retried.clone(), reserved.clone(), what, for_good]
    };
    assert_eq!(of(&heard, fails), twice(JobEvent::Failed { reason: "no such thing".to_string() }));
    assert_eq!(of(&heard, panics), twice(JobEvent::Panicked { reason: "look out".to_string() }));
    assert_eq!(of(&heard, bury), [reserved.clone(), buried(BuryReason::Handler)]);
    assert_eq!(of(&heard, done), [reserved.clone(), JobEvent::Done { took: Duration::ZERO }]);
    let too_big = JobEvent::TooBig { bytes: 1001, limit: 1000 };
    assert_eq!(of(&heard, big), [reserved.clone(), too_big, buried(BuryReason::TooBig)]);
    assert_eq!(of(&heard, stuck), [reserved, JobEvent::Returned]);
}

pub(super) fn a_job_that_has_failed_for_good_is_moved_to_the_tube_for_dead_letters<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    let mut setup = Setup::new(&server.address());
    setup.retry = RetryPolicy::default().first(Duration::ZERO).bury_after(NonZeroU32::new(1));
    setup.dead_letters = Some("dead");
    let heard = of_jobs(&mut setup);
    setup.handler = Box::new(|_| Ending::Error(Evil::Plain("no such thing")).into());
    let worker = B::work(setup);
    let id = client.put(7, 0, 90, "x").unwrap().id();
    eventually("it is moved", || worker.handle.metrics().moved == 1);
    worker.stop(LONG);
    client.use_tube("dead").unwrap();
    let dead = client.peek_ready().unwrap();
    let failed = JobEvent::Failed { reason: "no such thing".to_string() };
    let moved = JobEvent::Moved { tube: "dead".parse().unwrap(), id: dead.id };
    assert_eq!(of(&heard, id), [JobEvent::Reserved, failed, moved]);
    let stats = client.stats_job(dead.id).unwrap();
    assert_eq!((stats.pri, stats.ttr, dead.text()), (Some(7.into()), Some(Duration::from_secs(90)), Ok("x")));
    assert!(client.stats_job(id).is_err(), "it is in one tube");
}

pub(super) fn a_job_that_the_server_has_no_memory_to_release_is_reported_as_buried<B: Binding>() {
    let is_first = AtomicBool::new(true);
    let server = Answering::start(move |line| match line.split(' ').next() {
        Some("reserve-with-timeout") => is_first.swap(false, Relaxed).then(|| "RESERVED 1 1\r\nx\r\n".to_string()),
        Some("stats-job") => Some("OK 25\r\n---\nid: 1\npri: 7\nttr: 60\n\r\n".to_string()),
        Some("release") => Some("BURIED\r\n".to_string()),
        _ => obliging(line),
    });
    let mut setup = Setup::new(&server.address);
    let heard = of_jobs(&mut setup);
    setup.handler = Box::new(|_| Ending::Verdict(Verdict::RetryAfter(5.into())).into());
    let worker = B::work(setup);
    eventually("it is buried", || worker.handle.metrics().buried == 1);
    let metrics = worker.stop(Duration::ZERO);
    assert_eq!((metrics.buried, metrics.buried_out_of_memory, metrics.retried), (1, 1, 0));
    assert_eq!(of(&heard, JobId(1)), [JobEvent::Reserved, JobEvent::Buried { reason: BuryReason::OutOfMemory }]);
}

pub(super) fn a_connection_is_reported_once_for_a_server_and_a_lost_job_by_itself<B: Binding>(stand: Stand) {
    let mut server = stand.server();
    let mut setup = Setup::new(&server.address());
    setup.concurrency = 8;
    let heard = Heard::default();
    let hears = Arc::clone(&heard);
    let is_first_loss = AtomicBool::new(true);
    setup.on_event = Box::new(move |event| {
        let what = match event {
            WorkerEvent::Connection { event: Event::Connected, .. } => "connected",
            WorkerEvent::Connection { event: Event::Lost { .. }, .. } => "lost",
            WorkerEvent::Connection { event: Event::Ended, .. } => "ended",
            WorkerEvent::Job { event: JobEvent::Lost, .. } => "job lost",
            _ => return,
        };
        if B::NAME == "sync" && what == "lost" && is_first_loss.swap(false, Relaxed) {
            // Only threads of their own may block. Time enough for another slot to connect again, which is not to be reported
            // before this.
            let until = Instant::now() + Duration::from_millis(500);
            while hears.lock().unwrap().len() == 1 && Instant::now() < until {
                thread::sleep(Duration::from_millis(2));
            }
        }
        hears.lock().unwrap().push(what);
    });
    let (go, going) = channel::bounded::<()>(1);
    setup.handler = Box::new(move |_| Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) });
    let worker = B::work(setup);
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    eventually("all slots wait", || client.stats_tube("t").is_ok_and(|stats| stats.current_waiting == Some(8)));
    assert_eq!(*heard.lock().unwrap(), ["connected"]);
    client.put(1, 0, 60, "x").unwrap().inserted().unwrap();
    eventually("a job is in hand", || worker.handle.metrics().reserved == 1);
    server.kill();
    eventually("it is lost", || worker.handle.metrics().lost == 1);
    server.restart();
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    // The one whose handler runs has no need for a connection, but makes one.
    eventually("the others wait", || client.stats_tube("t").is_ok_and(|stats| stats.current_waiting == Some(7)));
    let count = |what| heard.lock().unwrap().iter().filter(|event| **event == what).count();
    eventually("the lost job is reported", || count("job lost") == 1);
    let of_connections = || {
        let mut events = heard.lock().unwrap().clone();
        events.retain(|event| ["connected", "lost"].contains(event));
        events
    };
    eventually("the connection is reported", || of_connections().last() == Some(&"connected"));
    // However often: a server that is being killed may accept connections until its listening socket is closed.
    let reported = of_connections();
    assert!(reported.len() > 2 && !reported.windows(2).any(|two| two == ["connected"; 2]), "{reported:?}");
    assert_eq!((count("job lost"), count("ended")), (1, 0));
    drop(go);
    worker.stop(LONG);
    assert_eq!(count("ended"), 1);
}

pub(super) fn statistics_that_cannot_be_decoded_are_reported_and_finish_no_job<B: Binding>() {
    // Or that are, and do not show the priority that a job has to keep.
    for stats in ["OK 14\r\n---\npri: high\n\r\n", "OK 10\r\n---\nid: 1\n\r\n"] {
        no_job_is_finished::<B>(stats);
    }
}

fn no_job_is_finished<B: Binding>(stats: &'static str) {
    let (is_first, finishes) = (AtomicBool::new(true), Arc::new(AtomicBool::new(false)));
    let finished = Arc::clone(&finishes);
    let server = Answering::start(move |line| match line.split(' ').next() {
        Some("reserve-with-timeout") => is_first.swap(false, Relaxed).then(|| "RESERVED 1 1\r\nx\r\n".to_string()),
        Some("stats-job") => Some(stats.to_string()),
        Some("release" | "bury" | "delete") => {
            finished.store(true, Relaxed);
            None
        }
        _ => obliging(line),
    });
    let mut setup = Setup::new(&server.address);
    let heard = Heard::default();
    let hears = Arc::clone(&heard);
    setup.on_event = Box::new(move |event| hears.lock().unwrap().push(event.clone()));
    setup.handler = Box::new(|_| Ending::Error(Evil::Plain("no such thing")).into());
    let worker = B::work(setup);
    eventually("it is connected to again", || server.connections.load(Relaxed) == 2);
    let metrics = worker.stop(Duration::ZERO);
    assert_eq!((metrics.reserved, metrics.failed, metrics.lost, metrics.retried, metrics.buried), (1, 1, 1, 0, 0));
    assert!(!finishes.load(Relaxed), "nothing is made of numbers that are not known");
    let heard = heard.lock().unwrap();
    let lost: Vec<_> = heard
        .iter()
        .filter_map(|event| match event {
            WorkerEvent::Job { event: JobEvent::Lost, .. } => Some("the job".to_string()),
            WorkerEvent::Connection { event: Event::Lost { reason }, .. } => Some(reason.to_string()),
            _ => None,
        })
        .collect();
    let [job, connection] = &lost[..] else { panic!("{lost:?}") };
    let (job, reason) = if job == "the job" { (job, connection) } else { (connection, job) };
    assert!(job == "the job" && reason.starts_with("stats-job 1: ") && reason.contains("pri"), "{lost:?}");
}
