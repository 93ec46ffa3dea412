//! The blocking client's session, its job handles, the producer and the upkeep of tubes, on real sockets.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    ops::ControlFlow,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::Runtime;
use beanstalk_sync::{
    Backoff, Client, CommandError, Config, Error, Event, JobFilter, Lost, Producer, ProducerConfig, Put, Queue,
    Session, SessionConfig, Threads, clear_tube, move_jobs, stats::JobState, wait_until_empty,
};
use beanstalk_tests::{
    daemon::Daemon,
    server::{Backend, Options, Server, installed},
    unreachable::RefusingPort,
    watchdog,
    work::crowd,
};

const QUICK: Backoff = Backoff { first: Duration::from_millis(10), max: Duration::from_millis(100) };

fn session_to(address: &str) -> Session {
    let config = SessionConfig::default().reconnect(Some(QUICK));
    Session::new(address, config, Config::default()).unwrap()
}

fn servers() -> impl Iterator<Item = Server> {
    let backends = [Some(Backend::Embedded), installed().map(|_| Backend::Real)];
    backends.into_iter().flatten().map(|backend| Server::start(backend, Options::default()))
}

#[test]
fn the_end_of_a_connection_can_be_waited_for() {
    let _bound = watchdog::bound();
    for server in servers() {
        let (mut client, mut session) =
            (Client::connect(server.address()).unwrap(), Session::connect(server.address()).unwrap());
        assert!(!client.is_closed() && !session.is_closed());
        let waiting = thread::spawn(move || [client.closed(), session.closed()]);
        drop(server);
        for error in waiting.join().unwrap() {
            assert!(matches!(error, Error::Closed { .. } | Error::Io { .. }), "{error}");
        }
    }
}

#[test]
fn a_session_that_connects_again_has_its_tubes_back() {
    let _bound = watchdog::bound();
    for mut daemon in Daemon::each() {
        let events = Arc::new(Mutex::new(vec![]));
        let listener = Arc::clone(&events);
        let mut session =
            session_to(&daemon.address()).on_event(move |event| listener.lock().unwrap().push(event.clone()));
        session.use_tube("a").unwrap();
        session.watch("b").unwrap();
        session.watch("c").unwrap();
        session.ignore("default").unwrap();
        daemon.kill();
        daemon.restart();
        let mut watched = session.list_tubes_watched().unwrap();
        watched.sort_unstable();
        assert_eq!(watched, ["b", "c"]);
        assert_eq!(session.list_tube_used().unwrap(), "a");
        assert_eq!(session.connections(), 2);
        let events = events.lock().unwrap();
        assert_eq!(events[..2], [Event::Connected, Event::Restored]);
        assert!(matches!(events[2], Event::Lost { .. }), "{events:?}");
        assert_eq!(events[events.len() - 2..], [Event::Connected, Event::Restored]);
    }
}

#[test]
fn a_session_waits_for_its_server_no_longer_than_its_patience() {
    let _bound = watchdog::bound();
    let refusing = RefusingPort::new();
    let address = refusing.address();
    let config = SessionConfig::default().reconnect(Some(QUICK)).patience(Some(Duration::from_millis(300)));
    let mut session = Session::new(&address, config, Config::default()).unwrap();
    let start = Instant::now();
    let error = session.stats().unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(300) && start.elapsed() < Duration::from_secs(4));
    assert!(matches!(error, Error::Connect { .. }), "it says what connecting failed with: {error:?}");
    assert!(Session::connect(&address).is_err());
}

#[test]
fn a_session_that_does_not_reconnect_ends_with_its_connection() {
    let _bound = watchdog::bound();
    for mut daemon in Daemon::each() {
        let config = SessionConfig::default().reconnect(None);
        let mut session = Session::new(&daemon.address(), config, Config::default()).unwrap();
        session.list_tubes().unwrap();
        daemon.kill();
        daemon.restart();
        assert!(session.list_tubes().unwrap_err().is_fatal());
        assert!(matches!(session.list_tubes(), Err(Error::Closed { lost: Lost::NotSent })));
        assert_eq!(session.connections(), 1);
    }
}

