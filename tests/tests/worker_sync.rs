//! The blocking client's worker on real sockets, against the embedded server and a real beanstalkd.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use beanstalk_sync::{
    Backoff, Client, Config, Error, Event, HeldJob, JobEvent, Metrics, RetryPolicy, Verdict, Worker, WorkerBuilder,
    WorkerEvent, WorkerHandle, stats::JobState, wait_until_empty,
};
use beanstalk_tests::work::counted;
use beanstalk_tests::{
    daemon::Daemon,
    server::{Backend, installed},
    watchdog,
};

const LONG: Duration = Duration::from_secs(30);

type Outcome = Result<Verdict, String>;

/// A worker that runs in a thread of its own.
struct Running {
    handle: WorkerHandle,
    thread: thread::JoinHandle<Metrics>,
}

impl Running {
    fn start(builder: WorkerBuilder, handler: impl Fn(HeldJob) -> Outcome + Send + Sync + 'static) -> Self {
        let worker = builder.build().expect("a worker");
        let handle = worker.handle();
        Self { handle, thread: thread::spawn(move || worker.run(handler)) }
    }

    /// Shuts it down, and returns how long that took.
    fn stop(self, within: Duration) -> (Metrics, Duration) {
        let start = Instant::now();
        self.handle.shutdown(within);
        let metrics = self.thread.join().expect("the worker to return");
        assert_eq!(metrics, self.handle.metrics());
        (metrics, start.elapsed())
    }
}

fn worker_for(daemon: &Daemon) -> WorkerBuilder {
    let backoff = Backoff { first: Duration::from_millis(10), max: Duration::from_millis(100) };
    Worker::builder().server(&daemon.address()).tube("work").backoff(backoff)
}

fn client_of(daemon: &Daemon) -> Client {
    let mut client = Client::connect(&daemon.address()).expect("a connection");
    client.use_tube("work").expect("a tube");
    client
}

fn wait_for(mut condition: impl FnMut() -> bool, what: &str) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn every_job_is_worked_on_once_and_deleted() {
    let _bound = watchdog::bound();
    for daemon in Daemon::each() {
        let mut client = client_of(&daemon);
        for n in 0..500 {
            client.put(1024, 0, 60, n.to_string()).unwrap().inserted().unwrap();
        }
        let (sender, receiver) = mpsc::channel();
        let worker = Running::start(worker_for(&daemon).concurrency(4), move |job| {
            assert_eq!(job.tube().map_err(|error| error.to_string())?, "work");
            sender.send(job.text().unwrap().parse::<u32>().unwrap()).unwrap();
            Ok(Verdict::Done)
        });
        let mut seen: Vec<u32> = (0..500).map(|_| receiver.recv_timeout(LONG).unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, Vec::from_iter(0..500));
        assert!(wait_until_empty(&mut client, "work", Some(LONG)).unwrap());
        let (metrics, took) = worker.stop(LONG);
        assert_eq!(
            metrics,
            counted(|m| {
                m.reserved = 500;
                m.done = 500;
            })
        );
        assert!(took < LONG / 2, "idle slots took {took:?} to stop");
    }
}

#[test]
fn a_job_of_two_seconds_outlives_a_handler_of_three() {
    let _bound = watchdog::bound();
    for daemon in Daemon::each() {
        let mut client = client_of(&daemon);
        let id = client.put(1024, 0, 2, "slow").unwrap().id();
        let worker = Running::start(worker_for(&daemon), move |job| {
            thread::sleep(Duration::from_secs(3));
            let stats = job.stats().map_err(|error| error.to_string())?;
            assert_eq!((stats.id, stats.timeouts, stats.reserves), (Some(id), Some(0), Some(1)));
            assert!(!job.is_lost());
            Ok(Verdict::Done)
        });
        wait_for(|| worker.handle.metrics().done == 1, "the job was done");
        assert_eq!(client.stats().unwrap().job_timeouts, Some(0));
        let (metrics, _) = worker.stop(LONG);
        assert_eq!(
            metrics,
            counted(|m| {
                m.reserved = 1;
                m.done = 1;
            })
        );
    }
}

