//! Mistakes of whoever drives a connection: caught where they happen, by a panic with debug assertions, and by the end of the
//! connection or an error without. Never does a reply come of bytes that nobody sent. `cargo test --release` runs the second half.

use std::{
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
};

use beanstalk_proto::{
    Delete, Error, Kick, Peek, ProtocolError, Put, TicketError,
    client::{Connection, Ticket},
};

use crate::harness::{NOW, connection, feed, reply, send, sent, written};

/// Whether it was caught by a panic, as it has to be with debug assertions, and must not be without.
fn caught<T>(misuse: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(misuse));
    assert_eq!(result.is_err(), cfg!(debug_assertions));
    result.ok()
}

/// A misreport is a panic, or poisons the connection.
fn misreport<T: Debug>(mut connection: Connection, mut ticket: Ticket<T>, misuse: impl FnOnce(&mut Connection)) {
    if caught(|| misuse(&mut connection)).is_some() {
        assert!(connection.is_ended());
        let error = reply(&mut connection, &mut ticket).unwrap_err();
        assert!(matches!(error, Error::Protocol { error: ProtocolError::Overreported { .. }, .. }), "{error:?}");
    }
}

#[test]
fn more_received_than_was_lent_is_caught() {
    let (connection, ticket) = sent(Delete::new(1));
    misreport(connection, ticket, |connection| {
        let room = connection.receive_buf();
        room[..9].copy_from_slice(b"DELETED\r\n");
        let n = room.len() + 1;
        connection.received(NOW, n);
    });
}

#[test]
fn more_received_than_was_lent_of_a_body_is_caught() {
    let (mut connection, ticket) = sent(Peek::new(1));
    feed(&mut connection, b"FOUND 1 100000\r\nabc");
    misreport(connection, ticket, |connection| {
        let n = connection.receive_buf().len() + 1;
        connection.received(NOW, n);
    });
}

#[test]
fn a_read_reported_twice_does_not_make_a_reply_of_stale_bytes() {
    let mut connection = connection();
    let (mut first, second) = (send(&mut connection, Delete::new(1)), send(&mut connection, Delete::new(2)));
    written(&mut connection);
    let input = b"DELETED\r\n";
    connection.receive_buf()[..input.len()].copy_from_slice(input);
    connection.received(NOW, input.len());
    reply(&mut connection, &mut first).unwrap();
    misreport(connection, second, |connection| connection.received(NOW, input.len()));
}

#[test]
fn more_transmitted_than_was_queued_is_caught() {
    let mut connection = connection();
    let ticket = send(&mut connection, Kick::new(1));
    misreport(connection, ticket, |connection| connection.transmitted(9));
}

#[test]
fn a_write_reported_twice_is_caught() {
    let mut connection = connection();
    let ticket = send(&mut connection, Kick::new(1));
    connection.transmitted(8);
    misreport(connection, ticket, |connection| connection.transmitted(8));
}

#[test]
fn more_transmitted_than_was_taken_is_caught() {
    let mut connection = connection();
    let _put = send(&mut connection, Put::of(vec![b'x'; 5000]));
    let ticket = send(&mut connection, Kick::new(1));
    let line = connection.take_transmit().unwrap();
    misreport(connection, ticket, |connection| connection.transmitted(line.len() + 1));
}

#[test]
fn a_ticket_of_another_connection_is_caught_and_disturbs_nothing() {
    let (mut one, mut ones) = sent(Delete::new(1));
    let (mut other, mut others) = sent(Delete::new(1));
    assert!(!one.is_ready(ones.id()) && one.is_ready(others.id()), "what there is for it is an error, now");
    if let Some(result) = caught(|| reply(&mut one, &mut others)) {
        assert!(matches!(result, Err(Error::Ticket(TicketError::Foreign))), "{result:?}");
    }
    feed(&mut one, b"NOT_FOUND\r\n");
    feed(&mut other, b"DELETED\r\n");
    assert!(reply(&mut one, &mut ones).is_err());
    reply(&mut other, &mut others).expect("it is still good where it belongs");

    let (mut third, mut thirds) = sent(Delete::new(1));
    let foreign = send(&mut other, Delete::new(2));
    caught(|| third.abandon(foreign));
    feed(&mut third, b"DELETED\r\n");
    reply(&mut third, &mut thirds).expect("a foreign ticket abandons nothing");
}

#[test]
fn a_foreign_ticket_of_an_answered_front_is_caught() {
    let (mut one, _ones) = sent(Delete::new(1));
    let (_other, mut others) = sent(Delete::new(1));
    feed(&mut one, b"DELETED\r\n");
    if let Some(result) = caught(|| reply(&mut one, &mut others)) {
        assert!(matches!(result, Err(Error::Ticket(TicketError::Foreign))), "{result:?}");
    }
}

#[test]
fn a_misreport_is_named_with_what_there_was() {
    let named = |mut connection: Connection, n: usize, room: usize| {
        let text = match catch_unwind(AssertUnwindSafe(|| connection.transmitted(n))) {
            Err(panic) => *panic.downcast::<String>().unwrap(),
            Ok(()) => format!("{:?}", connection.poll_closed()),
        };
        for number in [n, room] {
            assert!(text.contains(&number.to_string()), "{text}");
        }
    };
    let mut queued = connection();
    let _ticket = send(&mut queued, Kick::new(1));
    named(queued, 9, 8);
    let mut taken = connection();
    let _put = send(&mut taken, Put::of(vec![b'x'; 5000]));
    let line = taken.take_transmit().unwrap();
    named(taken, 4711, line.len());
}
