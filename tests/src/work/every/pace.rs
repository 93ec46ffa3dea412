//! How often servers are bothered that are no good.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::{ProducerConfig, policy::Backoff};
use beanstalk_proto::{TubeName, client::Config};

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Setup},
    eventually,
    peers::{Answering, obliging},
};

pub(super) fn a_server_that_refuses_every_reserve_is_connected_to_ever_more_rarely<B: Binding>() {
    let server = Answering::start(|line| match line.starts_with("reserve") {
        true => Some("OUT_OF_MEMORY\r\n".to_string()),
        false => obliging(line),
    });
    let mut setup = Setup::new(&server.address);
    setup.backoff = Backoff { first: Duration::from_millis(10), max: Duration::from_secs(10) };
    let worker = B::work(setup);
    eventually("it is connected to again", || server.connections.load(Ordering::Relaxed) >= 4);
    thread::sleep(Duration::from_millis(900));
    let connections = server.connections.load(Ordering::Relaxed);
    worker.stop(LONG);
    // Delays grow to 10, 20, 40, … 640 ms at most: a dozen in a second. Without that, at most 10 ms each: a hundred.
    assert!(connections < 40, "{connections} connections");
}

pub(super) fn reserves_that_end_at_once_are_not_repeated_at_once<B: Binding>() {
    for reply in ["TIMED_OUT\r\n", "DEADLINE_SOON\r\n"] {
        let reserves = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&reserves);
        let server = Answering::start(move |line| match line.starts_with("reserve") {
            true => {
                count.fetch_add(1, Ordering::Relaxed);
                Some(reply.to_string())
            }
            false => obliging(line),
        });
        let worker = B::work(Setup::new(&server.address));
        eventually("it reserves", || reserves.load(Ordering::Relaxed) >= 1);
        thread::sleep(Duration::from_millis(300));
        worker.stop(LONG);
        let reserves = reserves.load(Ordering::Relaxed);
        assert!(reserves < 20, "{reserves} reserves, answered {reply:?}");
    }
}

/// How long a put takes that waits for a reply in vain.
const STALL: Duration = Duration::from_millis(400);

pub(super) fn a_silent_server_stalls_no_put_while_another_is_healthy<B: Binding>(stand: Stand) {
    let (healthy, behind) = (stand.server(), stand.server());
    // Its backlog takes connections, and nobody answers; until somebody does.
    let mut silent = Some(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = silent.as_ref().unwrap().local_addr().unwrap().to_string();
    let config = ProducerConfig::default()
        // Not the default one, so that it is set first, and no put has to fail.
        .tube(TubeName::new("t").unwrap())
        .backoff(Backoff { first: Duration::from_millis(10), max: Duration::from_millis(10) })
        .connection(Config { reply_timeout: Some(STALL), ..Config::default() });
    let (mut puts, mut stalls, mut first, until) = (0, 0, None, Instant::now() + LONG);
    B::put(&[healthy.address(), address], config, &mut |took, placed| {
        assert!(Instant::now() < until, "the server is not asked again");
        let placed = placed.expect("another server takes it").server;
        puts += 1;
        if let Some(silent) = silent.take_if(|_| puts == 20) {
            let behind = behind.address();
            thread::spawn(move || relay(&silent, &behind));
        }
        if silent.is_some() {
            stalls += u64::from(took >= STALL);
            assert_eq!(*first.get_or_insert(placed), placed);
        }
        silent.is_some() || first == Some(placed)
    });
    assert!(stalls <= 2, "{stalls} of 20 puts waited for a server that says nothing");
}

/// Carries every connection on to a server.
fn relay(listener: &TcpListener, to: &str) -> io::Result<()> {
    for client in listener.incoming() {
        let (client, server) = (client?, TcpStream::connect(to)?);
        for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    }
    Ok(())
}
