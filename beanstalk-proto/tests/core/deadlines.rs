//! Until when to wait for a reply: given by arithmetic alone, so that a driver needs one timer and no bookkeeping.

use std::time::Duration;

use beanstalk_proto::{
    Delete, Error, Instant, Lost, Raw, Reserve, ReserveWithTimeout, Reserved,
    client::{Config, Connection, Deadline},
};

use crate::harness::{connection, feed, reply, send, sent, written};

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn patient() -> Connection {
    Connection::new(Config { reply_timeout: None, ..Config::default() })
}

#[test]
fn an_ordinary_reply_has_the_reply_timeout() {
    let (mut connection, ticket) = sent(Delete::new(1));
    assert_eq!(connection.deadline(&ticket, at(100)), Deadline::Fail(at(105)));
}

#[test]
fn a_reserve_waits_as_long_as_it_takes() {
    for raw in ["reserve", "reserve-with-timeout -1", "reserve-with-timeout 2147483648", "reserve-with-timeout x"] {
        let (mut connection, ticket) = sent(Raw::new(raw));
        assert_eq!(connection.deadline(&ticket, at(0)), Deadline::Never, "{raw}");
    }
    let (mut connection, ticket) = sent(Reserve::new());
    assert_eq!(connection.deadline(&ticket, at(0)), Deadline::Never);
}

#[test]
fn the_reply_timeout_is_added_to_the_reserves_own() {
    let (mut connection, ticket) = sent(ReserveWithTimeout::new(30));
    assert_eq!(connection.deadline(&ticket, at(100)), Deadline::Fail(at(135)));
    let (mut connection, ticket) = sent(ReserveWithTimeout::new(0));
    assert_eq!(connection.deadline(&ticket, at(100)), Deadline::Fail(at(105)));
    let (mut connection, ticket) = sent(ReserveWithTimeout::new(i32::MAX.unsigned_abs()));
    assert_eq!(connection.deadline(&ticket, at(100)), Deadline::Fail(at(2_147_483_647 + 105)));
}

#[test]
fn without_a_reply_timeout_nothing_has_a_deadline_but_a_reserve_that_was_taken_over() {
    let mut connection = patient();
    let ticket = send(&mut connection, Delete::new(1));
    assert_eq!(connection.deadline(&ticket, at(0)), Deadline::Never);
    let reserve = send(&mut connection, ReserveWithTimeout::new(3));
    assert_eq!(connection.deadline(&reserve, at(0)), Deadline::Never);
    connection.abandon(reserve);
    let reserve = send(&mut connection, ReserveWithTimeout::new(3));
    assert_eq!(connection.deadline(&reserve, at(10)), Deadline::GiveUp(at(13)));
}

#[test]
fn the_waiting_of_earlier_requests_is_added() {
    let mut connection = connection();
    let first = send(&mut connection, ReserveWithTimeout::new(10));
    assert_eq!(connection.deadline(&first, at(0)), Deadline::Fail(at(15)));
    let delete = send(&mut connection, Delete::new(1));
    assert_eq!(connection.deadline(&delete, at(4)), Deadline::Fail(at(15)), "6 s are left of the first");
    let second = send(&mut connection, ReserveWithTimeout::new(20));
    assert_eq!(connection.deadline(&second, at(4)), Deadline::Fail(at(35)));
    let last = send(&mut connection, Delete::new(2));
    assert_eq!(connection.deadline(&last, at(4)), Deadline::Fail(at(35)));
}

#[test]
fn the_waiting_of_an_abandoned_request_is_added_too() {
    let mut connection = connection();
    let first = send(&mut connection, ReserveWithTimeout::new(10));
    connection.deadline(&first, at(0));
    connection.abandon(first);
    let delete = send(&mut connection, Delete::new(1));
    assert_eq!(connection.deadline(&delete, at(2)), Deadline::Fail(at(15)));
}

