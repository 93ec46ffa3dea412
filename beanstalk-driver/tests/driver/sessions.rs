//! A client that one task has to itself, and that connects again: in virtual time.

use std::{pin::pin, time::Duration};

use beanstalk_driver::{NextJob, policy::SessionConfig};
use beanstalk_proto::{
    Command, Error, JobId, Kind, Lost, Peek, Priority, Reply,
    client::{Config, Limits},
};

use crate::{
    client::{DELAY, commands},
    executor::{run, settle},
    virtual_runtime::Virtual,
    wire::Wire,
};

type Session = beanstalk_driver::Session<Virtual>;

/// A session on its first connection.
fn connected(runtime: &Virtual) -> (Session, Wire) {
    connected_with(runtime, Config::default())
}

fn connected_with(runtime: &Virtual, config: Config) -> (Session, Wire) {
    let wire = runtime.offer();
    let session = runtime.by_default(|| run(Session::connect_with("queue", config))).unwrap();
    (session, wire)
}

/// The server goes away; after a while in which nothing is called, that is noticed by the next call.
fn goes_away(runtime: &Virtual, wire: &Wire) {
    wire.hang_up();
    runtime.advance(Duration::from_secs(1));
}

/// Runs a call that waits for no more than the delay before a connection is made anew.
fn after_the_delay<T>(runtime: &Virtual, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    settle(call.as_mut()).unwrap_or_else(|| {
        runtime.advance(DELAY);
        settle(call).expect("it waits for something else")
    })
}

#[test]
fn what_comes_after_a_pause_is_not_sent_on_a_connection_that_has_ended() {
    let runtime = Virtual::default();
    let (mut session, wire) = connected(&runtime);
    for _ in 0..2 {
        runtime.advance(Duration::from_secs(1));
        run(session.delete(1)).unwrap();
    }
    assert_eq!(runtime.attempts(), 1, "nothing was wrong with it");
    goes_away(&runtime, &wire);
    let next = runtime.offer();
    after_the_delay(&runtime, session.delete(2)).unwrap();
    assert_eq!((wire.count(Kind::Delete), next.count(Kind::Delete)), (2, 1));
}

#[test]
fn tubes_are_restored_and_a_selection_that_was_dropped_is_undone() {
    let runtime = Virtual::default();
    let (mut session, wire) = connected(&runtime);
    run(session.use_tube("a")).unwrap();
    run(session.watch("b")).unwrap();
    wire.world().silent = true;
    assert!(settle(pin!(session.watch("c"))).is_none());
    wire.speak();
    run(session.delete(1)).unwrap();
    assert_eq!(commands(&wire)[2..], ["watch", "ignore", "delete"]);
    goes_away(&runtime, &wire);
    let next = runtime.offer();
    after_the_delay(&runtime, session.peek(1)).unwrap();
    assert_eq!(commands(&next), ["use a", "watch", "peek"]);
}

#[test]
fn a_deadline_is_no_end_of_jobs_and_the_next_reserve_comes_after_a_pause() {
    let runtime = Virtual::default();
    let (mut session, wire) = connected(&runtime);
    wire.world().script = vec![(Kind::ReserveWithTimeout, Reply::DeadlineSoon)];
    assert!(matches!(run(session.next_job(0)), Ok(Some(NextJob::DeadlineSoon))));
    {
        let mut next = pin!(session.next_job(0));
        assert!(settle(next.as_mut()).is_none());
        assert_eq!(wire.count(Kind::ReserveWithTimeout), 1);
        runtime.advance(Duration::from_millis(100));
        assert!(matches!(settle(next), Some(Ok(None))));
    }
    wire.offer(7);
    let job = run(session.next_job(0)).unwrap().and_then(NextJob::job).expect("a job");
    assert_eq!(job.id, JobId(7));
}

#[test]
fn a_job_is_held_until_its_connection_is_gone_and_no_verdict_is_sent_after_that() {
    let runtime = Virtual::default();
    let (mut session, wire) = connected(&runtime);
    let stats = "---\nid: 7\npri: 12\n";
    wire.world().script = vec![(Kind::StatsJob, Reply::Ok(stats.into()))];
    wire.offer(7);
    let job = run(session.next_job(0)).unwrap().and_then(NextJob::job).expect("a job");
    assert!(job.is_held());
    run(job.release(3)).unwrap().released().unwrap();
    let release = Command::Release { id: JobId(7), priority: Priority(12), delay: 3 };
    assert_eq!(wire.world().commands.last(), Some(&release), "with its own priority");

    wire.offer(8);
    let mut job = run(session.next_job(0)).unwrap().and_then(NextJob::job).expect("a job");
    goes_away(&runtime, &wire);
    let next = runtime.offer();
    after_the_delay(&runtime, job.session().peek(1)).unwrap();
    assert!(!job.is_held());
    assert!(matches!(run(job.delete()), Err(Error::NotHeld { id: JobId(8) })));
    assert_eq!(commands(&next), ["peek"]);
}

#[test]
fn the_claim_to_a_reply_is_good_for_the_connection_of_its_request() {
    let runtime = Virtual::default();
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let (mut session, wire) = connected_with(&runtime, Config { limits, ..Config::default() });
    let sent = run(session.send(Peek::new(1))).unwrap();
    assert_eq!(run(session.reply(sent)).unwrap().id, JobId(1));
    let sent = run(session.send(Peek::new(2))).unwrap();
    session.abandon(sent);
    let sent = run(session.send(Peek::new(3))).expect("its room is free");
    wire.hang_up();
    assert!(session.is_closed());
    assert!(matches!(run(session.reply(sent)), Err(Error::Closed { lost: Lost::Unknown })));
    runtime.offer();
    let sent = after_the_delay(&runtime, session.send(Peek::new(4))).unwrap();
    assert_eq!(run(session.reply(sent)).unwrap().id, JobId(4));
}

#[test]
fn without_reconnecting_a_call_is_not_repeated() {
    let runtime = Virtual::default();
    let wire = runtime.offer();
    let once = SessionConfig::default().reconnect(None);
    let mut session = runtime.by_default(|| Session::new("queue", once, Config::default())).unwrap();
    run(session.peek(1)).unwrap();
    goes_away(&runtime, &wire);
    assert!(matches!(run(session.peek(2)), Err(Error::Closed { .. })));
    assert!(session.is_closed() && run(session.peek(3)).is_err());
    assert_eq!(runtime.attempts(), 1);
}
