//! Explicit bounds, and what happens at them.

use beanstalk_proto::{
    Bury, Delete, Error, Full, JobId, Kick, ListTubes, Lost, Peek, PeekReady, ProtocolError, Put, Request, Reserve,
    ReserveWithTimeout, Reserved,
    client::{Connection, Limits, SendOptions},
};

use crate::harness::{NOW, assert_in_sync, at, decode, feed, full, late, limited, reply, send, written};

fn reply_limit(reply_body: usize) -> Connection {
    limited(Limits { reply_body, ..Limits::default() })
}

#[test]
fn a_reply_over_the_limit_is_discarded_and_its_job_can_be_buried() {
    for bytes in [101, 20_000, 300_000] {
        let mut input = format!("RESERVED 7 {bytes}\r\n").into_bytes();
        input.resize(input.len() + bytes, b'\n');
        input.extend_from_slice(b"\r\n");
        let setup = || {
            let mut connection = reply_limit(100);
            let ticket = send(&mut connection, Reserve::new());
            written(&mut connection);
            (connection, ticket)
        };
        let error = decode(setup, &input, |connection, ticket| reply(connection, ticket).unwrap_err());
        match &error {
            Error::ReplyTooBig { command: "reserve", id: Some(JobId(7)), bytes: announced, limit: 100 } => {
                assert_eq!(*announced, bytes as u64);
            }
            other => panic!("{other:?}"),
        }
        assert!(!error.is_fatal() && error.lost().is_none());

        let (mut connection, mut ticket) = setup();
        feed(&mut connection, &input);
        reply(&mut connection, &mut ticket).unwrap_err();
        let mut bury = send(&mut connection, Bury::new(7, 0));
        assert_eq!(written(&mut connection), b"bury 7 0\r\n");
        feed(&mut connection, b"BURIED\r\n");
        reply(&mut connection, &mut bury).unwrap();
        assert_in_sync(&mut connection);
    }
}

#[test]
fn a_reply_of_just_the_limit_is_kept() {
    let mut connection = reply_limit(5);
    let mut ticket = send(&mut connection, Peek::new(7));
    feed(&mut connection, b"FOUND 7 5\r\nhello\r\n");
    assert_eq!(reply(&mut connection, &mut ticket).unwrap().body, b"hello");
}

#[test]
fn a_discarded_list_has_no_job_to_name() {
    let mut connection = reply_limit(5);
    let mut ticket = send(&mut connection, ListTubes::new());
    feed(&mut connection, b"OK 6\r\n---\n-\n\r\n");
    let error = reply(&mut connection, &mut ticket).unwrap_err();
    assert!(matches!(error, Error::ReplyTooBig { id: None, bytes: 6, limit: 5, .. }), "{error:?}");
    assert_eq!(error.to_string(), "list-tubes: a reply of 6 bytes is over this client's limit of 5 bytes");
}

#[test]
fn a_peeked_job_over_the_limit_that_nobody_awaits_is_no_job_for_a_reserve() {
    let mut connection = reply_limit(5);
    let peek = send(&mut connection, Peek::new(7));
    connection.abandon(peek);
    feed(&mut connection, b"FOUND 7 6\r\n123456\r\n");
    let mut reserve = send(&mut connection, Reserve::new());
    assert_eq!(written(&mut connection), b"reserve\r\n");
    feed(&mut connection, b"RESERVED 8 0\r\n\r\n");
    assert!(matches!(reply(&mut connection, &mut reserve).unwrap(), Reserved::Job(job) if job.id == JobId(8)));
}