#[test]
fn a_job_that_fails_is_tried_again_and_at_last_buried_with_its_priority() {
    let _bound = watchdog::bound();
    for daemon in Daemon::each() {
        let mut client = client_of(&daemon);
        let id = client.put(77, 0, 60, "bad").unwrap().id();
        let events = Arc::new(Mutex::new(vec![]));
        let retry = RetryPolicy::default().bury_after(NonZeroU32::new(2));
        let listener = Arc::clone(&events);
        let builder = worker_for(&daemon).retry(retry).on_event(move |event| {
            if matches!(event, WorkerEvent::Job { event: JobEvent::Failed { .. } | JobEvent::Panicked { .. }, .. }) {
                listener.lock().unwrap().push(event.to_string());
            }
        });
        let first = AtomicBool::new(true);
        let worker = Running::start(builder, move |_| match first.swap(false, Ordering::Relaxed) {
            true => Err("no such file".into()),
            false => panic!("out of luck"),
        });
        wait_for(|| worker.handle.metrics().buried == 1, "the job was buried");
        let (metrics, _) = worker.stop(LONG);
        assert_eq!(
            metrics,
            counted(|m| {
                m.reserved = 2;
                m.retried = 1;
                m.buried = 1;
                m.buried_failed = 1;
                m.failed = 2;
                m.panicked = 1;
            })
        );
        let stats = client.stats_job(id).unwrap();
        assert_eq!((stats.state, stats.releases, stats.buries), (Some(JobState::Buried), Some(1), Some(1)));
        assert_eq!((stats.pri, stats.delay), (Some(77.into()), Some(Duration::from_secs(1))));
        let events = events.lock().unwrap();
        assert!(events.len() == 2 && events[0].contains("no such file") && events[1].contains("out of luck"));
    }
}

#[test]
fn verdicts_are_carried_out() {
    let _bound = watchdog::bound();
    for daemon in Daemon::each() {
        let mut client = client_of(&daemon);
        let later = client.put(5, 0, 60, "later").unwrap().id();
        let aside = client.put(6, 0, 60, "aside").unwrap().id();
        let worker = Running::start(worker_for(&daemon), |job| {
            Ok(if job.text() == Ok("later") { Verdict::RetryAfter(600.into()) } else { Verdict::Bury })
        });
        wait_for(|| worker.handle.metrics().retried + worker.handle.metrics().buried == 2, "both were finished");
        worker.stop(LONG);
        let (later, aside) = (client.stats_job(later).unwrap(), client.stats_job(aside).unwrap());
        assert_eq!((later.state, later.pri), (Some(JobState::Delayed), Some(5.into())));
        assert_eq!(later.delay, Some(Duration::from_secs(600)));
        assert_eq!((aside.state, aside.pri), (Some(JobState::Buried), Some(6.into())));
    }
}

#[test]
fn a_shutdown_lets_what_is_in_hand_finish_and_takes_nothing_more() {
    let _bound = watchdog::bound();
    for daemon in Daemon::each() {
        let mut client = client_of(&daemon);
        let (sender, receiver) = mpsc::channel();
        let worker = Running::start(worker_for(&daemon).concurrency(2), move |job| {
            sender.send(()).unwrap();
            wait_for(|| job.is_shutting_down(), "the worker is shut down");
            thread::sleep(Duration::from_millis(300));
            Ok(Verdict::Done)
        });
        client.put(1024, 0, 60, "in hand").unwrap().inserted().unwrap();
        receiver.recv_timeout(LONG).unwrap();
        worker.handle.shutdown(LONG);
        let left = client.put(1024, 0, 60, "left").unwrap().id();
        let (metrics, took) = worker.stop(LONG);
        assert_eq!(
            metrics,
            counted(|m| {
                m.reserved = 1;
                m.done = 1;
            })
        );
        assert!(took < LONG / 2, "it took {took:?}");
        assert_eq!(client.stats_job(left).unwrap().state, Some(JobState::Ready));
    }
}

