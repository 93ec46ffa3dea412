//! How many jobs are worked on at a time.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use beanstalk_driver::policy::{JobEvent, Verdict, WorkerEvent};
use beanstalk_sync::Client;
use smol::channel;

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Deed, Ending, Setup},
    eventually,
};
use crate::daemon::Daemon;

pub(super) fn a_limit_holds_over_all_servers_and_each_has_its_turn<B: Binding>(stand: Stand) {
    const JOBS: usize = 60;
    const LIMIT: usize = 2;
    let servers = [stand.server(), stand.server(), stand.server()];
    let mut clients = servers.each_ref().map(|server| Client::connect(&server.address()).unwrap());
    for n in 0..JOBS {
        // The third is empty.
        let client = &mut clients[n % 2];
        client.use_tube("t").unwrap();
        client.put(1, 0, 60, n.to_string()).unwrap().inserted().unwrap();
    }
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let order = Arc::new(Mutex::new(Vec::new()));
    let (go, going) = channel::bounded::<()>(1);
    let mut setup = Setup::new(&servers[0].address());
    setup.servers = servers.iter().map(Daemon::address).collect();
    (setup.concurrency, setup.limit) = (LIMIT, Some(LIMIT));
    let note = Arc::clone(&order);
    setup.on_event = Box::new(move |event| {
        if let WorkerEvent::Job { server, event: JobEvent::Done { .. }, .. } = event {
            note.lock().unwrap().push(server.to_string());
        }
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
