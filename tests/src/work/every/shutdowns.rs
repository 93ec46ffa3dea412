//! What a shutdown counts.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use beanstalk_driver::{
    connect::socket::names,
    policy::{Metrics, Verdict},
};
use beanstalk_sync::Client;
use smol::channel;

use crate::work::counted;

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Deed, Ending, Setup},
    eventually,
    peers::{Answering, obliging},
};

const SLOTS: usize = 16;

pub(super) fn jobs_in_hand_when_the_time_is_over_are_returned<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    for _ in 0..SLOTS {
        client.put(1, 0, 60, "x").unwrap().inserted().unwrap();
    }
    for within in [Duration::ZERO, Duration::from_millis(50)] {
        let (began, beginning) = channel::bounded(SLOTS);
        let (_go, going) = channel::bounded::<()>(1);
        let mut setup = Setup::new(&server.address());
        setup.concurrency = SLOTS;
        setup.handler = Box::new(move |_| {
            began.send_blocking(()).unwrap();
            Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) }
        });
        let worker = B::work(setup);
        (0..SLOTS).for_each(|_| beginning.recv_blocking().unwrap());
        let metrics = worker.stop(within);
        let (reserved, returned) = (SLOTS as u64, SLOTS as u64);
        assert_eq!(
            metrics,
            counted(|m| {
                m.reserved = reserved;
                m.returned = returned;
            }),
            "within {within:?}"
        );
        eventually("they are ready", || client.stats_tube("t").unwrap().current_jobs_ready == Some(reserved));
    }
}

/// A server that gives one job, and from then on answers nothing.
fn frozen() -> Answering {
    Answering::start(|line| match line.starts_with("reserve") {
        true => Some("RESERVED 1 1\r\nx\r\n".to_string()),
        false => obliging(line),
    })
}

pub(super) fn a_job_in_hand_is_returned_though_the_server_is_frozen<B: Binding>() {
    let server = frozen();
    let (began, beginning) = channel::bounded(1);
    let (_go, going) = channel::bounded::<()>(1);
    let mut setup = Setup::new(&server.address);
    setup.handler = Box::new(move |_| {
        began.send_blocking(()).unwrap();
        Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) }
    });
    let worker = B::work(setup);
    beginning.recv_blocking().unwrap();
    // A touch is under way by then, and not answered.
    let metrics = worker.stop(Duration::from_millis(900));
    assert_eq!(
        metrics,
        counted(|m| {
            m.reserved = 1;
            m.returned = 1;
        })
    );
}

pub(super) fn a_job_whose_verdict_is_not_answered_is_lost<B: Binding>() {
    let (told, telling) = channel::bounded(1);
    let reserved = AtomicBool::new(false);
    let server = Answering::start(move |line| match line.split(' ').next() {
        Some("reserve-with-timeout") => {
            // The next reserve comes right behind the delete.
            (!reserved.swap(true, Ordering::SeqCst)).then(|| "RESERVED 1 1\r\nx\r\n".to_string())
        }
        Some("delete") => {
            told.send_blocking(()).unwrap();
            None
        }
        _ => obliging(line),
    });
    let worker = B::work(Setup::new(&server.address));
    telling.recv_blocking().unwrap();
    let metrics = worker.stop(Duration::from_millis(100));
    assert_eq!(
        metrics,
        counted(|m| {
            m.reserved = 1;
            m.lost = 1;
        })
    );
}

pub(super) fn a_shutdown_is_over_in_time_though_looking_up_a_name_hangs<B: Binding>() {
    let name = format!("hangs.{}.test", B::NAME);
    names::set(&name, LONG, Vec::new());
    let mut setup = Setup::new(&name);
    setup.config.connect_timeout = None;
    let worker = B::work(setup);
    eventually("the name is looked up", || names::asked(&name).is_some());
    let start = Instant::now();
    assert_eq!(worker.stop(Duration::from_millis(100)), Metrics::default());
    assert!(start.elapsed() < LONG / 10, "it took {:?}", start.elapsed());
}