#[test]
fn a_shutdown_ends_at_its_deadline_and_gives_back_what_a_stuck_handler_holds() {
    let _bound = watchdog::bound();
    for daemon in Daemon::each() {
        let mut client = client_of(&daemon);
        let id = client.put(9, 0, 2, "stuck").unwrap().id();
        let (sender, receiver) = mpsc::channel();
        let (finish, ends) = mpsc::channel::<()>();
        let ends = Mutex::new(ends);
        let worker = Running::start(worker_for(&daemon), move |job| {
            sender.send(job.is_lost()).unwrap();
            let _ = ends.lock().unwrap().recv();
            sender.send(job.is_lost()).unwrap();
            Ok(Verdict::Done)
        });
        assert!(!receiver.recv_timeout(LONG).unwrap());
        let within = Duration::from_millis(2500);
        let (metrics, took) = worker.stop(within);
        // The slots stop a little earlier, so that all is over in time.
        let least = within - Duration::from_millis(200);
        assert!(took >= least && took < within + LONG / 2, "it took {took:?}");
        assert_eq!(
            metrics,
            counted(|m| {
                m.reserved = 1;
                m.returned = 1;
            })
        );
        wait_for(|| client.stats_job(id).unwrap().state == Some(JobState::Ready), "the job is back");
        let stats = client.stats_job(id).unwrap();
        assert_eq!((stats.pri, stats.timeouts, stats.releases), (Some(9.into()), Some(0), Some(0)));
        drop(finish);
        assert!(receiver.recv_timeout(LONG).unwrap(), "the handler is told that its job is lost");
        // And what it comes to changes nothing.
        assert_eq!(client.stats_job(id).unwrap().state, Some(JobState::Ready));
    }
}

#[test]
fn a_shutdown_ends_in_time_while_the_server_is_silent() {
    let _bound = watchdog::bound();
    // The listener's backlog takes connections, and nobody ever answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connected = Arc::new(AtomicBool::new(false));
    let listened = Arc::clone(&connected);
    let config = Config { reply_timeout: Some(LONG), ..Config::default() };
    let builder = Worker::builder().server(&address).tube("work").connection(config).on_event(move |event| {
        if matches!(event, WorkerEvent::Connection { event: Event::Connected, .. }) {
            listened.store(true, Ordering::Relaxed);
        }
    });
    let worker = Running::start(builder, |_| Ok(Verdict::Done));
    wait_for(|| connected.load(Ordering::Relaxed), "it is connected");
    let (_, took) = worker.stop(Duration::from_millis(500));
    assert!(took < LONG / 2, "it took {took:?}");
}

#[test]
fn a_worker_that_is_shut_down_before_it_runs_does_nothing() {
    let _bound = watchdog::bound();
    let worker = Worker::builder().server("127.0.0.1:1").build().unwrap();
    worker.handle().shutdown(LONG);
    assert_eq!(worker.run(|_| Ok::<_, Error>(Verdict::Done)), Metrics::default());
}

#[test]
fn what_is_no_address_or_tube_is_reported_when_a_worker_is_made() {
    let _bound = watchdog::bound();
    assert!(matches!(Worker::builder().server("no endpoint").build(), Err(Error::Argument(_))));
    assert!(matches!(Worker::builder().tube("two words").build(), Err(Error::Argument(_))));
}

