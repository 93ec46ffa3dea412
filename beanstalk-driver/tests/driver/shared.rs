//! Many tasks on one connection: who gets which reply, which tube, and which error.

use std::{future::Future, pin::Pin, pin::pin, time::Duration};

use beanstalk_proto::{
    ArgumentError, CommandError, DecodeError, Encoder, Error, Expect, Job, JobId, Kick, Kind, Lost, Peek, PeekReady,
    Put, PutOutcome, Quit, Raw, Reply, Request, Reserve, ReserveJob, Stats, Use, Wait,
    client::{Config, Limits},
};

use crate::{
    client::commands,
    executor::{cut_after, settle},
    virtual_runtime::Virtual,
    wire::Wire,
};

type Shared = beanstalk_driver::SharedClient<Virtual>;
type SharedDriver = beanstalk_driver::SharedDriver<Virtual, Wire>;

type Call<'c, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'c>>;

fn shared(wire: &Wire) -> (Shared, SharedDriver) {
    shared_with(wire, Config::default())
}

fn shared_with(wire: &Wire, config: Config) -> (Shared, SharedDriver) {
    Shared::over(Virtual::by(wire), config, wire.clone())
}

fn limited(limits: Limits) -> Config {
    Config { limits, reply_timeout: Some(Duration::from_secs(1)), ..Config::default() }
}

/// Starts calls in order, none of which is done at once.
fn started<'c, T>(calls: impl IntoIterator<Item = Call<'c, T>>) -> Vec<Call<'c, T>> {
    let mut calls: Vec<_> = calls.into_iter().collect();
    for call in &mut calls {
        assert!(settle(call.as_mut()).is_none());
    }
    calls
}

/// Lets the driver do what it can; it has no reason to end.
fn drive(driver: &mut SharedDriver) {
    assert!(settle(pin!(driver)).is_none());
}

fn put_in<'c>(client: &'c Shared, tube: &'c str, body: &'c str) -> Call<'c, PutOutcome> {
    Box::pin(client.call_in(tube, Put::of(body)))
}