/// A server that takes the first put and answers nothing more, and then serves a second connection.
#[test]
fn a_put_that_may_have_arrived_is_not_repeated() {
    let _bound = watchdog::bound();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let mut lines = BufReader::new(listener.accept().unwrap().0).lines();
        let first: Vec<String> = lines.by_ref().take(2).map(Result::unwrap).collect();
        drop(lines);
        let (mut stream, _) = listener.accept().unwrap();
        let second = BufReader::new(stream.try_clone().unwrap()).lines().next().unwrap().unwrap();
        stream.write_all(b"USING default\r\n").unwrap();
        (first, second)
    });
    let mut session = session_to(&address);
    let error = session.put(1, 0, 60, "once").unwrap_err();
    assert_eq!(error.lost(), Some(Lost::Unknown));
    assert_eq!(session.list_tube_used().unwrap(), "default");
    let (first, second) = server.join().unwrap();
    assert_eq!(first, ["put 1 0 60 4", "once"]);
    assert_eq!(second, "list-tube-used");
}

#[test]
fn a_job_handle_finishes_its_job_with_the_priority_it_had() {
    let _bound = watchdog::bound();
    for server in servers() {
        let mut session = session_to(server.address());
        let id = session.put(7, 0, 60, "x").unwrap().id();
        let mut job = session.next_job(0_u32).unwrap().unwrap().job().unwrap();
        assert_eq!((job.id, job.text(), job.is_held()), (id, Ok("x"), true));
        assert_eq!(job.tube().unwrap(), "default");
        job.touch().unwrap();
        job.session().put(8, 0, 60, "follows").unwrap().inserted().unwrap();
        job.release(0).unwrap().released().unwrap();
        assert_eq!(session.stats_job(id).unwrap().pri, Some(7.into()));
        session.next_job(0_u32).unwrap().unwrap().job().unwrap().bury().unwrap();
        let stats = session.stats_job(id).unwrap();
        assert_eq!((stats.pri, stats.state), (Some(7.into()), Some(JobState::Buried)));
        session.next_job(0_u32).unwrap().unwrap().job().unwrap().delete().unwrap();
        assert!(session.next_job(0_u32).unwrap().is_none());
    }
}

#[test]
fn a_job_handle_dropped_leaves_the_job_held() {
    let _bound = watchdog::bound();
    for server in servers() {
        let mut session = session_to(server.address());
        let id = session.put(7, 0, 60, "x").unwrap().id();
        drop(session.next_job(0_u32).unwrap().unwrap().job().unwrap());
        assert_eq!(session.stats_job(id).unwrap().state, Some(JobState::Reserved));
    }
}

#[test]
fn a_job_handle_whose_connection_is_gone_leaves_the_number_alone() {
    let _bound = watchdog::bound();
    for mut daemon in Daemon::each() {
        let mut session = session_to(&daemon.address());
        let id = session.put(7, 0, 60, "one").unwrap().id();
        let mut job = session.next_job(0_u32).unwrap().unwrap().job().unwrap();
        daemon.kill();
        daemon.restart();
        // Another job has the number now.
        assert_eq!(Client::connect(&daemon.address()).unwrap().put(1, 0, 60, "other").unwrap().id(), id);
        job.session().list_tubes().unwrap();
        assert!(!job.is_held());
        assert!(matches!(job.touch(), Err(Error::NotHeld { id: gone }) if gone == id));
        assert_eq!(job.reclaim().unwrap_err().command_error(), Some(CommandError::NotFound));
        assert!(matches!(job.delete(), Err(Error::NotHeld { .. })));
        assert_eq!(session.peek(id).unwrap().text(), Ok("other"));
    }
}

#[test]
fn a_job_is_taken_back_after_a_restart_that_kept_it() {
    let _bound = watchdog::bound();
    if installed().is_none() {
        return;
    }
    let mut daemon = Daemon::start(Backend::Real, true);
    let mut session = session_to(&daemon.address()).reclaim_jobs(true);
    let id = session.put(7, 0, 60, "x").unwrap().id();
    let mut job = session.next_job(0_u32).unwrap().unwrap().job().unwrap();
    daemon.kill();
    daemon.restart();
    job.session().list_tubes().unwrap();
    assert!(!job.is_held());
    job.delete().unwrap();
    assert_eq!(session.peek(id).unwrap_err().command_error(), Some(CommandError::NotFound));
}

#[test]
fn a_producer_spreads_jobs_and_returns_where_they_are() {
    let _bound = watchdog::bound();
    for (a, b) in servers().zip(servers()) {
        let mut producer = Producer::new([a.address(), b.address()]).unwrap();
        producer.use_tube("mails").unwrap();
        let mut placed: Vec<_> = (0..10).map(|n| producer.put(1, 0, 60, format!("job {n}")).unwrap().0).collect();
        for (n, job) in placed.iter().enumerate() {
            assert_eq!(producer.client(job.server).unwrap().peek(job.id).unwrap().text(), Ok(&*format!("job {n}")));
        }
        for server in [&a, &b] {
            let stats = Client::connect(server.address()).unwrap().stats_tube("mails").unwrap();
            assert_eq!(stats.current_jobs_ready, Some(5));
        }
        placed = (0..10).map(|_| producer.put_keyed("customer 42", 1, 0, 60, "x").unwrap().0).collect();
        assert!(placed.iter().all(|job| job.server == placed[0].server));
    }
}

