//! What may be sent while the server waits in a reserve, and how an abandoned one is taken over.

use beanstalk_proto::{
    Command, Delete, Error, Full, Kick, Raw, Reply, Request, Reserve, ReserveJob, ReserveWithTimeout, Reserved, Watch,
    client::{Connection, Limits, Ticket},
};

use crate::harness::{
    NOW, assert_in_sync, at, connection, decode, feed, full, is_pending, late, limited, nothing_unread, reply, send,
    sent, take_over, written,
};

/// A connection whose `reserve` nobody waits for any more.
fn abandoned_reserve() -> Connection {
    let (mut connection, ticket) = sent(Reserve::new());
    connection.abandon(ticket);
    connection
}

fn job(connection: &mut Connection, ticket: &mut Ticket<Reserved>) -> u64 {
    reply(connection, ticket).unwrap().job().expect("a job").id.0
}

#[test]
fn behind_a_waiting_reserve_nothing_is_sent() {
    let (mut connection, mut ticket) = sent(Reserve::new());
    assert!(matches!(connection.send(NOW, Delete::new(1)), Err(Error::ReserveWaiting)));
    assert!(matches!(connection.send(NOW, Reserve::new()), Err(Error::ReserveWaiting)));
    assert!(matches!(connection.check_send(&Watch::new("a").expect()), Err(Error::ReserveWaiting)));
    assert_eq!(connection.queued(), 0);
    assert!(!Error::ReserveWaiting.is_fatal());

    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert_eq!(job(&mut connection, &mut ticket), 7);
    assert_in_sync(&mut connection);
}

#[test]
fn a_reserve_that_was_answered_no_longer_stands_in_the_way_although_its_reply_was_not_taken() {
    let (mut connection, mut ticket) = sent(Reserve::new());
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert_in_sync(&mut connection);
    assert_eq!(job(&mut connection, &mut ticket), 7);
}

#[test]
fn behind_an_abandoned_reserve_only_a_reserve_is_sent() {
    let mut connection = abandoned_reserve();
    assert!(matches!(connection.send(NOW, Delete::new(1)), Err(Error::ReserveWaiting)));
    assert!(matches!(connection.send(NOW, ReserveJob::new(1)), Err(Error::ReserveWaiting)));
    assert!(connection.check_send(&Reserve::new().expect()).is_ok());
}

#[test]
fn behind_a_reserve_with_a_timeout_requests_queue() {
    let (mut connection, mut reserve) = sent(ReserveWithTimeout::new(5));
    let mut delete = send(&mut connection, Delete::new(1));
    let mut second = send(&mut connection, ReserveWithTimeout::new(5));
    assert_eq!(written(&mut connection), b"delete 1\r\nreserve-with-timeout 5\r\n");
    feed(&mut connection, b"TIMED_OUT\r\nDELETED\r\nRESERVED 3 0\r\n\r\n");
    assert_eq!(reply(&mut connection, &mut reserve).unwrap(), Reserved::TimedOut);
    reply(&mut connection, &mut delete).unwrap();
    assert_eq!(job(&mut connection, &mut second), 3);
}

#[test]
fn a_reserve_takes_over_an_abandoned_one_and_writes_nothing() {
    let setup = || {
        let mut connection = abandoned_reserve();
        let ticket = take_over(&mut connection, Reserve::new());
        assert_eq!((connection.queued(), connection.in_flight()), (0, 1));
        (connection, ticket)
    };
    assert_eq!(decode(setup, b"RESERVED 7 5\r\nhello\r\n", job), 7);
    let soon = decode(setup, b"DEADLINE_SOON\r\n", |connection, ticket| reply(connection, ticket).unwrap());
    assert_eq!(soon, Reserved::DeadlineSoon);
}

#[test]
fn every_form_of_reserve_takes_over_every_other() {
    let abandoned: [fn(&mut Connection); 4] = [
        |connection| {
            let ticket = send(connection, Reserve::new());
            connection.abandon(ticket);
        },
        |connection| {
            let ticket = send(connection, ReserveWithTimeout::new(9));
            connection.abandon(ticket);
        },
        |connection| {
            let ticket = send(connection, Raw::new("reserve-with-timeout 9"));
            connection.abandon(ticket);
        },
        |connection| {
            let ticket = send(connection, Command::Reserve);
            connection.abandon(ticket);
        },
    ];
    for abandon in abandoned {
        for untyped in ["reserve", "reserve-with-timeout 3"] {
            let mut connection = connection();
            abandon(&mut connection);
            written(&mut connection);
            let mut ticket = take_over(&mut connection, Raw::new(untyped));
            assert_eq!(connection.queued(), 0);
            feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
            assert!(matches!(reply(&mut connection, &mut ticket).unwrap(), Reply::Reserved(job) if job.id.0 == 7));
        }
        let mut connection = connection();
        abandon(&mut connection);
        written(&mut connection);
        let mut ticket = take_over(&mut connection, ReserveWithTimeout::new(1));
        assert_eq!(connection.queued(), 0);
        feed(&mut connection, b"RESERVED 8 1\r\nx\r\n");
        assert_eq!(job(&mut connection, &mut ticket), 8);
    }
}

