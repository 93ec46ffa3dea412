//! A client that one task has to itself, and that connects again: in virtual time.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use beanstalk_driver::{
    NextJob,
    policy::{Event, SessionConfig},
};
use beanstalk_proto::{
    Error, JobId, Kind, Lost, Peek, Raw, Reply,
    client::{Config, Limits},
};

use crate::{
    client::{DELAY, commands, lines},
    executor::{run, settle},
    virtual_runtime::Virtual,
    wire::Wire,
};

pub(crate) type Session = beanstalk_driver::Session<Virtual>;

/// A session on its first connection.
pub(crate) fn connected(runtime: &Virtual) -> (Session, Wire) {
    connected_with(runtime, Config::default())
}

fn connected_with(runtime: &Virtual, config: Config) -> (Session, Wire) {
    let wire = runtime.offer();
    let session = runtime.by_default(|| run(Session::connect_with("queue", config))).unwrap();
    (session, wire)
}

/// The server goes away; after a while in which nothing is called, that is noticed by the next call.
pub(crate) fn goes_away(runtime: &Virtual, wire: &Wire) {
    wire.hang_up();
    runtime.advance(Duration::from_secs(1));
}

/// Runs a call that waits for no more than the delay before a connection is made anew.
pub(crate) fn after_the_delay<T>(runtime: &Virtual, call: impl Future<Output = T>) -> T {
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
fn tubes_are_restored_as_they_were_selected_and_what_was_dropped_is_undone() {
    let runtime = Virtual::default();
    let (mut session, wire) = connected(&runtime);
    run(session.use_tube("a")).unwrap();
    run(session.watch("b")).unwrap();
    let dropped =
        [("watch c", "ignore c"), ("ignore b", "watch b"), ("watch b", ""), ("ignore c", ""), ("use c", "use a")];
    for (selection, undone) in dropped {
        wire.world().silent = true;
        assert!(settle(pin!(session.call(Raw::new(selection)))).is_none());
        wire.world().commands.clear();
        wire.speak();
        run(session.delete(1)).unwrap();
        let expected: Vec<_> = [undone, "delete 1"].into_iter().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines(&wire), expected, "after {selection}");
    }
    goes_away(&runtime, &wire);
    let next = runtime.offer();
    after_the_delay(&runtime, session.peek(1)).unwrap();
    assert_eq!(commands(&next), ["use a", "watch", "peek"]);
}

#[test]
fn a_listener_hears_what_happens_to_the_connection() {
    let runtime = Virtual::default();
    let (session, wire) = connected(&runtime);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&heard);
    let mut session = session.on_event(move |event| events.lock().unwrap().push(event.clone()));
    assert!(session.is_connected());
    wire.hang_up();
    assert!(session.is_closed() && !session.is_connected());
    let heard = heard.lock().unwrap();
    assert!(
        matches!(heard[..], [Event::Connected, Event::Restored, Event::Lost { .. }, Event::Retrying { .. }]),
        "{heard:?}"
    );
}

#[test]
fn a_deadline_is_no_end_of_jobs_and_the_next_reserve_comes_after_a_pause() {
    let runtime = Virtual::default();
    runtime.advance(Duration::from_secs(3600));
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
