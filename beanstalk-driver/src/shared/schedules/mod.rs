//! The lines and wakers of a shared client, in every order in which its threads can come by its locks, with at most so many preemptions.
//!
//! `.ci/run schedules` runs them: loom schedules what [`crate::sync`] offers, over a runtime, a clock and a server of [`model`]. A call that
//! nobody wakes is a deadlock, which loom reports.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

mod model;

use std::{
    sync::{Arc, atomic::AtomicUsize},
    task::{Context, Poll, Waker},
    time::Duration,
};

use loom::{
    model::Builder,
    sync::atomic::{AtomicBool, Ordering},
};

use self::model::{Model, block_on, move_elsewhere, spawn};
use super::SharedClient;
use crate::policy::{Backoff, SharedConfig};
use beanstalk_proto::{
    Error, Kick, Peek,
    client::{Config, Limits, Timeout},
};

type Client = SharedClient<Model>;

/// Who connects again does so at once, so that this takes no time of a run.
const AT_ONCE: Backoff = Backoff { first: Duration::ZERO, max: Duration::ZERO };
const STEP: Duration = Duration::from_millis(1);

/// Runs this in every order of its threads, with at most so many preemptions, and shows how many there were.
fn explore(preemptions: usize, course: impl Fn() + Sync + Send + 'static) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, course) = (Arc::clone(&count), Arc::new(course));
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let course = Arc::clone(&course);
        spawn(move || course()).join().expect("it ends");
    });
    println!("{name}: {} schedules with at most {preemptions} preemptions", count.load(Ordering::Relaxed));
}

/// A client that connects by itself, with room for so many requests at once.
fn client(runtime: &Model, room: usize) -> Client {
    let limits = Limits { in_flight: room, ..Limits::default() };
    let config = Config { limits, ..Config::default() };
    let shared = SharedConfig::default().reconnect(AT_ONCE);
    Client::on(runtime.clone(), "queue".parse().expect("an endpoint"), shared, config)
        .expect("options that can be used")
}

fn kick(client: &Client, number: u32) {
    assert_eq!(block_on(client.call_in("default", Kick::new(number))).expect("an answer"), u64::from(number));
}

fn peek(client: &Client, number: u64) {
    assert_eq!(block_on(client.call(Peek::new(number))).expect("an answer").id.0, number);
}

/// Lets time pass, whenever no other thread can go on, until that is over.
fn pass_time(runtime: &Model, by: Duration, is_over: impl Fn() -> bool) {
    while !is_over() {
        runtime.advance(by);
        loom::thread::yield_now();
    }
}

#[test]
fn each_of_two_calls_with_room_for_one_gets_its_own_reply() {
    explore(2, || {
        let first = client(&Model::default(), 1);
        let second = first.clone();
        let other = spawn(move || kick(&second, 2));
        kick(&first, 1);
        drop(first);
        other.join().expect("a call that ends");
    });
}

#[test]
fn a_call_that_is_dropped_in_line_lets_the_next_one_go() {
    explore(2, || {
        let first = client(&Model::default(), 1);
        let second = first.clone();
        let other = spawn(move || kick(&second, 3));
        let cx = &mut Context::from_waker(Waker::noop());
        {
            let mut sent = Box::pin(first.call_in("default", Kick::new(1)));
            let mut in_line = Box::pin(first.call_in("default", Kick::new(2)));
            let _polled: [Poll<_>; 2] = [sent.as_mut().poll(cx), in_line.as_mut().poll(cx)];
            // In that order: who is in line leaves it, and whoever was sent is abandoned.
            drop(in_line);
            drop(sent);
        }
        drop(first);
        other.join().expect("a call that ends");
    });
}

#[test]
fn a_call_with_a_time_of_its_own_ends_whether_or_not_it_is_answered() {
    explore(2, || {
        let runtime = Model::default();
        runtime.set_silent(true);
        let client = client(&runtime, 1).with_timeout(Timeout::After(Duration::from_secs(1)));
        let late = spawn(move || match block_on(client.call(Peek::new(7))) {
            Ok(job) => assert_eq!(job.id.0, 7),
            Err(Error::TimedOut { waited, .. }) => assert_eq!(waited, Duration::from_secs(1)),
            Err(error) => panic!("{error}"),
        });
        runtime.advance(Duration::from_secs(1));
        runtime.set_silent(false);
        late.join().expect("a call that ends");
    });
}

#[test]
fn calls_outlive_a_connection_that_breaks_at_any_moment() {
    explore(2, || {
        let runtime = Model::default();
        let client = client(&runtime, 1);
        let done = Arc::new(AtomicBool::new(false));
        let (is_done, caller) = (Arc::clone(&done), client.clone());
        let call = spawn(move || {
            peek(&caller, 1);
            is_done.store(true, Ordering::Release);
        });
        runtime.break_off();
        pass_time(&runtime, STEP, || done.load(Ordering::Acquire));
        call.join().expect("a call that ends");
        drop(client);
    });
}

#[test]
fn whoever_waits_for_the_end_of_a_client_is_woken() {
    explore(2, || {
        let client = client(&Model::default(), 1);
        let caller = client.clone();
        let call = spawn(move || match block_on(caller.call_in("default", Kick::new(1))) {
            Ok(kicked) => assert_eq!(kicked, 1),
            Err(error) => assert!(error.lost().is_some(), "{error}"),
        });
        block_on(client.disconnect());
        assert!(client.is_closed());
        call.join().expect("a call that ends");
    });
}

/// The task of the first runtime is in the midst of a poll when a call on another takes it for one that stands still.
#[test]
fn a_task_that_was_replaced_leaves_the_connection_of_its_successor_alone() {
    explore(2, || {
        let runtime = Model::default();
        let client = client(&runtime, 2);
        let caller = client.clone();
        peek(&client, 1);
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        let call = spawn(move || {
            move_elsewhere();
            peek(&caller, 2);
            is_done.store(true, Ordering::Release);
        });
        // Once: there is a thread left for one successor.
        runtime.advance(Duration::from_secs(1));
        pass_time(&runtime, STEP, || done.load(Ordering::Acquire));
        call.join().expect("a call that ends");
    });
}