#[test]
fn a_job_over_the_limit_that_nobody_awaits_is_kept_until_there_is_room_to_report_it() {
    let mut connection = limited(Limits { reply_body: 5, in_flight: 1, ..Limits::default() });
    let abandoned = send(&mut connection, Reserve::new());
    connection.abandon(abandoned);
    feed(&mut connection, b"RESERVED 7 6\r\n123456\r\n");
    let mut kick = send(&mut connection, Kick::new(1));
    let mut behind = connection.send_with(NOW, Reserve::new(), SendOptions::default().beyond_limits()).unwrap();
    assert_eq!(written(&mut connection), b"kick 1\r\nreserve\r\n");
    feed(&mut connection, b"KICKED 1\r\nRESERVED 8 0\r\n\r\n");
    assert_eq!(reply(&mut connection, &mut kick).unwrap(), 1);
    assert!(matches!(reply(&mut connection, &mut behind).unwrap(), Reserved::Job(job) if job.id == JobId(8)));
    let mut next = send(&mut connection, ReserveWithTimeout::new(1));
    let error = reply(&mut connection, &mut next).unwrap_err();
    assert!(
        matches!(error, Error::ReplyTooBig { command: "reserve-with-timeout", id: Some(JobId(7)), bytes: 6, limit: 5 }),
        "{error:?}"
    );
    assert_in_sync(&mut connection);
}

#[test]
fn a_discarded_body_must_end_in_a_line_end_too() {
    let setup = || {
        let mut connection = reply_limit(2);
        let ticket = send(&mut connection, PeekReady::new());
        written(&mut connection);
        (connection, ticket)
    };
    for input in [&b"FOUND 7 5\r\nhelloXY"[..], b"FOUND 7 5\r\nhello\n\r", b"FOUND 7 5\r\nhell\r\n\r"] {
        let error = decode(setup, input, |connection, ticket| reply(connection, ticket).unwrap_err());
        assert!(
            matches!(
                error,
                Error::Protocol { error: ProtocolError::MissingCrlf { id: Some(JobId(7)), bytes: 5, .. }, .. }
            ),
            "{error:?}"
        );
    }
}

#[test]
fn replies_that_nobody_takes_have_a_limit_of_their_own() {
    let mut connection = limited(Limits { unclaimed_replies: 10, ..Limits::default() });
    let mut tickets: Vec<_> = (0..4).map(|_| send(&mut connection, PeekReady::new())).collect();
    written(&mut connection);
    feed(&mut connection, b"FOUND 1 6\r\n123456\r\nFOUND 2 4\r\n1234\r\nFOUND 3 1\r\n1\r\nFOUND 4 0\r\n\r\n");
    let results: Vec<_> = tickets.iter_mut().rev().map(|ticket| reply(&mut connection, ticket)).collect();
    assert!(results[0].is_ok(), "an empty body takes no room");
    assert!(matches!(results[1], Err(Error::ReplyTooBig { id: Some(JobId(3)), bytes: 1, limit: 10, .. })));
    assert!(results[2].is_ok() && results[3].is_ok());
    let mut next = send(&mut connection, PeekReady::new());
    feed(&mut connection, b"FOUND 5 10\r\n1234567890\r\n");
    assert!(reply(&mut connection, &mut next).is_ok(), "what was taken counts no longer");
}

#[test]
fn the_first_unclaimed_reply_is_always_kept() {
    let mut connection = limited(Limits { unclaimed_replies: 1, ..Limits::default() });
    let mut ticket = send(&mut connection, PeekReady::new());
    feed(&mut connection, b"FOUND 5 10\r\n1234567890\r\n");
    assert!(reply(&mut connection, &mut ticket).is_ok());
}

#[test]
fn requests_in_flight_are_limited_until_replies_are_taken() {
    let mut connection = limited(Limits { in_flight: 2, ..Limits::default() });
    let mut first = send(&mut connection, Kick::new(1));
    let _second = send(&mut connection, Kick::new(2));
    let reached = Full::InFlight { limit: 2 };
    assert_eq!(full(connection.send(NOW, Kick::new(3))), reached);
    assert_eq!(full(connection.check_send(&Kick::new(3).expect())), reached);
    assert_eq!(written(&mut connection), b"kick 1\r\nkick 2\r\n");
    feed(&mut connection, b"KICKED 1\r\n");
    assert_eq!(full(connection.send(NOW, Kick::new(3))), reached, "the reply is here, but nobody took it");
    reply(&mut connection, &mut first).unwrap();
    let _third = send(&mut connection, Kick::new(3));
    let error = Error::from(reached);
    assert!(!error.is_fatal() && error.lost() == Some(Lost::NotSent));
}