#[test]
fn a_worker_survives_the_death_of_its_server() {
    let _bound = watchdog::bound();
    for mut daemon in Daemon::each() {
        let (sender, receiver) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        let goes_on = Mutex::new(goes_on);
        let worker = Running::start(worker_for(&daemon), move |job| {
            sender.send((job.text().unwrap().to_string(), job.is_lost())).unwrap();
            if job.text() == Ok("before") {
                let _ = goes_on.lock().unwrap().recv();
                wait_for(|| job.is_lost(), "the heartbeat noticed");
            }
            Ok(Verdict::Done)
        });
        client_of(&daemon).put(1024, 0, 60, "before").unwrap().inserted().unwrap();
        assert_eq!(receiver.recv_timeout(LONG).unwrap(), ("before".into(), false));
        daemon.kill();
        daemon.restart();
        drop(go_on);
        client_of(&daemon).put(1024, 0, 60, "after").unwrap().inserted().unwrap();
        assert_eq!(receiver.recv_timeout(LONG).unwrap(), ("after".into(), false));
        wait_for(|| worker.handle.metrics().done == 1, "the second is done");
        let (metrics, _) = worker.stop(LONG);
        assert_eq!((metrics.reserved, metrics.done, metrics.lost), (2, 1, 1));
        assert!(metrics.reconnects >= 1, "{metrics:?}");
    }
}

#[test]
fn a_job_in_hand_is_taken_back_after_a_restart_that_kept_it() {
    let _bound = watchdog::bound();
    if installed().is_none() {
        return;
    }
    let mut daemon = Daemon::start(Backend::Real, true);
    let (sender, receiver) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let worker = Running::start(worker_for(&daemon).reclaim(true), move |job| {
        sender.send(()).unwrap();
        let _ = goes_on.lock().unwrap().recv();
        assert!(!job.is_lost());
        Ok(Verdict::Done)
    });
    client_of(&daemon).put(1024, 0, 60, "dear").unwrap().inserted().unwrap();
    receiver.recv_timeout(LONG).unwrap();
    daemon.kill();
    daemon.restart();
    wait_for(|| worker.handle.metrics().reconnects > 0, "the heartbeat has found the connection gone");
    drop(go_on);
    wait_for(|| worker.handle.metrics().done == 1, "the job was done");
    let (metrics, _) = worker.stop(LONG);
    assert_eq!((metrics.reserved, metrics.lost, metrics.buried, metrics.retried), (1, 0, 0, 0), "{metrics:?}");
}

#[test]
fn a_handler_whose_job_is_lost_gets_that_instead_of_an_answer() {
    let _bound = watchdog::bound();
    for mut daemon in Daemon::each() {
        let (sender, receiver) = mpsc::channel();
        let worker = Running::start(worker_for(&daemon), move |job| {
            sender.send(None).unwrap();
            wait_for(|| job.is_lost(), "the heartbeat noticed");
            sender.send(Some(job.stats())).unwrap();
            Ok(Verdict::Done)
        });
        let id = client_of(&daemon).put(1024, 0, 60, "x").unwrap().id();
        assert!(receiver.recv_timeout(LONG).unwrap().is_none());
        daemon.kill();
        let answer = receiver.recv_timeout(LONG).unwrap();
        assert!(matches!(answer, Some(Err(Error::NotHeld { id: lost })) if lost == id), "{answer:?}");
        worker.stop(LONG);
    }
}

