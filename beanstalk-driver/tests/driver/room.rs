//! What there is room for on a connection, and who gives up the room that it has.

use std::pin::pin;

use beanstalk_driver::{Driver, ExportReader, import, policy::ScanOptions, scan};
use beanstalk_proto::{
    CommandError, Delete, Error, Full, JobId, Kind, Peek, Priority, Put, Stats,
    client::{Config, Limits},
};

use crate::{
    executor::{cut_after, run, settle},
    wire::Wire,
};

fn limited(wire: &Wire, limits: Limits) -> Driver<Wire> {
    wire.driver_with(Config { limits, ..Config::default() })
}

fn in_flight(wire: &Wire, in_flight: usize) -> Driver<Wire> {
    limited(wire, Limits { in_flight, ..Limits::default() })
}

#[test]
fn there_is_room_until_the_limit_is_reached() {
    let wire = Wire::new();
    let mut driver = in_flight(&wire, 2);
    let mut room = Vec::new();
    for id in 0..2 {
        room.push(driver.has_room(&Peek::new(id)));
        let _unclaimed = run(driver.send(Peek::new(id))).unwrap();
    }
    room.push(driver.has_room(&Peek::new(2)));
    assert_eq!(room, [true, true, false]);
}

#[test]
fn a_limit_of_nothing_lets_nothing_pass() {
    let wire = Wire::new();
    let refused = run(in_flight(&wire, 0).call(Peek::new(1)));
    assert!(matches!(refused, Err(Error::Full(Full::InFlight { limit: 0 }))), "{refused:?}");
    let mut driver = limited(&wire, Limits { queued: 0, ..Limits::default() });
    let refused = run(driver.call_all([Peek::new(1)].into_iter()).next()).unwrap();
    assert!(matches!(refused, Err(Error::Full(Full::Queued { bytes: 0, limit: 0 }))), "{refused:?}");
}

#[test]
fn a_pipeline_waits_for_the_room_that_dropped_calls_take() {
    let wire = Wire::new();
    wire.world().silent = true;
    let mut driver = in_flight(&wire, 3);
    for _ in 0..3 {
        assert!(cut_after(1, driver.call(Stats::new())).is_none());
    }
    let mut all = driver.call_all((8..10).map(Peek::new));
    {
        let mut first = pin!(all.next());
        assert!(settle(first.as_mut()).is_none());
        wire.speak();
        assert_eq!(settle(first.as_mut()).flatten().unwrap().unwrap().id, JobId(8));
    }
    assert_eq!(run(all.next()).unwrap().unwrap().id, JobId(9));
}

#[test]
fn a_pipeline_that_is_dropped_gives_up_its_room() {
    let wire = Wire::new();
    wire.world().silent = true;
    let mut driver = in_flight(&wire, 2);
    assert!(cut_after(1, driver.call_all((0..5).map(Peek::new)).next()).is_none());
    let mut call = pin!(driver.call(Peek::new(8)));
    assert!(settle(call.as_mut()).is_none());
    wire.speak();
    assert_eq!(settle(call).unwrap().unwrap().id, JobId(8));
}

#[test]
fn a_ticket_that_is_given_back_gives_up_its_room() {
    type GiveBack = fn(&mut Driver<Wire>, beanstalk_proto::client::Ticket<beanstalk_proto::Job>);
    let ways: [GiveBack; 2] = [|driver, ticket| driver.abandon(ticket), |driver, ticket| drop(driver.reply(ticket))];
    for give_back in ways {
        let wire = Wire::new();
        let mut driver = in_flight(&wire, 1);
        let ticket = run(driver.send(Peek::new(1))).unwrap();
        give_back(&mut driver, ticket);
        assert_eq!(run(driver.call(Peek::new(2))).unwrap().id, JobId(2));
    }
}

#[test]
fn what_is_queued_does_not_part_two_requests() {
    let wire = Wire::new();
    let mut driver = limited(&wire, Limits { queued: b"delete 7\r\n".len(), ..Limits::default() });
    let (first, second) = run(driver.call_both(Delete::new(7), Delete::new(8))).unwrap();
    assert!(first.is_ok() && second.is_ok(), "{second:?}");
    assert_eq!((wire.count(Kind::Delete), wire.world().writes), (2, 1));
}

