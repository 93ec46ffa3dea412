//! Requests and replies match by order; tickets may be polled in any.

use beanstalk_proto::{
    Command, Delete, Error, Full, Kick, Peek, Put, ReserveWithTimeout, Reserved, Stats, TicketError, Watch,
    client::{Connection, Limits},
};

use crate::harness::{
    NOW, assert_in_sync, at, connection, decode, feed, full, is_pending, late, limited, refusal, reply, send, sent,
    written,
};

#[test]
fn replies_go_to_requests_in_the_order_in_which_these_were_sent() {
    let setup = || {
        let mut connection = connection();
        let tickets = (
            send(&mut connection, Put::of("x")),
            send(&mut connection, Peek::new(9)),
            send(&mut connection, Watch::new("a")),
            send(&mut connection, Delete::new(1)),
        );
        written(&mut connection);
        (connection, tickets)
    };
    let input = b"INSERTED 5\r\nFOUND 9 3\r\nabc\r\nWATCHING 2\r\nNOT_FOUND\r\n";
    decode(setup, input, |connection, (put, peek, watch, delete)| {
        assert_eq!(reply(connection, put).unwrap().id().0, 5);
        assert_eq!(reply(connection, peek).unwrap().body, b"abc");
        assert_eq!(reply(connection, watch).unwrap(), 2);
        assert_eq!(refusal(connection, delete), beanstalk_proto::CommandError::NotFound);
    });
}

#[test]
fn tickets_may_be_polled_in_any_order_and_slots_leave_from_the_front() {
    let mut connection = connection();
    let mut tickets: Vec<_> = (0..4).map(|bound| send(&mut connection, Kick::new(bound))).collect();
    written(&mut connection);
    feed(&mut connection, b"KICKED 0\r\nKICKED 1\r\nKICKED 2\r\n");
    for (index, in_flight) in [(2, 3), (1, 2), (0, 1)] {
        assert_eq!(reply(&mut connection, &mut tickets[index]).unwrap(), index as u64);
        assert_eq!(connection.in_flight(), in_flight);
    }
    assert!(is_pending(&mut connection, &mut tickets[3]));
    feed(&mut connection, b"KICKED 3\r\n");
    assert_eq!(reply(&mut connection, &mut tickets[3]).unwrap(), 3);
    assert_eq!(connection.in_flight(), 0);
    assert_in_sync(&mut connection);
}

#[test]
fn a_ticket_is_good_once() {
    let (mut connection, mut ticket) = sent(Delete::new(1));
    feed(&mut connection, b"DELETED\r\n");
    reply(&mut connection, &mut ticket).unwrap();
    for _ in 0..2 {
        let error = reply(&mut connection, &mut ticket).unwrap_err();
        assert!(matches!(error, Error::Ticket(TicketError::Spent)), "{error:?}");
        assert!(!error.is_fatal() && error.lost().is_none());
    }
    assert_eq!(format!("{ticket:?}"), "Ticket(spent)");
    assert_in_sync(&mut connection);
}

#[test]
fn a_ticket_that_is_dropped_keeps_its_place() {
    let (mut connection, ticket) = sent(Delete::new(1));
    drop(ticket);
    feed(&mut connection, b"DELETED\r\n");
    assert_eq!(connection.in_flight(), 1);
    assert_in_sync(&mut connection);
}

/// Calls go on behind a ticket that nobody holds any more.
fn calls_behind_a_lost_ticket(mut connection: Connection) {
    let before = connection.in_flight();
    for n in 0..100_000_u64 {
        let mut ticket = connection.send(NOW, Kick::new(1)).unwrap_or_else(|error| panic!("call {n}: {error}"));
        written(&mut connection);
        connection.receive(NOW, b"KICKED 1\r\n");
        assert_eq!(reply(&mut connection, &mut ticket).unwrap(), 1);
        assert_eq!(connection.in_flight(), before);
    }
}

#[test]
fn an_unclaimed_reply_is_not_in_the_way_of_100_000_calls() {
    for input in [&b"RESERVED 7 5\r\nhello\r\n"[..], b"TIMED_OUT\r\n"] {
        let (mut connection, ticket) = sent(ReserveWithTimeout::new(0));
        feed(&mut connection, input);
        drop(ticket);
        calls_behind_a_lost_ticket(connection);
    }
}