#[test]
fn servers_come_and_go_while_a_worker_runs() {
    let _bound = watchdog::bound();
    for (first, second) in Daemon::each().zip(Daemon::each()) {
        let (sender, receiver) = mpsc::channel();
        let worker = Running::start(worker_for(&first).concurrency(2), move |job| {
            sender.send(job.server().to_string()).unwrap();
            Ok(Verdict::Done)
        });
        let put = |daemon| client_of(daemon).put(1024, 0, 60, "").unwrap();
        put(&first).inserted().unwrap();
        assert_eq!(receiver.recv_timeout(LONG).unwrap(), first.address());
        worker.handle.add_server(&second.address()).unwrap();
        worker.handle.add_server(&second.address()).unwrap();
        assert_eq!(worker.handle.servers().len(), 2);
        put(&second).inserted().unwrap();
        assert_eq!(receiver.recv_timeout(LONG).unwrap(), second.address());
        assert!(worker.handle.remove_server(&first.address(), LONG));
        assert!(!worker.handle.remove_server(&first.address(), LONG));
        // Its connections go; then nobody takes its jobs.
        let mut client = client_of(&first);
        wait_for(|| client.stats().unwrap().current_connections == Some(1), "the worker has left");
        put(&first).inserted().unwrap();
        put(&second).inserted().unwrap();
        assert_eq!(receiver.recv_timeout(LONG).unwrap(), second.address());
        assert_eq!(client.stats_tube("work").unwrap().current_jobs_ready, Some(1));
        let (metrics, _) = worker.stop(LONG);
        assert_eq!((metrics.reserved, metrics.done), (3, 3));
    }
}

/// About 20 ms is when somebody else begins to look after the slot of a handler.
#[test]
fn handlers_that_end_just_when_their_slot_is_taken_over_lose_nothing() {
    const JOBS: u64 = 200;
    let _bound = watchdog::bound();
    let daemon = Daemon::start(Backend::Embedded, false);
    let mut client = client_of(&daemon);
    for n in 0..JOBS {
        client.put(1024, 0, 60, n.to_string()).unwrap().inserted().unwrap();
    }
    let worker = Running::start(worker_for(&daemon).concurrency(8), move |job| {
        let n: u64 = job.text().unwrap().parse().unwrap();
        thread::sleep(Duration::from_micros(15_000 + n * 50));
        // It wakes the slot, at any moment.
        let stats = job.stats().map_err(|error| error.to_string())?;
        assert_eq!(stats.id, Some(job.id));
        Ok(Verdict::Done)
    });
    wait_for(|| worker.handle.metrics().done == JOBS, "all jobs are done");
    let (metrics, _) = worker.stop(LONG);
    assert_eq!((metrics.reserved, metrics.done, metrics.lost, metrics.reconnects), (JOBS, JOBS, 0, 0));
}

#[test]
fn a_handler_that_has_taken_too_long_is_notified_and_left_behind_at_the_deadline() {
    let _bound = watchdog::bound();
    let daemon = Daemon::start(Backend::Embedded, false);
    let mut client = client_of(&daemon);
    client.put(1, 0, 60, "asks").unwrap().inserted().unwrap();
    client.put(2, 0, 60, "is stuck").unwrap().inserted().unwrap();
    let (told, tells) = mpsc::channel();
    let (go, going) = mpsc::channel::<()>();
    let going = Mutex::new(going);
    let retry = RetryPolicy::default().bury_after(NonZeroU32::new(1));
    let builder = worker_for(&daemon).retry(retry).handler_timeout(Duration::from_millis(100));
    let worker = Running::start(builder, move |job| {
        assert!(!job.is_timed_out() && !job.is_lost());
        if job.text() == Ok("asks") {
            while !job.is_timed_out() {
                thread::sleep(Duration::from_millis(1));
            }
            told.send((job.is_lost(), matches!(job.stats(), Err(Error::NotHeld { .. })))).unwrap();
        } else {
            let _ended = going.lock().unwrap().recv();
        }
        Ok(Verdict::Done)
    });
    assert_eq!(tells.recv(), Ok((true, true)));
    // The second one never asks, nor returns.
    while worker.handle.metrics().buried < 2 {
        thread::sleep(Duration::from_millis(2));
    }
    let (metrics, took) = worker.stop(Duration::from_millis(500));
    assert!(took >= Duration::from_millis(300), "it waits for the handler: {took:?}");
    assert_eq!((metrics.reserved, metrics.timed_out, metrics.buried_failed, metrics.done), (2, 2, 2, 0));
    drop(go);
}