#[test]
fn a_call_waits_for_the_rest_of_a_body_that_was_refused_early() {
    let wire = Wire::yielding();
    wire.world().silent = true;
    let mut driver = limited(&wire, Limits { queued: 100, ..Limits::default() });
    {
        let mut put = pin!(driver.call(Put::new(Priority(0), 0, 1, vec![0; 5000])));
        assert!(cut_after(1000, put.as_mut()).is_none());
        wire.say(b"OUT_OF_MEMORY\r\n");
        let refused = run(put).unwrap_err();
        assert_eq!(refused.command_error(), Some(CommandError::OutOfMemory));
    }
    // Nothing is in flight, and more is queued than may be.
    assert!(!driver.has_room(&Peek::new(1)));
    let mut peek = pin!(driver.call(Peek::new(1)));
    assert!(cut_after(1, peek.as_mut()).is_none());
    wire.world().yields = false;
    assert!(settle(peek.as_mut()).is_none());
    wire.say(b"FOUND 1 0\r\n\r\n");
    assert_eq!(run(peek).unwrap().id, JobId(1));
}

#[test]
fn a_pipeline_goes_on_behind_a_body_of_its_own_that_was_refused_early() {
    let wire = Wire::yielding();
    wire.world().silent = true;
    let mut driver = limited(&wire, Limits { queued: 100, ..Limits::default() });
    let put = |length| Put::new(Priority(0), 0, 1, vec![0; length]);
    let mut all = driver.call_all([put(5000), put(1)].into_iter());
    {
        let mut first = pin!(all.next());
        assert!(cut_after(1000, first.as_mut()).is_none());
        wire.say(b"OUT_OF_MEMORY\r\n");
        let refused = run(first).unwrap().unwrap_err();
        assert_eq!(refused.command_error(), Some(CommandError::OutOfMemory));
    }
    let mut second = pin!(all.next());
    assert!(cut_after(1, second.as_mut()).is_none());
    wire.world().yields = false;
    assert!(settle(second.as_mut()).is_none());
    wire.say(b"INSERTED 2\r\n");
    assert_eq!(run(second).unwrap().unwrap().id(), JobId(2));
}

#[test]
fn an_import_goes_on_behind_a_body_of_its_own_that_was_refused_early() {
    let wire = Wire::yielding();
    let mut driver = limited(&wire, Limits { queued: 100, ..Limits::default() });
    let mut import = run(import(&mut driver)).unwrap();
    wire.world().silent = true;
    let export = [
        &b"beanstalk-export 1
job 1 ready 0 0 60 a 5000
"[..],
        &[0; 5000],
        b"
job 2 ready 0 0 60 a 1
x
end 2
",
    ]
    .concat();
    for job in ExportReader::new(&export[..]) {
        run(import.push(job.unwrap())).unwrap();
    }
    {
        let mut end = pin!(import.finish());
        assert!(cut_after(1000, end.as_mut()).is_none());
        wire.say(b"USING a\r\nOUT_OF_MEMORY\r\n");
        assert!(settle(end.as_mut()).is_none());
        wire.say(b"INSERTED 2\r\n");
        let failed = run(end).unwrap_err();
        assert_eq!((failed.id, failed.error.command_error()), (JobId(1), Some(CommandError::OutOfMemory)));
    }
    let mut end = pin!(import.finish());
    assert!(settle(end.as_mut()).is_none());
    wire.say(b"USING default\r\n");
    assert_eq!(run(end).unwrap(), 1, "the other is restored");
}

#[test]
fn a_scan_fills_the_room_and_no_more() {
    let wire = Wire::new();
    wire.world().silent = true;
    let mut driver = in_flight(&wire, 3);
    let mut scan = run(scan(&mut driver, ScanOptions::new().to(JobId(100)))).unwrap();
    assert!(settle(pin!(scan.next())).is_none());
    let read = wire.world().commands.len();
    assert_eq!(read + wire.unread(), 3);
}