#[test]
fn bytes_queued_are_limited_until_they_are_written() {
    let mut connection = limited(Limits { queued: 30, ..Limits::default() });
    let _first = send(&mut connection, Put::of("hello"));
    assert_eq!(connection.queued(), 24);
    assert_eq!(full(connection.send(NOW, Put::of("hello"))), Full::Queued { bytes: 24, limit: 30 });
    assert_eq!(connection.queued(), 24, "nothing of it was queued");
    connection.transmitted(20);
    let _second = send(&mut connection, Put::of("hello"));
    assert_eq!(full(connection.send(NOW, Delete::new(1))), Full::Queued { bytes: 28, limit: 30 });
    assert_eq!(written(&mut connection), b"lo\r\nput 1024 0 60 5\r\nhello\r\n");
}

#[test]
fn a_queue_can_be_filled_to_its_very_limit() {
    let mut connection = limited(Limits { queued: 16, ..Limits::default() });
    let _kicks = [send(&mut connection, Kick::new(1)), send(&mut connection, Kick::new(2))];
    assert_eq!(connection.queued(), 16);
    let reached = Full::Queued { bytes: 16, limit: 16 };
    assert_eq!(full(connection.send(NOW, Kick::new(3))), reached);
    assert_eq!(full(connection.check_send(&Kick::new(3).expect())), reached);
}

#[test]
fn requests_beyond_the_limits_count_for_those_behind_them() {
    let mut connection = limited(Limits { in_flight: 1, ..Limits::default() });
    let _kick = send(&mut connection, Kick::new(1));
    let _beyond = connection.send_with(NOW, Kick::new(2), SendOptions::default().beyond_limits()).unwrap();
    assert_eq!(full(connection.send(NOW, Kick::new(3))), Full::InFlight { limit: 1 });
}

#[test]
fn a_reserve_takes_over_a_slot_only_if_there_is_room_for_its_claim() {
    let mut connection = limited(Limits { in_flight: 1, ..Limits::default() });
    let abandoned = send(&mut connection, ReserveWithTimeout::new(9));
    connection.abandon(abandoned);
    let mut kick = connection.send_with(NOW, Kick::new(1), SendOptions::default().beyond_limits()).unwrap();
    assert_eq!(full(connection.send(NOW, Reserve::new())), Full::InFlight { limit: 1 });
    late(&mut connection, at(14));
    assert!(matches!(reply(&mut connection, &mut kick), Err(Error::TimedOut { .. })));
    let _reserve = send(&mut connection, Reserve::new());
    assert_eq!(written(&mut connection), b"reserve-with-timeout 9\r\nkick 1\r\n");
}

#[test]
fn an_empty_queue_takes_a_single_request_of_any_length() {
    let mut connection = limited(Limits { queued: 10, ..Limits::default() });
    let _ticket = send(&mut connection, Put::of(vec![b'x'; 10_000]));
    assert!(matches!(connection.send(NOW, Delete::new(1)), Err(Error::Full(Full::Queued { limit: 10, .. }))));
    assert!(matches!(full(connection.check_send(&Delete::new(1).expect())), Full::Queued { limit: 10, .. }));
}

#[test]
fn a_reply_abandoned_unread_counts_no_longer() {
    let mut connection = limited(Limits { unclaimed_replies: 10, ..Limits::default() });
    let abandoned = send(&mut connection, PeekReady::new());
    let (mut first, mut second) = (send(&mut connection, PeekReady::new()), send(&mut connection, PeekReady::new()));
    written(&mut connection);
    feed(&mut connection, b"FOUND 1 8\r\n12345678\r\n");
    connection.abandon(abandoned);
    feed(&mut connection, b"FOUND 2 1\r\n1\r\nFOUND 3 9\r\n123456789\r\n");
    assert!(reply(&mut connection, &mut first).is_ok() && reply(&mut connection, &mut second).is_ok());
}
