//! Whose job it is, and how often it is tried.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use beanstalk_driver::policy::{IDLE, RetryPolicy, Verdict};
use beanstalk_proto::{CommandError, Error, stats::JobState};
use beanstalk_sync::Client;
use smol::channel;

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Deed, Ending, Setup, Use},
    eventually,
    evil::Evil,
    peers::{Answering, obliging},
};
use crate::{daemon::Daemon, proxy::Proxy};

/// A server that is replaced by another, which has a job of its own under the id of the first one's.
struct Replaced {
    stand: Stand,
    first: Daemon,
    proxy: Proxy,
}

impl Replaced {
    fn new(stand: Stand) -> Self {
        let first = stand.server();
        put(&first, "t");
        let proxy = Proxy::start(&first.address(), 1).unwrap();
        proxy.calm_down();
        Self { stand, first, proxy }
    }

    /// The server dies; one that has counted from 1 again, and has a job with the same body in this tube, takes its place.
    fn replace(&mut self, tube: &str) -> (Daemon, Client) {
        self.first.kill();
        let second = self.stand.server();
        put(&second, tube);
        self.proxy.redirect(&second.address());
        let client = Client::connect(&second.address()).unwrap();
        (second, client)
    }
}

fn put(server: &Daemon, tube: &str) {
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube(tube).unwrap();
    assert_eq!(client.put(7, 0, 60, "x").unwrap().id().0, 1);
}

pub(super) fn a_job_put_since_with_an_equal_body_is_not_taken_for_the_one_in_hand<B: Binding>(stand: Stand) {
    for tube in ["elsewhere", "t"] {
        let mut replaced = Replaced::new(stand);
        let (began, beginning) = channel::bounded(10);
        let (go, going) = channel::bounded::<()>(1);
        let mut setup = Setup::new(replaced.proxy.address());
        setup.reclaim = true;
        setup.handler = Box::new(move |_| {
            began.send_blocking(()).unwrap();
            Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) }
        });
        let worker = B::work(setup);
        beginning.recv_blocking().unwrap();
        let (_second, mut client) = replaced.replace(tube);
        eventually("the slot looks for its job", || client.stats().unwrap().cmd_peek >= Some(1));
        // So that it has come to an end with that, whatever it is.
        thread::sleep(Duration::from_millis(200));
        go.send_blocking(()).unwrap();
        eventually("the handler's verdict is known", || {
            let metrics = worker.handle.metrics();
            metrics.done + metrics.lost > 0
        });
        assert_eq!((worker.handle.metrics().done, worker.handle.metrics().lost), (0, 1), "in tube {tube}");
        if tube == "t" {
            // It is worked on in its turn.
            beginning.recv_blocking().unwrap();
            go.send_blocking(()).unwrap();
            eventually("the other job is done", || worker.handle.metrics().done == 1);
        } else {
            let stats = client.stats_job(1).unwrap();
            assert_eq!((stats.state, stats.reserves, stats.releases), (Some(JobState::Ready), Some(0), Some(0)));
        }
        worker.stop(LONG);
    }
}

pub(super) fn a_handle_does_not_take_back_a_job_put_since_with_an_equal_body<B: Binding>(stand: Stand) {
    for tube in ["elsewhere", "t"] {
        let mut replaced = Replaced::new(stand);
        let (address, mut second) = (replaced.proxy.address().to_string(), None);
        let result = B::with_job(&address, &mut || second = Some(replaced.replace(tube)), Use::Reclaim);
        let error = result.expect_err("it is another job").command_error();
        assert_eq!(error, Some(CommandError::NotFound), "in tube {tube}");
        let stats = second.unwrap().1.stats_job(1).unwrap();
        assert_eq!((stats.state, stats.reserves, stats.releases), (Some(JobState::Ready), Some(0), Some(0)));
    }
}

pub(super) fn a_handle_finishes_nothing_on_another_connection<B: Binding>(stand: Stand) {
    let mut replaced = Replaced::new(stand);
    let (address, mut second) = (replaced.proxy.address().to_string(), None);
    let mut meanwhile = || {
        second = Some(replaced.replace("t"));
        // Long enough to count as idle.
        thread::sleep(IDLE * 2);
    };
    let error = B::with_job(&address, &mut meanwhile, Use::Delete).expect_err("its connection is gone");
    assert!(matches!(error, Error::NotHeld { .. }) || error.is_fatal(), "{error}");
    assert_eq!(second.unwrap().1.stats_job(1).unwrap().state, Some(JobState::Ready));
}

pub(super) fn a_job_to_be_tried_later_has_not_failed_and_a_kick_grants_a_full_set_of_tries<B: Binding>(stand: Stand) {
    let server = stand.server();
    let runs = Arc::new(AtomicU64::new(0));
    let mut setup = Setup::new(&server.address());
    setup.concurrency = 2;
    setup.retry = RetryPolicy::default().first(Duration::ZERO).bury_after(NonZeroU32::new(3));
    let count = Arc::clone(&runs);
    setup.handler = Box::new(move |_| {
        match count.fetch_add(1, Ordering::Relaxed) {
            0..5 => Ending::Verdict(Verdict::RetryAfter(0.into())),
            _ => Ending::Error(Evil::Plain("no such thing")),
        }
        .into()
    });
    put(&server, "t");
    let worker = B::work(setup);
    let mut client = Client::connect(&server.address()).unwrap();
    for (buried, expected) in [(1, 5 + 3), (2, 5 + 3 + 3)] {
        eventually("it is buried", || worker.handle.metrics().buried == buried);
        assert_eq!(runs.load(Ordering::Relaxed), expected, "runs until it is buried for time {buried}");
        client.kick_job(1).unwrap();
    }
    worker.stop(LONG);
}

pub(super) fn a_handle_buries_no_job_whose_priority_is_not_known<B: Binding>() {
    let server = Answering::start(|line| match line.split(' ').next() {
        Some("reserve-with-timeout") => Some("RESERVED 7 1\r\nx\r\n".to_string()),
        Some("stats-job") => Some("OK 10\r\n---\nid: 7\n\r\n".to_string()),
        Some("bury") => Some("BURIED\r\n".to_string()),
        _ => obliging(line),
    });
    let error = B::with_job(&server.address, &mut || {}, Use::Bury).unwrap_err();
    assert_eq!(error.to_string(), "stats-job 7: there is no pri");
}

pub(super) fn a_job_is_finished_and_the_next_reserved_in_one_write<B: Binding>() {
    // It answers a delete only once it has read the reserve behind it.
    let reserves = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&reserves);
    let server = Answering::start(move |line| match line.split(' ').next() {
        Some("delete") => None,
        Some("reserve-with-timeout") => match seen.fetch_add(1, Ordering::Relaxed) {
            0 => Some("RESERVED 1 1\r\nx\r\n".to_string()),
            n @ 1..5 => Some(format!("DELETED\r\nRESERVED {} 1\r\nx\r\n", n + 1)),
            _ => None,
        },
        _ => obliging(line),
    });
    let worker = B::work(Setup::new(&server.address));
    eventually("the fifth is finished, with a reserve behind", || reserves.load(Ordering::Relaxed) == 6);
    let metrics = worker.stop(Duration::ZERO);
    assert_eq!((metrics.reserved, metrics.done, metrics.lost), (5, 4, 1), "the last delete is not answered");
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}