#[test]
fn timed_out_of_the_request_taken_over_sends_the_callers_own_under_the_same_ticket() {
    for (first, second) in [("RESERVED 7 1\r\nx\r\n", true), ("TIMED_OUT\r\n", false)] {
        let (mut connection, old) = sent(ReserveWithTimeout::new(1));
        connection.abandon(old);
        let mut ticket = take_over(&mut connection, ReserveWithTimeout::new(30));
        feed(&mut connection, b"TIMED_OUT\r\n");
        assert!(is_pending(&mut connection, &mut ticket), "this was not its own");
        assert!(!connection.is_flushed(&ticket));
        assert_eq!(written(&mut connection), b"reserve-with-timeout 30\r\n");
        assert!(connection.is_flushed(&ticket));
        feed(&mut connection, first.as_bytes());
        assert_eq!(matches!(reply(&mut connection, &mut ticket).unwrap(), Reserved::Job(_)), second);
        assert_eq!(connection.in_flight(), 0);
        assert_in_sync(&mut connection);
    }
    // A half-closed server answers `reserve` so too.
    let (mut connection, old) = sent(ReserveWithTimeout::new(1));
    connection.abandon(old);
    let mut ticket = send(&mut connection, Reserve::new());
    feed(&mut connection, b"TIMED_OUT\r\n");
    assert_eq!(written(&mut connection), b"reserve\r\n");
    assert!(matches!(connection.send(NOW, Delete::new(1)), Err(Error::ReserveWaiting)));
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert_eq!(job(&mut connection, &mut ticket), 7);
}

#[test]
fn a_reserve_that_is_sent_again_behind_an_unclaimed_reply_is_ready_with_its_own_answer_only() {
    let (mut connection, mut unclaimed) = sent(Kick::new(1));
    let old = send(&mut connection, ReserveWithTimeout::new(1));
    connection.abandon(old);
    let mut ticket = take_over(&mut connection, ReserveWithTimeout::new(30));
    feed(&mut connection, b"KICKED 1\r\nTIMED_OUT\r\n");
    assert!(!connection.is_ready(ticket.id()), "its own reserve is not even written");
    assert!(is_pending(&mut connection, &mut ticket));
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert!(connection.is_ready(ticket.id()));
    assert_eq!(job(&mut connection, &mut ticket), 7);
    assert_eq!(reply(&mut connection, &mut unclaimed).unwrap(), 1);
}

#[test]
fn a_moved_ticket_can_be_abandoned_and_is_taken_over_again() {
    let (mut connection, old) = sent(ReserveWithTimeout::new(1));
    connection.abandon(old);
    let ticket = send(&mut connection, Reserve::new());
    feed(&mut connection, b"TIMED_OUT\r\n");
    assert_eq!(written(&mut connection), b"reserve\r\n");
    connection.abandon(ticket);
    let mut third = take_over(&mut connection, Reserve::new());
    assert_eq!((connection.queued(), connection.in_flight()), (0, 1));
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert_eq!(job(&mut connection, &mut third), 7);
}

#[test]
fn a_reserve_abandoned_over_and_over_is_written_once() {
    let mut connection = abandoned_reserve();
    for _ in 0..1000 {
        let ticket = send(&mut connection, Reserve::new());
        assert_eq!((connection.queued(), connection.in_flight()), (0, 1));
        connection.abandon(ticket);
    }
    let mut ticket = take_over(&mut connection, ReserveWithTimeout::new(1));
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert_eq!(job(&mut connection, &mut ticket), 7);
    assert_in_sync(&mut connection);
}

