//! Servers that end, or are restarted, under workers, sessions and producers, and what these make of it.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use beanstalk_driver::{
    ProducerConfig,
    policy::{Backoff, Event, IDLE, SessionConfig, Verdict, WorkerEvent},
};
use beanstalk_proto::{Command, Error, Lost, ProtocolError, Reply, TubeName, client::Config};
use beanstalk_sync::Client;
use smol::channel;

use super::{
    super::Stand,
    binding::{Binding, Deed, Ending, Setup},
    eventually,
};
use crate::{daemon::Daemon, torn};

/// Far less than the time until the next heartbeat, and enough for a slow machine.
const AT_ONCE: Duration = Duration::from_millis(900);

fn quickly() -> SessionConfig {
    let delay = Duration::from_millis(5);
    SessionConfig::default().reconnect(Some(Backoff { first: delay, max: delay }))
}

/// What a session's calls come to, one after the other; before each something happens.
fn session<B: Binding>(
    address: &str,
    config: SessionConfig,
    connection: Config,
    calls: Vec<Call<'_>>,
) -> Vec<Result<Reply, Error>> {
    let (mut calls, mut results) = (calls.into_iter(), Vec::new());
    B::session(address, config, connection, &mut |result| {
        results.extend(result);
        let (before, command) = calls.next()?;
        before();
        Some(command)
    });
    results
}

type Call<'f> = (Box<dyn FnOnce() + 'f>, Command);

fn at_once<'f>(command: Command) -> Call<'f> {
    (Box::new(|| {}), command)
}

fn tube(name: &str) -> TubeName {
    TubeName::new(name).unwrap()
}

fn put() -> Command {
    Command::Put { priority: 1.into(), delay: 0, ttr: 60, body: b"x".to_vec() }
}

/// Long enough to count as idle.
fn idle() {
    thread::sleep(IDLE * 2);
}

pub(super) fn a_session_that_was_idle_notices_before_a_put_that_its_server_was_restarted<B: Binding>(stand: Stand) {
    let mut server = stand.server();
    let address = server.address();
    let meanwhile = || {
        server.restart();
        idle();
    };
    let calls =
        vec![at_once(Command::Use { tube: tube("a") }), (Box::new(meanwhile), put()), at_once(Command::ListTubeUsed)];
    let results = session::<B>(&address, quickly(), Config::default(), calls);
    assert!(
        matches!(&results[..], [Ok(_), Ok(Reply::Inserted(_)), Ok(Reply::Using(used))] if *used == "a"),
        "{results:?}"
    );
}

pub(super) fn a_producer_that_was_idle_notices_before_a_put_that_its_server_was_restarted<B: Binding>(stand: Stand) {
    let mut server = stand.server();
    let (address, mut puts) = (server.address(), 0);
    B::put(&[address], ProducerConfig::default(), &mut |_, placed| {
        placed.expect("it is put");
        puts += 1;
        if puts == 1 {
            server.restart();
            idle();
        }
        puts == 1
    });
}

/// Waits until somebody waits for a job; restarts the server; puts one.
fn restart_and_put(server: &mut Daemon) {
    let mut client = Client::connect(&server.address()).unwrap();
    eventually("somebody waits", || client.stats().unwrap().current_waiting == Some(1));
    server.restart();
    Client::connect(&server.address()).unwrap().put(1, 0, 60, "x").unwrap().inserted().unwrap();
}

pub(super) fn a_reserve_that_waits_goes_on_though_its_server_is_restarted<B: Binding>(stand: Stand) {
    for reserve in [Command::Reserve, Command::ReserveWithTimeout { timeout: 60 }] {
        let mut server = stand.server();
        let address = server.address();
        let results = thread::scope(|scope| {
            scope.spawn(|| restart_and_put(&mut server));
            session::<B>(&address, quickly(), Config::default(), vec![at_once(reserve)])
        });
        assert!(matches!(&results[..], [Ok(Reply::Reserved(job))] if job.text() == Ok("x")), "{results:?}");
    }
}

pub(super) fn a_shared_client_goes_on_though_its_server_is_restarted<B: Binding>(stand: Stand) {
    let mut server = stand.server();
    let (address, mut calls) = (server.address(), 0);
    B::shared(&address, &mut |result| {
        if let Some(result) = result {
            assert!(matches!(result, Ok(Reply::Ok(_))), "call {calls}: {result:?}");
            server.restart();
        }
        calls += 1;
        (calls <= 3).then_some(Command::ListTubes)
    });
}