#[test]
fn a_late_reply_that_is_never_claimed_is_not_in_the_way_of_100_000_calls() {
    let (mut connection, ticket) = sent(Kick::new(9));
    late(&mut connection, at(5));
    drop(ticket);
    feed(&mut connection, b"KICKED 9\r\n");
    calls_behind_a_lost_ticket(connection);
}

#[test]
fn a_reply_unclaimed_for_long_is_still_its_tickets() {
    let (mut connection, mut ticket) = sent(ReserveWithTimeout::new(0));
    feed(&mut connection, b"RESERVED 7 5\r\nhello\r\n");
    for _ in 0..1000 {
        assert_in_sync(&mut connection);
    }
    assert!(connection.is_ready(ticket.id()));
    assert!(matches!(reply(&mut connection, &mut ticket).unwrap(), Reserved::Job(job) if job.body == b"hello"));
    assert_eq!(connection.in_flight(), 0);

    let (mut connection, ticket) = sent(ReserveWithTimeout::new(0));
    feed(&mut connection, b"RESERVED 7 5\r\nhello\r\n");
    for _ in 0..1000 {
        assert_in_sync(&mut connection);
    }
    connection.abandon(ticket);
    assert_eq!(connection.take_orphaned().len(), 1);
}

#[test]
fn replies_that_nobody_claims_are_limited() {
    let mut connection = limited(Limits { in_flight: 100, ..Limits::default() });
    for _ in 0..100 {
        let ticket = send(&mut connection, Kick::new(1));
        feed(&mut connection, b"KICKED 1\r\n");
        drop(ticket);
    }
    assert_eq!(full(connection.send(NOW, Kick::new(1))), Full::InFlight { limit: 100 });
}

#[test]
fn an_abandoned_ticket_is_ready_before_its_reply_comes() {
    let (mut connection, ticket) = sent(Delete::new(1));
    let id = ticket.id();
    assert!(!connection.is_ready(id));
    connection.abandon(ticket);
    assert!(connection.is_ready(id), "there will be none for it");
}

#[test]
fn a_ticket_is_ready_when_its_result_is_there() {
    let mut connection = connection();
    let (mut first, second) = (send(&mut connection, Kick::new(1)), send(&mut connection, Kick::new(2)));
    assert!(first.id() < second.id());
    assert!(!connection.is_ready(first.id()) && !connection.is_ready(second.id()));
    feed(&mut connection, b"KICKED 1\r\n");
    assert!(connection.is_ready(first.id()) && !connection.is_ready(second.id()));
    reply(&mut connection, &mut first).unwrap();
    assert!(connection.is_ready(first.id()), "it is spent");
    late(&mut connection, at(5));
    assert!(connection.is_ready(second.id()), "it is late");
}

#[test]
fn thousands_of_requests_pass_through_one_connection() {
    let mut connection = connection();
    for round in 0..50 {
        let mut tickets: Vec<_> = (0..100).map(|n| send(&mut connection, Kick::new(round * 100 + n))).collect();
        written(&mut connection);
        let replies: String = (0..100).map(|n| format!("KICKED {}\r\n", round * 100 + n)).collect();
        feed(&mut connection, replies.as_bytes());
        let order = if round % 2 == 0 { (0..100).collect::<Vec<_>>() } else { (0..100).rev().collect() };
        for n in order {
            assert_eq!(reply(&mut connection, &mut tickets[n]).unwrap(), u64::from(round) * 100 + n as u64);
        }
        assert_eq!(connection.in_flight(), 0);
    }
}

#[test]
fn commands_of_one_type_and_requests_of_many_share_a_connection() {
    let mut connection = connection();
    let mut reserve = send(&mut connection, Command::ReserveWithTimeout { timeout: 0 });
    let mut stats = send(&mut connection, Stats::new());
    let mut typed = send(&mut connection, beanstalk_proto::ReserveWithTimeout::new(0));
    written(&mut connection);
    feed(&mut connection, b"TIMED_OUT\r\nOK 4\r\n---\n\r\nRESERVED 1 1\r\nx\r\n");
    assert_eq!(reply(&mut connection, &mut reserve).unwrap(), beanstalk_proto::Reply::TimedOut);
    reply(&mut connection, &mut stats).expect("statistics may be empty");
    assert!(matches!(reply(&mut connection, &mut typed).unwrap(), Reserved::Job(job) if job.body == b"x"));
}