#[test]
fn waiting_that_is_over_is_not_added() {
    let mut connection = connection();
    let mut first = send(&mut connection, ReserveWithTimeout::new(100));
    connection.deadline(&first, at(0));
    written(&mut connection);
    feed(&mut connection, b"RESERVED 1 0\r\n\r\n");
    let delete = send(&mut connection, Delete::new(1));
    assert_eq!(connection.deadline(&delete, at(1)), Deadline::Fail(at(6)));
    reply(&mut connection, &mut first).unwrap().job().unwrap();
}

#[test]
fn a_reserve_that_was_taken_over_is_given_up_after_the_callers_own_timeout() {
    let (mut connection, old) = sent(Reserve::new());
    connection.abandon(old);
    let ticket = send(&mut connection, ReserveWithTimeout::new(7));
    assert_eq!(connection.deadline(&ticket, at(100)), Deadline::GiveUp(at(107)));
    connection.abandon(ticket);
    let ticket = send(&mut connection, Reserve::new());
    assert_eq!(connection.deadline(&ticket, at(100)), Deadline::Never);
    connection.abandon(ticket);
    let ticket = send(&mut connection, ReserveWithTimeout::new(1));
    assert_eq!(connection.deadline(&ticket, at(200)), Deadline::GiveUp(at(201)), "each caller has its own");
}

#[test]
fn what_is_behind_a_reserve_that_was_taken_over_still_waits_for_the_servers_own_end() {
    let (mut connection, old) = sent(ReserveWithTimeout::new(100));
    connection.deadline(&old, at(0));
    connection.abandon(old);
    let ticket = send(&mut connection, ReserveWithTimeout::new(2));
    assert_eq!(connection.deadline(&ticket, at(1)), Deadline::GiveUp(at(3)));
    let behind = send(&mut connection, Delete::new(1));
    assert_eq!(connection.deadline(&behind, at(2)), Deadline::Fail(at(105)));
    assert_eq!(connection.give_up(ticket).unwrap(), Reserved::TimedOut);
    assert_eq!(connection.deadline(&behind, at(4)), Deadline::Fail(at(105)));
}

#[test]
fn asking_again_later_does_not_put_off_the_servers_own_waiting() {
    let (mut connection, ticket) = sent(ReserveWithTimeout::new(30));
    assert_eq!(connection.deadline(&ticket, at(0)), Deadline::Fail(at(35)));
    assert_eq!(connection.deadline(&ticket, at(20)), Deadline::Fail(at(35)));
    assert_eq!(connection.deadline(&ticket, at(32)), Deadline::Fail(at(37)), "the reply timeout counts from now");
}

#[test]
fn time_does_not_overflow() {
    let (mut connection, ticket) = sent(ReserveWithTimeout::new(i32::MAX.unsigned_abs()));
    let end = Instant::from_nanos(u64::MAX);
    assert_eq!(connection.deadline(&ticket, end), Deadline::Fail(end));
}

#[test]
fn a_foreign_or_spent_ticket_has_no_deadline() {
    let (_other, foreign) = sent(Delete::new(1));
    let (mut connection, mut ticket) = sent(Delete::new(1));
    assert_eq!(connection.deadline(&foreign, at(0)), Deadline::Never);
    feed(&mut connection, b"DELETED\r\n");
    reply(&mut connection, &mut ticket).unwrap();
    assert_eq!(connection.deadline(&ticket, at(0)), Deadline::Never);
}

#[test]
fn a_request_whose_reply_is_late_may_run_for_as_long_as_the_connection_lives() {
    let mut connection = connection();
    let ticket = send(&mut connection, Delete::new(1));
    let error = connection.timed_out(&ticket);
    assert!(matches!(error, Error::TimedOut { lost: Lost::Unknown, .. }) && !error.is_fatal());
    connection.abandon(ticket);
    assert_eq!(written(&mut connection), b"delete 1\r\n", "it is still written");
    feed(&mut connection, b"DELETED\r\n");
    assert_eq!(connection.in_flight(), 0);
    let unwritten = send(&mut connection, Delete::new(2));
    connection.abort();
    assert_eq!(connection.timed_out(&unwritten).lost(), Some(Lost::NotSent));
}
