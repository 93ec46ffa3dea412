//! Looking after tubes.

use std::{future::poll_fn, ops::ControlFlow, pin::pin, task::Poll, time::Duration};

use beanstalk_driver::{
    ConnectOptions, Driver, Session, clear_tube, move_jobs,
    policy::{JobFilter, Queue, ScanOptions},
    scan, wait_until_empty,
};
use beanstalk_proto::{KickJob, ListTubeUsed};
use smol::future::zip;

use crate::daemon::Daemon;

use super::{Adapter, Stand, session};

async fn client<R: Adapter>(server: &Daemon) -> Driver<R::Transport> {
    let route = server.address().parse().unwrap();
    R::default().connect(&route, &ConnectOptions::default()).await.unwrap()
}

/// Three jobs that are ready, two that are delayed, and one that is buried.
async fn fill<R: Adapter>(session: &mut Session<R>) {
    session.use_tube("t").await.unwrap();
    session.watch("t").await.unwrap();
    session.put(5, 0, 60, "buried").await.unwrap().inserted().unwrap();
    session.next_job(0).await.unwrap().unwrap().job().unwrap().bury().await.unwrap();
    for n in 0..3 {
        session.put(6, 0, 60, format!("ready {n}")).await.unwrap().inserted().unwrap();
    }
    for n in 0..2 {
        session.put(7, 3600, 60, format!("delayed {n}")).await.unwrap().inserted().unwrap();
    }
}

async fn counts<R: Adapter>(session: &mut Session<R>, tube: &str) -> [u64; 3] {
    let stats = session.stats_tube(tube).await.unwrap();
    [stats.current_jobs_ready, stats.current_jobs_delayed, stats.current_jobs_buried].map(Option::unwrap)
}

pub(super) async fn a_tube_is_cleared_by_state<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let (mut session, mut client) = (session::<R>(&server).await, client::<R>(&server).await);
    fill(&mut session).await;
    assert_eq!(clear_tube(&mut client, "t", &[Queue::Delayed]).await.unwrap(), 2);
    assert_eq!(counts(&mut session, "t").await, [3, 0, 1]);
    assert_eq!(clear_tube(&mut client, "t", &Queue::ALL).await.unwrap(), 4);
    assert_eq!(counts(&mut session, "t").await, [0, 0, 0]);
    assert_eq!(client.call(ListTubeUsed::new()).await.unwrap(), "default");
}

pub(super) async fn jobs_move_between_servers_with_progress<R: Adapter>(stand: Stand) {
    let (one, other) = (stand.server(), stand.server());
    let (mut from, mut to) = (client::<R>(&one).await, client::<R>(&other).await);
    let (mut old, mut new) = (session::<R>(&one).await, session::<R>(&other).await);
    fill(&mut old).await;
    new.watch("u").await.unwrap();
    let mut progress = Vec::new();
    let jobs = JobFilter::new(&Queue::ALL).on_progress(|so_far| {
        progress.push(so_far.done);
        ControlFlow::Continue(())
    });
    let moved = move_jobs(&mut from, "t", &mut to, "u", jobs).await.unwrap();
    assert_eq!((moved, progress.last()), (6, Some(&6)));
    assert!(progress.is_sorted());
    assert_eq!(counts(&mut old, "t").await, [0, 0, 0]);
    assert_eq!(counts(&mut new, "u").await, [3, 2, 1]);
}

pub(super) async fn an_empty_tube_is_awaited<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let (mut session, mut client) = (session::<R>(&server).await, client::<R>(&server).await);
    assert!(wait_until_empty(&mut client, "nowhere", None).await.unwrap());
    session.put(1, 0, 60, "x").await.unwrap().inserted().unwrap();
    let soon = Some(Duration::from_millis(50));
    assert!(!wait_until_empty(&mut client, "default", soon).await.unwrap());
    let work = async {
        let job = session.next_job(0).await.unwrap().unwrap().job().unwrap();
        R::pause(Duration::from_millis(50)).await;
        job.delete().await.unwrap();
    };
    let (empty, ()) = zip(wait_until_empty(&mut client, "default", None), work).await;
    assert!(empty.unwrap());
    // What is held or delayed is to be done; what is buried is not, until it is kicked.
    let id = session.put(1, 0, 60, "x").await.unwrap().id();
    let job = session.next_job(0).await.unwrap().unwrap().job().unwrap();
    assert!(!wait_until_empty(&mut client, "default", soon).await.unwrap());
    job.bury().await.unwrap();
    assert!(wait_until_empty(&mut client, "default", None).await.unwrap());
    session.call(KickJob::new(id)).await.unwrap();
    session.next_job(0).await.unwrap().unwrap().job().unwrap().delete().await.unwrap();
    session.put(1, 3600, 60, "x").await.unwrap().inserted().unwrap();
    assert!(!wait_until_empty(&mut client, "default", soon).await.unwrap());
}