#[test]
fn concurrent_calls_go_out_in_one_write_and_each_gets_its_own_reply() {
    let wire = Wire::new();
    let (client, mut driver) = shared(&wire);
    let calls = started((0..100).map(|id| -> Call<'_, Job> { Box::pin(client.call(Peek::new(id))) }));
    drive(&mut driver);
    assert_eq!(wire.world().writes, 1);
    for (id, mut call) in (0..100_u32).zip(calls).rev() {
        assert_eq!(settle(call.as_mut()).unwrap().unwrap().id, JobId(id.into()));
    }
}

#[test]
fn use_is_sent_only_where_the_tube_differs() {
    let wire = Wire::new();
    let (client, mut driver) = shared(&wire);
    let calls = started(["default", "a", "a", "b", "a"].map(|tube| put_in(&client, tube, "x")));
    drive(&mut driver);
    for mut call in calls {
        settle(call.as_mut()).unwrap().unwrap().inserted().unwrap();
    }
    assert_eq!(commands(&wire), ["put", "use a", "put", "put", "use b", "put", "use a", "put"]);
}

#[test]
fn a_refused_use_fails_each_call_behind_it_with_the_tube_it_ran_in() {
    let wire = Wire::new();
    wire.world().script = vec![
        (Kind::Use, Reply::Using("a".parse().unwrap())),
        (Kind::Use, Reply::OutOfMemory),
        (Kind::Put, Reply::Inserted(JobId(1))),
        (Kind::Put, Reply::Inserted(JobId(2))),
        (Kind::Put, Reply::Inserted(JobId(3))),
        (Kind::Put, Reply::Draining),
    ];
    let (client, mut driver) = shared(&wire);
    let calls = started(["a", "b", "b", "b"].map(|tube| put_in(&client, tube, "x")));
    drive(&mut driver);
    let mut results = calls.into_iter().map(|mut call| settle(call.as_mut()).unwrap());
    assert_eq!(results.next().unwrap().unwrap().id(), JobId(1));
    for expected in [Reply::Inserted(JobId(2)), Reply::Inserted(JobId(3)), Reply::Draining] {
        let Err(Error::UseRefused { tube, error, ran_in, reply }) = results.next().unwrap() else { panic!("not told") };
        assert_eq!((tube.as_str(), ran_in.as_str(), error), ("b", "a", CommandError::OutOfMemory));
        assert_eq!(*reply, expected);
    }
    // The tube in use counts as unknown: even the one that is in use is asked for again.
    wire.world().commands.clear();
    let mut call = started([put_in(&client, "a", "x")]).remove(0);
    drive(&mut driver);
    settle(call.as_mut()).unwrap().unwrap().inserted().unwrap();
    assert_eq!(commands(&wire), ["use a", "put"]);
}

#[test]
fn a_use_whose_answer_is_late_leaves_nobody_in_another_tube() {
    let wire = Wire::new();
    wire.world().script = vec![(Kind::Use, Reply::OutOfMemory)];
    let (client, mut driver) = shared_with(&wire, limited(Limits::default()));
    wire.world().silent = true;
    let mut first = started([put_in(&client, "b", "x")]).remove(0);
    drive(&mut driver);
    wire.advance(Duration::from_millis(500));
    let mut second = started([put_in(&client, "b", "y")]).remove(0);
    drive(&mut driver);
    wire.advance(Duration::from_millis(500));
    let end = settle(pin!(&mut driver)).expect("the end of the driver").expect_err("an error");
    assert_eq!(end.to_string(), "use b: no reply in 1s; the request may have run");
    assert!(matches!(settle(first.as_mut()), Some(Err(Error::TimedOut { command: "put", .. }))));
    wire.speak();
    assert!(matches!(settle(second.as_mut()), Some(Err(Error::Closed { lost: Lost::Unknown }))));
}

#[test]
fn nor_does_one_whose_answer_comes_too_late_while_the_client_is_disconnected() {
    for reads in 0..6 {
        let wire = Wire::new();
        wire.world().script = vec![(Kind::Use, Reply::OutOfMemory)];
        let (client, mut driver) = shared_with(&wire, limited(Limits::default()));
        wire.world().silent = true;
        let _first = started([put_in(&client, "b", "x")]);
        drive(&mut driver);
        wire.advance(Duration::from_millis(500));
        let mut second = started([put_in(&client, "b", "y")]).remove(0);
        drive(&mut driver);
        let mut end = pin!(client.disconnect());
        assert!(settle(end.as_mut()).is_none());
        drive(&mut driver);
        // It becomes late, and then all is answered at once, in the same turn or not.
        wire.world().silent_reads = Some(reads);
        wire.advance(Duration::from_millis(500));
        let _ended = settle(pin!(&mut driver));
        let result = settle(second.as_mut()).expect("the end of the call");
        assert!(matches!(result, Err(Error::UseRefused { .. } | Error::Closed { .. })), "{reads}: {result:?}");
    }
}

#[test]
fn a_put_that_is_dropped_changes_nobody_elses_tube() {
    for polls in 0..60 {
        let wire = Wire::yielding();
        let (client, mut driver) = shared(&wire);
        {
            let mut dropped = put_in(&client, "a", "x");
            for _ in 0..polls {
                // A step of each at a time.
                if cut_after(1, dropped.as_mut()).is_some() {
                    break;
                }
                cut_after(1, &mut driver);
            }
        }
        let calls = started(["b", "a"].map(|tube| put_in(&client, tube, "x")));
        drive(&mut driver);
        for mut call in calls {
            settle(call.as_mut()).unwrap().unwrap().inserted().unwrap();
        }
        let commands = commands(&wire);
        assert!(commands.ends_with(&["use b", "put", "use a", "put"].map(String::from)), "{polls}: {commands:?}");
    }
}

/// A command of a server's own, which waits.
#[derive(Clone)]
struct Waits;

impl Request for Waits {
    type Reply = ();

    fn expect(&self) -> Expect {
        Expect::new("wait", Expect::of(Kind::Delete).replies).wait(Wait::Forever)
    }

    fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
        encoder.word("wait").map(drop)
    }

    fn decode(_: Reply) -> Result<(), DecodeError> {
        Ok(())
    }
}

#[test]
fn what_waits_or_is_about_the_connections_tubes_is_refused_with_what_to_call_instead() {
    let wire = Wire::new();
    let (client, _driver) = shared(&wire);
    fn refused<T>(call: impl Future<Output = Result<T, Error>>, instead: &str) {
        let result = settle(pin!(call)).expect("it waits").map(drop);
        let error = result.expect_err("it was sent");
        assert!(matches!(error, Error::Argument(ArgumentError::NotShareable { .. })), "{error}");
        assert!(error.to_string().contains(instead), "{error}");
    }
    refused(client.call(Put::of("a")), "`put_in`");
    refused(client.call(PeekReady::new()), "`peek_ready_in`");
    refused(client.call(Kick::new(1u32)), "`kick_in`");
    refused(client.call(Use::new("a")), "ending in `_in`");
    refused(client.call(Quit::new()), "last handle");
    refused(client.call(Reserve::new()), "`Session`");
    refused(client.call_in("a", Reserve::new()), "`Session`");
    refused(client.call(Waits), "`Session`");
    refused(client.call(Raw::new("watch a")), "`Session`");
    assert_eq!(wire.world().writes, 0);
}

#[test]
fn a_full_connection_lets_calls_in_as_others_leave_first_come_first_served() {
    let wire = Wire::new();
    let (client, mut driver) = shared_with(&wire, limited(Limits { in_flight: 2, ..Limits::default() }));
    let mut calls = started((0..5).map(|id| -> Call<'_, Job> { Box::pin(client.call(Peek::new(id))) }));
    drive(&mut driver);
    assert_eq!(wire.count(Kind::Peek), 2);
    assert_eq!(settle(calls[0].as_mut()).unwrap().unwrap().id, JobId(0));
    // There is room for one, but the last does not get past those before it.
    assert!(settle(calls[4].as_mut()).is_none());
    drive(&mut driver);
    assert_eq!(wire.count(Kind::Peek), 2);
    // One that goes away leaves its place to the next.
    drop(calls.remove(2));
    assert!(settle(calls[2].as_mut()).is_none());
    drive(&mut driver);
    assert_eq!(settle(calls[2].as_mut()).unwrap().unwrap().id, JobId(3));
    assert_eq!(settle(calls[1].as_mut()).unwrap().unwrap().id, JobId(1));
    assert!(settle(calls[3].as_mut()).is_none());
    drive(&mut driver);
    assert_eq!(settle(calls[3].as_mut()).unwrap().unwrap().id, JobId(4));
    assert_eq!(wire.count(Kind::Peek), 4);
}

#[test]
fn bytes_are_bounded_too_and_one_request_over_the_bound_is_let_pass() {
    let wire = Wire::new();
    wire.world().capacity = 0;
    let (client, mut driver) = shared_with(&wire, limited(Limits { queued: 100, ..Limits::default() }));
    let body = "x".repeat(1000);
    let mut calls = started([put_in(&client, "default", &body), put_in(&client, "default", &body)]);
    drive(&mut driver);
    wire.world().capacity = 10_000;
    drive(&mut driver);
    settle(calls[0].as_mut()).unwrap().unwrap().inserted().unwrap();
    assert_eq!(wire.count(Kind::Put), 1);
    assert!(settle(calls[1].as_mut()).is_none());
    drive(&mut driver);
    settle(calls[1].as_mut()).unwrap().unwrap().inserted().unwrap();
}

#[test]
fn a_driver_that_is_dropped_fails_every_call_and_each_reports_whether_it_can_have_run() {
    let wire = Wire::new();
    wire.world().silent = true;
    wire.world().capacity = 15;
    let (client, mut driver) = shared_with(&wire, limited(Limits { in_flight: 3, ..Limits::default() }));
    let calls = started((0..5).map(|id| -> Call<'_, Job> { Box::pin(client.call(Peek::new(id))) }));
    drive(&mut driver);
    drop(driver);
    let lost: Vec<_> = calls
        .into_iter()
        .map(|mut call| match settle(call.as_mut()) {
            Some(Err(Error::Closed { lost })) => lost,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((lost[0], lost[3], lost[4]), (Lost::Unknown, Lost::NotSent, Lost::NotSent));
    assert!(matches!(settle(pin!(client.call(Stats::new()))), Some(Err(Error::Closed { lost: Lost::NotSent }))));
}

#[test]
fn a_lost_connection_fails_every_call_and_the_driver_returns_why() {
    let wire = Wire::new();
    wire.world().silent = true;
    let (client, mut driver) = shared(&wire);
    let mut calls = started([put_in(&client, "a", "x"), put_in(&client, "b", "x")]);
    drive(&mut driver);
    wire.world().read_fails = true;
    assert!(matches!(settle(pin!(&mut driver)), Some(Err(Error::Io { .. }))));
    for call in &mut calls {
        assert!(matches!(settle(call.as_mut()), Some(Err(Error::Closed { lost: Lost::Unknown }))));
    }

    let wire = Wire::new();
    let (client, mut driver) = shared(&wire);
    wire.world().script = vec![(Kind::Put, Reply::Deleted)];
    let mut call = started([put_in(&client, "default", "x")]).remove(0);
    assert!(matches!(settle(pin!(&mut driver)), Some(Err(Error::Protocol { .. }))));
    assert!(matches!(settle(call.as_mut()), Some(Err(Error::Protocol { .. }))));
}

#[test]
fn late_replies_and_late_turns_time_out_and_the_connection_stays_in_sync() {
    let wire = Wire::new();
    wire.world().silent = true;
    let (client, mut driver) = shared_with(&wire, limited(Limits { in_flight: 1, ..Limits::default() }));
    let mut calls = started((0..2).map(|id| -> Call<'_, Job> { Box::pin(client.call(Peek::new(id))) }));
    drive(&mut driver);
    wire.advance(Duration::from_millis(999));
    drive(&mut driver);
    assert!(settle(calls[0].as_mut()).is_none(), "too early");
    wire.advance(Duration::from_millis(1));
    drive(&mut driver);
    assert!(matches!(settle(calls[0].as_mut()), Some(Err(Error::TimedOut { lost: Lost::Unknown, .. }))));
    assert!(matches!(settle(calls[1].as_mut()), Some(Err(Error::TimedOut { lost: Lost::NotSent, .. }))));
    calls.clear();
    wire.speak();
    drive(&mut driver);
    let mut call = started([Box::pin(client.call(Peek::new(7))) as Call<'_, Job>]).remove(0);
    drive(&mut driver);
    assert_eq!(settle(call.as_mut()).unwrap().unwrap().id, JobId(7));
}

#[test]
fn when_the_last_client_is_gone_the_connection_ends_in_order() {
    let wire = Wire::new();
    let (client, mut driver) = shared(&wire);
    let other = client.clone();
    drop(client);
    drive(&mut driver);
    drop(other);
    assert!(matches!(settle(pin!(&mut driver)), Some(Ok(()))));
    assert!(wire.world().closed, "the server has read the quit");
}

#[test]
fn a_job_that_a_dropped_call_reserved_is_listed() {
    let wire = Wire::new();
    let (client, mut driver) = shared(&wire);
    drop(started([Box::pin(client.call(ReserveJob::new(4))) as Call<'_, Job>]));
    drive(&mut driver);
    assert_eq!(client.take_orphaned()[0].id, JobId(4));
}