pub(super) fn a_job_that_a_kill_has_torn_is_named_and_can_be_deleted<B: Binding>(stand: Stand) {
    let Some(mut server) = stand.durable() else { return };
    let mut client = Client::connect(&server.address()).unwrap();
    let id = client.put(1, 0, 60, "to be torn").unwrap().inserted().unwrap();
    client.put(1, 0, 60, "next").unwrap().inserted().unwrap();
    server.kill();
    server.tear("to be torn");
    server.restart();
    let reserve = || at_once(Command::ReserveWithTimeout { timeout: 60 });
    // Another connection gets it again.
    for _ in 0..2 {
        let calls = vec![reserve(), at_once(Command::Peek { id })];
        let results = session::<B>(&server.address(), quickly(), Config::default(), calls);
        assert_eq!(results.len(), 2);
        for (result, asked) in results.iter().zip(["reserve-with-timeout", "peek"]) {
            let Err(Error::Protocol { error: ProtocolError::MissingCrlf { command, id: named, bytes: 10 }, .. }) =
                result
            else {
                panic!("{result:?}")
            };
            assert_eq!((*command, *named), (asked, Some(id)));
        }
    }
    torn::delete(&server.address(), id);
    let results = session::<B>(&server.address(), quickly(), Config::default(), vec![reserve(), at_once(put())]);
    assert!(
        matches!(&results[..], [Ok(Reply::Reserved(job)), Ok(Reply::Inserted(_))] if job.text() == Ok("next")),
        "{results:?}"
    );
}

/// The lines of the next connection, and its other direction.
fn accept(listener: &TcpListener) -> (Lines<BufReader<TcpStream>>, TcpStream) {
    let (stream, _) = listener.accept().unwrap();
    (BufReader::new(stream.try_clone().unwrap()).lines(), stream)
}

pub(super) fn what_broke_a_replay_is_what_the_call_fails_with<B: Binding>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let first = thread::spawn(move || {
        let (mut lines, mut stream) = accept(&listener);
        assert_eq!(lines.next().unwrap().unwrap(), "use a");
        stream.write_all(b"USING a\r\n").unwrap();
        // The backlog takes the connections that follow, and says nothing.
        listener
    });
    // Long enough that the first answer is in time on a busy machine.
    let config = quickly().patience(Some(Duration::from_millis(1200)));
    let connection = Config { reply_timeout: Some(Duration::from_millis(500)), ..Config::default() };
    let mut listener = None;
    let meanwhile = || {
        listener = first.join().ok();
        idle();
    };
    let calls = vec![at_once(Command::Use { tube: tube("a") }), (Box::new(meanwhile), put())];
    let results = session::<B>(&address, config, connection, calls);
    let [Ok(_), Err(Error::TimedOut { command: "use", lost: Lost::NotSent, .. })] = &results[..] else {
        panic!("{results:?}")
    };
}

pub(super) fn a_reserve_is_repeated_with_nothing_left_once_its_timeout_is_over<B: Binding>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let mut asked = Vec::new();
        // The timeout ends during the second wait.
        for _ in 0..2 {
            let (mut lines, _stream) = accept(&listener);
            asked.push(lines.next().unwrap().unwrap());
            thread::sleep(Duration::from_millis(600));
        }
        let (mut lines, mut stream) = accept(&listener);
        asked.push(lines.next().unwrap().unwrap());
        stream.write_all(b"TIMED_OUT\r\n").unwrap();
        asked
    });
    let calls = vec![at_once(Command::ReserveWithTimeout { timeout: 1 })];
    let results = session::<B>(&address, quickly(), Config::default(), calls);
    assert!(matches!(&results[..], [Ok(Reply::TimedOut)]), "{results:?}");
    let asked = server.join().unwrap();
    assert_eq!([&asked[0], &asked[2]], ["reserve-with-timeout 1", "reserve-with-timeout 0"]);
}

pub(super) fn a_worker_hears_at_once_that_the_connection_under_a_running_handler_is_gone<B: Binding>(stand: Stand) {
    let mut server = stand.server();
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    client.put(1, 0, 60, "x").unwrap().inserted().unwrap();
    let (began, beginning) = channel::bounded(1);
    let (go, going) = channel::bounded::<()>(1);
    let (lost, losing) = mpsc::channel();
    let mut setup = Setup::new(&server.address());
    setup.on_event = Box::new(move |event| {
        if matches!(event, WorkerEvent::Connection { event: Event::Lost { .. }, .. }) {
            lost.send(()).unwrap();
        }
    });
    setup.handler = Box::new(move |_| {
        began.send_blocking(()).unwrap();
        Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) }
    });
    let worker = B::work(setup);
    beginning.recv_blocking().unwrap();
    eventually("the next heartbeat is far off", || client.stats().unwrap().cmd_stats_job >= Some(1));
    server.kill();
    let heard = losing.recv_timeout(AT_ONCE);
    go.close();
    worker.stop(AT_ONCE);
    heard.expect("it hears of it while the handler runs");
}
