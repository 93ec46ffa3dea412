//! How many jobs are worked on at a time.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use beanstalk_driver::policy::{Event, JobEvent, Verdict, WorkerEvent};
use beanstalk_sync::Client;
use smol::channel;

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Deed, Ending, Setup},
    eventually,
    peers::{Answering, obliging},
};
use crate::daemon::Daemon;

pub(super) fn a_limit_holds_over_all_servers_and_each_has_its_turn<B: Binding>(stand: Stand) {
    const JOBS: usize = 60;
    const LIMIT: usize = 2;
    let servers = [stand.server(), stand.server(), stand.server()];
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let order = Arc::new(Mutex::new(Vec::new()));
    let (go, going) = channel::bounded::<()>(1);
    let mut setup = Setup::new(&servers[0].address());
    setup.servers = servers.iter().map(Daemon::address).collect();
    (setup.concurrency, setup.limit) = (LIMIT, Some(LIMIT));
    let (note, ready) = (Arc::clone(&order), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&ready);
    setup.on_event = Box::new(move |event| match event {
        WorkerEvent::Connection { event: Event::Restored, .. } => _ = count.fetch_add(1, Ordering::SeqCst),
        WorkerEvent::Job { server, event: JobEvent::Done { .. }, .. } => note.lock().unwrap().push(server.to_string()),
        _ => (),
    });
    let (begins, seen) = (Arc::clone(&running), Arc::clone(&most));
    setup.handler = Box::new(move |_| {
        seen.fetch_max(begins.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) }
    });
    let (ends, full) = (Arc::clone(&running), Arc::clone(&most));
    let worker = B::work_with(setup, move |_, _| {
        ends.fetch_sub(1, Ordering::SeqCst);
    });
    // A server that is connected late would be late with its turn.
    eventually("each can be asked", || ready.load(Ordering::SeqCst) == servers.len());
    let mut clients = servers.each_ref().map(|server| Client::connect(&server.address()).unwrap());
    for n in 0..JOBS {
        // The third is empty.
        let client = &mut clients[n % 2];
        client.use_tube("t").unwrap();
        client.put(1, 0, 60, n.to_string()).unwrap().inserted().unwrap();
    }
    eventually("two run at a time", || full.load(Ordering::SeqCst) == LIMIT);
    let all = thread::spawn(move || (0..JOBS).for_each(|_| go.send_blocking(()).unwrap()));
    eventually("all are done", || worker.handle.metrics().done == JOBS as u64);
    all.join().unwrap();
    let metrics = worker.stop(LONG);
    assert_eq!(most.load(Ordering::SeqCst), LIMIT);
    assert_eq!((metrics.lost, metrics.retried), (0, 0));
    let order = order.lock().unwrap();
    assert_eq!(
        order[..JOBS / 2].iter().collect::<HashSet<_>>().len(),
        2,
        "both full servers have their turns: {order:?}"
    );
}

pub(super) fn a_server_that_is_added_again_gets_the_connections_that_it_has_refused_and_no_more<B: Binding>() {
    const TURNS: usize = 20;
    let (watches, jobs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // It answers the second connection with an alert of TLS, and has jobs without end.
    let server = Answering::start(move |line| match line.split(' ').next() {
        Some("watch") if watches.fetch_add(1, Ordering::SeqCst) == 1 => Some("\x15\x03\x03\0\x02\x02\x28".into()),
        Some("reserve-with-timeout") => {
            Some(format!("RESERVED {} 1\r\nx\r\n", jobs.fetch_add(1, Ordering::SeqCst) + 1))
        }
        Some("delete") => Some("DELETED\r\n".into()),
        Some("touch") => Some("TOUCHED\r\n".into()),
        Some("stats-job") => Some("OK 12\r\n---\nttr: 60\n\r\n".into()),
        _ => obliging(line),
    });
    let mut setup = Setup::new(&server.address);
    setup.concurrency = 2;
    let refusals = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refusals);
    setup.on_event = Box::new(move |event| {
        if let WorkerEvent::Connection { event: Event::Refused { .. }, .. } = event {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let (begun, (go, going)) = (Arc::new(AtomicUsize::new(0)), channel::bounded::<()>(1));
    let begins = Arc::clone(&begun);
    setup.handler = Box::new(move |_| {
        begins.fetch_add(1, Ordering::SeqCst);
        Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) }
    });
    let worker = B::work(setup);
    let has_begun = |jobs| begun.load(Ordering::SeqCst) >= jobs;
    eventually("one of two slots works, and the other was refused", || {
        has_begun(1) && refusals.load(Ordering::SeqCst) == 1 && server.connections.load(Ordering::SeqCst) == 2
    });
    // The slot that was refused may not have ended when that is reported.
    eventually("the other one works, too", || {
        worker.handle.add_server(&server.address).unwrap();
        assert_eq!(
            worker.handle.servers(),
            [&*server.address],
            "it is there as long as one of its connections is good"
        );
        has_begun(2)
    });
    // Each end of a handler lets one other begin: a third slot would have its turn among them.
    for turn in 1..=TURNS {
        go.send_blocking(()).unwrap();
        eventually("the next begins", || has_begun(2 + turn));
    }
    assert_eq!((begun.load(Ordering::SeqCst), refusals.load(Ordering::SeqCst)), (2 + TURNS, 1));
    assert_eq!(server.connections.load(Ordering::SeqCst), 3);
    go.close();
    worker.stop(LONG);
}