#[test]
fn a_job_whose_arrival_began_before_is_confirmed_before_it_is_handed_over() {
    let input = b"RESERVED 7 5\r\nhello\r\n";
    for at in 0..input.len() {
        let mut connection = abandoned_reserve();
        feed(&mut connection, &input[..at]);
        let mut ticket = take_over(&mut connection, ReserveWithTimeout::new(3));
        assert_eq!(connection.queued(), 0);
        feed(&mut connection, &input[at..]);
        if at > 0 {
            assert_eq!(written(&mut connection), b"touch 7\r\n", "it may have lain here for long");
            feed(&mut connection, b"TOUCHED\r\n");
        }
        assert_eq!(job(&mut connection, &mut ticket), 7);
        assert_in_sync(&mut connection);
    }
}

#[test]
fn a_job_that_was_unread_when_its_slot_was_taken_over_is_confirmed_before_it_is_handed_over() {
    let setup = || {
        let mut connection = abandoned_reserve();
        let ticket = send(&mut connection, Reserve::new());
        assert!(connection.wants_read(), "the core asks for what is unread");
        (connection, ticket)
    };
    for (answer, expected) in [("TOUCHED\r\n", 7), ("NOT_FOUND\r\n", 8)] {
        let (mut connection, mut ticket) = setup();
        feed(&mut connection, b"RESERVED 7 5\r\nhello\r\n");
        connection.handle_timeout(NOW);
        assert!(is_pending(&mut connection, &mut ticket));
        assert_eq!(written(&mut connection), b"touch 7\r\n");
        feed(&mut connection, answer.as_bytes());
        if expected == 8 {
            assert_eq!(written(&mut connection), b"reserve\r\n");
            feed(&mut connection, b"RESERVED 8 5\r\nhello\r\n");
        }
        assert_eq!(job(&mut connection, &mut ticket), expected);
        assert_eq!(connection.in_flight(), 0);
        assert_in_sync(&mut connection);
    }
}

#[test]
fn what_else_was_unread_when_a_slot_was_taken_over_is_nobodys() {
    for input in ["TIMED_OUT\r\n", "DEADLINE_SOON\r\n", "OUT_OF_MEMORY\r\n"] {
        let (mut connection, old) = sent(ReserveWithTimeout::new(9));
        connection.abandon(old);
        let mut ticket = send(&mut connection, ReserveWithTimeout::new(9));
        feed(&mut connection, input.as_bytes());
        assert!(is_pending(&mut connection, &mut ticket), "{input}");
        assert_eq!(written(&mut connection), b"reserve-with-timeout 9\r\n");
        feed(&mut connection, b"RESERVED 8 5\r\nhello\r\n");
        assert_eq!(job(&mut connection, &mut ticket), 8);
    }
}

#[test]
fn while_bytes_come_a_slot_that_was_taken_over_wants_another_read() {
    let (mut connection, kick) = sent(Kick::new(1));
    let old = send(&mut connection, Reserve::new());
    written(&mut connection);
    connection.abandon(old);
    connection.abandon(kick);
    let mut ticket = send(&mut connection, Reserve::new());
    feed(&mut connection, b"KICKED 1\r\n");
    connection.handle_timeout(NOW);
    assert!(connection.wants_read(), "the job may be behind it");
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert_eq!(written(&mut connection), b"touch 7\r\n");
    feed(&mut connection, b"TOUCHED\r\n");
    assert_eq!(job(&mut connection, &mut ticket), 7);
}

#[test]
fn taking_over_needs_no_room_of_its_own() {
    let mut connection = limited(Limits { in_flight: 1, queued: 1, ..Limits::default() });
    let ticket = send(&mut connection, Reserve::new());
    connection.abandon(ticket);
    let mut ticket = take_over(&mut connection, Reserve::new());
    written(&mut connection);
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert_eq!(job(&mut connection, &mut ticket), 7);
}

#[test]
fn reserves_that_are_sent_again_stay_within_the_limit() {
    let mut connection = limited(Limits { in_flight: 2, ..Limits::default() });
    for ticket in [1, 1].map(|timeout| send(&mut connection, ReserveWithTimeout::new(timeout))) {
        connection.abandon(ticket);
    }
    // The first is not polled until the end.
    let mut first = take_over(&mut connection, ReserveWithTimeout::new(8));
    feed(&mut connection, b"TIMED_OUT\r\n");
    nothing_unread(&mut connection);
    assert_eq!((connection.queued(), connection.in_flight()), (0, 1), "it takes over the other one");
    let mut second = send(&mut connection, ReserveWithTimeout::new(9));
    assert_eq!(written(&mut connection), b"reserve-with-timeout 9\r\n");
    assert_eq!(full(connection.send(NOW, Delete::new(1))), Full::InFlight { limit: 2 });
    feed(&mut connection, b"TIMED_OUT\r\n");
    assert_eq!(written(&mut connection), b"reserve-with-timeout 8\r\n", "there is none to take over any more");
    assert_eq!(connection.in_flight(), 2);
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\nRESERVED 8 1\r\ny\r\n");
    assert_eq!(job(&mut connection, &mut second), 7);
    assert_eq!(job(&mut connection, &mut first), 8);
    assert_in_sync(&mut connection);
}