#[test]
fn a_producer_passes_over_servers_that_drain_or_are_dead() {
    let _bound = watchdog::bound();
    for (a, b) in servers().zip(servers()) {
        a.drain();
        let refusing = RefusingPort::new();
        let producer = Producer::new([a.address(), &refusing.address(), b.address()]).unwrap();
        let [draining, dead, healthy] = producer.servers().map(|(id, _)| id).collect::<Vec<_>>()[..] else {
            panic!("three servers")
        };
        for n in 0..20 {
            let (placed, _) = producer.put_keyed(n.to_string(), 1, 0, 60, "x").unwrap();
            assert_eq!(placed.server, healthy);
        }
        assert!(producer.is_healthy(healthy) && !(producer.is_healthy(draining) && producer.is_healthy(dead)));
        assert!(producer.remove_server(healthy));
        assert!(producer.client(healthy).is_err());
        let (late, _) = servers().zip(0..1).next().unwrap();
        let added = producer.add_server(late.address()).unwrap();
        assert_eq!(producer.put(1, 0, 60, "x").unwrap().0.server, added);
    }
}

/// As on the other runtimes: see `src/work/crowd.rs`. The tasks are threads here.
#[test]
fn many_threads_lose_no_job_while_a_server_dies_and_comes_back() {
    let _bound = watchdog::bound();
    for backend in [Backend::Real, Backend::Embedded] {
        if backend == Backend::Real && installed().is_none() {
            continue;
        }
        let is_durable = backend == Backend::Real;
        let servers = [(); 3].map(|()| Daemon::start(backend, is_durable));
        let (ends, ended) = mpsc::channel();
        Threads::default().spawn(async move {
            crowd::run::<Threads>(servers, is_durable).await;
            ends.send(()).unwrap();
        });
        ended.recv().expect("it ends without a panic");
    }
}

#[test]
fn a_producer_gives_up_with_the_answer_of_the_last_server() {
    let _bound = watchdog::bound();
    for server in servers() {
        server.drain();
        let config = ProducerConfig::default().patience(Some(Duration::from_millis(200)));
        let producer = Producer::with_config([server.address()], config).unwrap();
        let error = producer.put(1, 0, 60, "x").unwrap_err();
        assert_eq!(error.command_error(), Some(CommandError::Draining));
    }
}

#[test]
fn tubes_are_cleared_moved_and_waited_for() {
    let _bound = watchdog::bound();
    for (a, b) in servers().zip(servers()) {
        let mut from = Client::connect(a.address()).unwrap();
        let mut to = Client::connect(b.address()).unwrap();
        from.use_tube("old").unwrap();
        for n in 0..10_u32 {
            from.put(n, if n % 2 == 0 { 0 } else { 100 }, 60, n.to_string()).unwrap().inserted().unwrap();
        }
        from.use_tube("mine").unwrap();
        assert!(!wait_until_empty(&mut from, "old", Some(Duration::from_millis(50))).unwrap());
        let mut told = vec![];
        let jobs = JobFilter::new(&Queue::ALL).on_progress(|so_far| {
            told.push(so_far.done);
            ControlFlow::Continue(())
        });
        assert_eq!(move_jobs(&mut from, "old", &mut to, "new", jobs).unwrap(), 10);
        assert_eq!(told.last(), Some(&10));
        assert!(wait_until_empty(&mut from, "old", None).unwrap());
        let stats = to.stats_tube("new").unwrap();
        assert_eq!((stats.current_jobs_ready, stats.current_jobs_delayed), (Some(5), Some(5)));
        to.use_tube("mine").unwrap();
        assert_eq!(clear_tube(&mut to, "new", &[Queue::Ready]).unwrap(), 5);
        assert_eq!(to.list_tube_used().unwrap(), "mine");
        assert_eq!(clear_tube(&mut to, "new", &Queue::ALL).unwrap(), 5);
        assert!(wait_until_empty(&mut to, "new", None).unwrap());
        to.call(Put::of("still usable")).unwrap().inserted().unwrap();
    }
}