/// How often is tried what depends on when replies come.
const ROUNDS: usize = 200;

/// Polls a future so many times, and drops it. `None` if it was not ready by then.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), times);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// The bodies of all jobs of a server that holds few.
async fn bodies<R: Adapter>(session: &mut Session<R>) -> Vec<String> {
    let mut bodies = Vec::new();
    for id in 1..=100_u64 {
        bodies.extend(session.peek(id).await.ok().map(|job| job.text().unwrap().to_string()));
    }
    bodies.sort_unstable();
    bodies
}

pub(super) async fn a_move_that_is_dropped_anywhere_loses_nothing<R: Adapter>(stand: Stand) {
    // Replies may be here at each look, and then little is dropped: again, until enough was.
    let (mut times, mut dropped) = (0, 0);
    for _ in 0..ROUNDS {
        times += 1;
        let (one, other) = (stand.server(), stand.server());
        let (mut from, mut to) = (client::<R>(&one).await, client::<R>(&other).await);
        let (mut old, mut new) = (session::<R>(&one).await, session::<R>(&other).await);
        fill(&mut old).await;
        let before = bodies(&mut old).await;
        let moved = polled(move_jobs(&mut from, "t", &mut to, "u", &Queue::ALL), times).await;
        // What was abandoned is finished by the next call, and what is in flight then is known.
        to.call(ListTubeUsed::new()).await.unwrap();
        from.call(ListTubeUsed::new()).await.unwrap();
        let (left, there) = (bodies(&mut old).await, bodies(&mut new).await);
        let mut all = [left, there.clone()].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all, before, "after {times} polls");
        if let Some(moved) = moved {
            assert_eq!((moved.unwrap(), there), (6, before));
            if dropped > 3 {
                return;
            }
            times = 0;
            continue;
        }
        dropped += 1;
        // Once the connection ends what it held is ready, and the rest moves.
        drop(from);
        let mut from = client::<R>(&one).await;
        while old.stats_tube("t").await.is_ok_and(|stats| stats.current_jobs_reserved != Some(0)) {
            R::pause(Duration::from_millis(1)).await;
        }
        move_jobs(&mut from, "t", &mut to, "u", &Queue::ALL).await.unwrap();
        let mut there = bodies(&mut new).await;
        there.dedup();
        assert_eq!(there, before, "moved on after {times} polls");
    }
    panic!("it was dropped only {dropped} times");
}

pub(super) async fn a_clear_that_is_dropped_anywhere_can_be_repeated<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let mut session = session::<R>(&server).await;
    let (mut times, mut dropped) = (0, 0);
    for _ in 0..ROUNDS {
        times += 1;
        let mut client = client::<R>(&server).await;
        fill(&mut session).await;
        let cleared = polled(clear_tube(&mut client, "t", &Queue::ALL), times).await;
        if let Some(cleared) = cleared {
            assert_eq!((cleared.unwrap(), counts(&mut session, "t").await), (6, [0, 0, 0]));
            if dropped > 2 {
                return;
            }
            times = 0;
            continue;
        }
        dropped += 1;
        // On the same connection, with replies that nobody waits for ahead.
        clear_tube(&mut client, "t", &Queue::ALL).await.unwrap();
        assert_eq!(counts(&mut session, "t").await, [0, 0, 0]);
    }
    panic!("it was dropped only {dropped} times");
}

pub(super) async fn a_scan_goes_on_whenever_next_was_dropped<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let (mut session, mut client) = (session::<R>(&server).await, client::<R>(&server).await);
    fill(&mut session).await;
    // A reply may be here at the first look, and then nothing is dropped: again, until something was.
    for _ in 0..ROUNDS {
        let mut jobs = scan(&mut client, ScanOptions::new().window(1)).await.unwrap();
        let (mut ids, mut dropped) = (Vec::new(), 0);
        loop {
            match polled(jobs.next(), 1).await {
                Some(None) => break,
                Some(Some(job)) => ids.push(job.unwrap().id.0),
                None => {
                    dropped += 1;
                    // Lets the runtime look at its sockets.
                    R::pause(Duration::from_millis(1)).await;
                }
            }
        }
        assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
        if dropped > 0 {
            return;
        }
    }
    panic!("nothing was ever dropped");
}