#[test]
fn late_tickets_that_nobody_polls_are_limited_too() {
    let mut connection = limited(Limits { in_flight: 2, ..Limits::default() });
    let ticket = send(&mut connection, Reserve::new());
    connection.abandon(ticket);
    for _ in 0..2 {
        let _dropped = send(&mut connection, ReserveWithTimeout::new(0));
        connection.handle_timeout(NOW);
    }
    let reached = Full::InFlight { limit: 2 };
    assert_eq!(full(connection.send(NOW, ReserveWithTimeout::new(10))), reached);
    assert_eq!(full(connection.check_send(&Reserve::new().expect())), reached);
}

#[test]
fn bad_arguments_are_refused_before_anything_is_taken_over() {
    let mut connection = abandoned_reserve();
    let error = connection.send(NOW, ReserveWithTimeout::new(1 << 31)).unwrap_err();
    assert!(matches!(error, Error::Argument(_)));
    let mut ticket = take_over(&mut connection, Reserve::new());
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert_eq!(job(&mut connection, &mut ticket), 7);
}

#[test]
fn a_reserve_out_of_time_gets_timed_out_and_its_slot_is_taken_over_by_the_next() {
    let mut connection = abandoned_reserve();
    let mut ticket = take_over(&mut connection, ReserveWithTimeout::new(1));
    late(&mut connection, at(1));
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reserved::TimedOut);
    let mut ticket = connection.send(at(2), Command::ReserveWithTimeout { timeout: 1 }).unwrap();
    connection.handle_timeout(at(2));
    late(&mut connection, at(3));
    assert_eq!(reply(&mut connection, &mut ticket).unwrap(), Reply::TimedOut);
    let mut ticket = connection.send(at(4), ReserveWithTimeout::new(1)).unwrap();
    connection.handle_timeout(at(4));
    assert_eq!(connection.queued(), 0);
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    assert_eq!(job(&mut connection, &mut ticket), 7);
}

#[test]
fn a_job_that_is_here_when_its_reserve_is_out_of_time_is_handed_over() {
    let mut connection = abandoned_reserve();
    let mut ticket = take_over(&mut connection, ReserveWithTimeout::new(1));
    connection.handle_timeout(at(2));
    assert!(connection.wants_read());
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    connection.handle_timeout(at(2));
    assert_eq!(job(&mut connection, &mut ticket), 7);
    assert!(connection.take_orphaned().is_empty());
}

#[test]
fn out_of_time_on_an_ended_connection_is_its_end() {
    let mut connection = abandoned_reserve();
    let mut ticket = take_over(&mut connection, ReserveWithTimeout::new(1));
    connection.received_eof();
    connection.handle_timeout(at(9));
    assert!(matches!(reply(&mut connection, &mut ticket), Err(Error::Closed { .. })));
}

#[test]
fn timed_out_of_a_reserve_abandoned_twice_sends_nothing_for_nobody() {
    let (mut connection, old) = sent(ReserveWithTimeout::new(1));
    connection.abandon(old);
    let ticket = send(&mut connection, ReserveWithTimeout::new(30));
    connection.abandon(ticket);
    feed(&mut connection, b"TIMED_OUT\r\n");
    assert_eq!((connection.queued(), connection.in_flight()), (0, 0));
    assert_in_sync(&mut connection);
}

#[test]
fn the_read_for_a_reserve_that_took_over_is_due_though_another_call_is_abandoned() {
    let mut connection = connection();
    let waiting = send(&mut connection, ReserveWithTimeout::new(5));
    let behind = send(&mut connection, Delete::new(1));
    written(&mut connection);
    connection.abandon(waiting);
    let mut ticket = send(&mut connection, ReserveWithTimeout::new(5));
    assert_eq!(connection.queued(), 0, "it takes over");
    connection.abandon(behind);
    assert!(connection.wants_read(), "what is unread may be for the one that was abandoned");
    feed(&mut connection, b"RESERVED 7 0\r\n\r\nDELETED\r\n");
    assert_eq!(written(&mut connection), b"touch 7\r\n", "it may have come before the reserve began");
    feed(&mut connection, b"TOUCHED\r\n");
    assert_eq!(job(&mut connection, &mut ticket), 7);
}
