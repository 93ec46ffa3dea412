//! Replies that come before all of their request was written: what cannot be true, and what can.

use beanstalk_proto::{CommandError, Delete, Error, Kick, Lost, ProtocolError, Put, Raw, client::Connection};

use crate::harness::{assert_in_sync, connection, feed_early, refusal, reply, send, written};

/// A put of 100,000 bytes, of which so many were written.
fn half_put(bytes: usize) -> (Connection, beanstalk_proto::client::Ticket<beanstalk_proto::PutOutcome>) {
    let mut connection = connection();
    let ticket = send(&mut connection, Put::of(vec![b'x'; 100_000]));
    connection.transmitted(bytes);
    (connection, ticket)
}

const LINE: usize = "put 1024 0 60 100000\r\n".len();

#[test]
fn a_reply_before_the_last_byte_of_its_request_poisons() {
    for (bytes, missing) in [(0, LINE + 100_002), (LINE, 100_002), (LINE + 10, 99_992), (LINE + 100_001, 1)] {
        let (mut connection, mut ticket) = half_put(bytes);
        feed_early(&mut connection, b"INSERTED 1\r\n");
        assert!(connection.is_ended());
        match reply(&mut connection, &mut ticket).unwrap_err() {
            Error::Protocol { error: error @ ProtocolError::EarlyReply { .. }, lost: Lost::NotSent } => {
                let told = format!("before the last {missing} bytes of the request were written");
                assert!(error.to_string().ends_with(&told), "{error}");
                assert!(error.to_string().starts_with("the server answered put with \"INSERTED 1\""), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    let (mut connection, mut ticket) = half_put(LINE + 100_002);
    feed_early(&mut connection, b"INSERTED 1\r\n");
    assert_eq!(reply(&mut connection, &mut ticket).unwrap().id().0, 1);
}

#[test]
fn a_reply_before_a_command_without_a_body_was_written_poisons() {
    for input in ["DELETED\r\n", "OUT_OF_MEMORY\r\n", "NOT_FOUND\r\n"] {
        let mut connection = connection();
        let _delete = send(&mut connection, Delete::new(1));
        connection.transmitted(9);
        feed_early(&mut connection, input.as_bytes());
        assert!(connection.is_ended(), "{input}");
    }
    let mut connection = connection();
    let _raw = send(&mut connection, Raw::new("freeze 1"));
    feed_early(&mut connection, b"FROZEN\r\n");
    assert!(connection.is_ended());
}

#[test]
fn a_put_may_be_refused_while_its_body_is_under_way_and_the_rest_of_it_is_owed() {
    for (input, error) in [
        ("JOB_TOO_BIG\r\n", CommandError::JobTooBig),
        ("DRAINING\r\n", CommandError::Draining),
        ("OUT_OF_MEMORY\r\n", CommandError::OutOfMemory),
        ("INTERNAL_ERROR\r\n", CommandError::InternalError),
    ] {
        let (mut connection, mut put) = half_put(LINE + 10);
        let mut behind = send(&mut connection, Kick::new(1));
        feed_early(&mut connection, input.as_bytes());
        assert_eq!(refusal(&mut connection, &mut put), error);
        let rest = written(&mut connection);
        assert_eq!(rest.len(), 99_992 + "kick 1\r\n".len());
        assert!(rest.ends_with(b"x\r\nkick 1\r\n"));
        feed_early(&mut connection, b"KICKED 7\r\n");
        assert_eq!(reply(&mut connection, &mut behind).unwrap(), 7);
        assert_in_sync(&mut connection);
    }
}

#[test]
fn a_put_cannot_be_refused_before_its_line_was_written() {
    let (mut connection, _put) = half_put(LINE - 1);
    feed_early(&mut connection, b"DRAINING\r\n");
    assert!(connection.is_ended());
}

#[test]
fn a_refusal_that_leaves_open_where_the_body_ends_poisons_as_ever() {
    let (mut connection, mut put) = half_put(LINE + 10);
    feed_early(&mut connection, b"BAD_FORMAT\r\n");
    let error = reply(&mut connection, &mut put).unwrap_err();
    assert!(matches!(error, Error::Protocol { error: ProtocolError::BodyRefused { .. }, .. }));
}

#[test]
fn behind_an_early_refusal_the_next_reply_may_not_be_early() {
    let (mut connection, _put) = half_put(LINE + 10);
    let _behind = send(&mut connection, Kick::new(1));
    feed_early(&mut connection, b"DRAINING\r\nKICKED 7\r\n");
    assert!(connection.is_ended());
}

#[test]
fn what_was_taken_and_not_reported_as_written_was_not_written() {
    let mut connection = connection();
    let mut ticket = send(&mut connection, Kick::new(1));
    assert_eq!(connection.take_transmit().unwrap(), b"kick 1\r\n");
    assert_eq!(connection.take_transmit(), None);
    assert_eq!(connection.lost(&ticket), Lost::Unknown, "it may be on its way");
    assert!(!connection.wants_transmit() && !connection.wants_flush() && !connection.is_flushed(&ticket));
    feed_early(&mut connection, b"KICKED 7\r\n");
    let error = reply(&mut connection, &mut ticket).unwrap_err();
    assert!(matches!(error, Error::Protocol { error: ProtocolError::EarlyReply { missing: 8, .. }, .. }));
}

#[test]
fn what_was_taken_and_reported_is_answered() {
    let mut connection = connection();
    let body = vec![b'x'; 5000];
    let at = body.as_ptr();
    let mut put = send(&mut connection, Put::of(body));
    let mut kick = send(&mut connection, Kick::new(1));
    let pieces: Vec<_> = std::iter::from_fn(|| connection.take_transmit()).collect();
    assert_eq!(pieces[0], b"put 1024 0 60 5000\r\n");
    assert_eq!(pieces[1].as_ptr(), at, "the body is its own allocation");
    assert_eq!(pieces[2], b"\r\nkick 1\r\n");
    for piece in &pieces {
        connection.transmitted(piece.len());
    }
    assert!(connection.wants_flush());
    feed_early(&mut connection, b"INSERTED 1\r\nKICKED 7\r\n");
    assert_eq!(reply(&mut connection, &mut put).unwrap().id().0, 1);
    assert_eq!(reply(&mut connection, &mut kick).unwrap(), 7);
}
