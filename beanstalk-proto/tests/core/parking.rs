//! A job that arrived for nobody is handed over once `touch` has confirmed that it is still ours.

use beanstalk_proto::{
    CommandError, Delete, Error, Reserve, ReserveJob, ReserveWithTimeout, Reserved,
    client::{Connection, Limits},
};

use crate::harness::{
    NOW, assert_in_sync, decode, feed, is_pending, limited, nothing_unread, refusal, reply, send, sent, take_over,
    written,
};

/// A connection that holds job 7 for nobody.
fn parked() -> Connection {
    let (mut connection, ticket) = sent(Reserve::new());
    connection.abandon(ticket);
    feed(&mut connection, b"RESERVED 7 5\r\nhello\r\n");
    assert_eq!(connection.in_flight(), 0);
    connection
}

fn id(reserved: Reserved) -> Option<u64> {
    reserved.job().map(|job| job.id.0)
}

#[test]
fn the_next_reserve_touches_the_parked_job_first() {
    for timeout in [false, true] {
        let setup = || {
            let mut connection = parked();
            let ticket = match timeout {
                true => send(&mut connection, ReserveWithTimeout::new(0)),
                false => send(&mut connection, Reserve::new()),
            };
            assert_eq!(written(&mut connection), b"touch 7\r\n");
            (connection, ticket)
        };
        let job = decode(setup, b"TOUCHED\r\n", |connection, ticket| reply(connection, ticket).unwrap());
        assert!(matches!(job, Reserved::Job(job) if job.id.0 == 7 && job.body == b"hello"));
    }
}

#[test]
fn a_parked_job_that_is_no_longer_ours_is_dropped_and_the_reserve_begins() {
    let mut connection = parked();
    let mut ticket = send(&mut connection, ReserveWithTimeout::new(4));
    assert_eq!(written(&mut connection), b"touch 7\r\n");
    feed(&mut connection, b"NOT_FOUND\r\n");
    assert!(is_pending(&mut connection, &mut ticket));
    assert_eq!(written(&mut connection), b"reserve-with-timeout 4\r\n");
    feed(&mut connection, b"RESERVED 8 0\r\n\r\n");
    assert_eq!(id(reply(&mut connection, &mut ticket).unwrap()), Some(8));
    assert!(connection.take_orphaned().is_empty());
    assert_in_sync(&mut connection);

    let mut connection = parked();
    let mut ticket = send(&mut connection, Reserve::new());
    written(&mut connection);
    feed(&mut connection, b"NOT_FOUND\r\n");
    assert_eq!(written(&mut connection), b"reserve\r\n");
    assert!(connection.send(NOW, Delete::new(1)).is_err(), "now it waits");
    feed(&mut connection, b"RESERVED 8 0\r\n\r\n");
    assert_eq!(id(reply(&mut connection, &mut ticket).unwrap()), Some(8));
}

#[test]
fn a_wrong_answer_to_the_touch_poisons() {
    for input in [&b"RESERVED 7 5\r\n"[..], b"DELETED\r\n", b"TIMED_OUT\r\n"] {
        let mut connection = parked();
        let mut ticket = send(&mut connection, Reserve::new());
        written(&mut connection);
        feed(&mut connection, input);
        let error = reply(&mut connection, &mut ticket).unwrap_err();
        assert!(error.to_string().starts_with("the server answered touch with"), "{error}");
    }
}

#[test]
fn trouble_of_the_servers_own_keeps_the_job_for_later() {
    let mut connection = parked();
    let mut ticket = send(&mut connection, Reserve::new());
    written(&mut connection);
    feed(&mut connection, b"OUT_OF_MEMORY\r\n");
    assert_eq!(refusal(&mut connection, &mut ticket), CommandError::OutOfMemory);
    assert_eq!(connection.take_orphaned().len(), 1);
}

#[test]
fn reserve_job_asked_for_a_certain_job_and_leaves_the_parked_one() {
    let mut connection = parked();
    let mut ticket = send(&mut connection, ReserveJob::new(9));
    assert_eq!(written(&mut connection), b"reserve-job 9\r\n");
    feed(&mut connection, b"RESERVED 9 0\r\n\r\n");
    assert_eq!(reply(&mut connection, &mut ticket).unwrap().id.0, 9);
    assert_eq!(connection.take_orphaned()[0].id.0, 7);
}

#[test]
fn other_requests_may_be_sent_while_a_job_is_confirmed() {
    let mut connection = parked();
    let mut ticket = send(&mut connection, Reserve::new());
    let mut delete = send(&mut connection, Delete::new(1));
    assert_eq!(written(&mut connection), b"touch 7\r\ndelete 1\r\n");
    feed(&mut connection, b"NOT_FOUND\r\nDELETED\r\n");
    reply(&mut connection, &mut delete).unwrap();
    assert_eq!(written(&mut connection), b"reserve\r\n");
    feed(&mut connection, b"RESERVED 8 0\r\n\r\n");
    assert_eq!(id(reply(&mut connection, &mut ticket).unwrap()), Some(8));
}

#[test]
fn abandoned_while_confirming_the_job_is_parked_again() {
    let mut connection = parked();
    let ticket = send(&mut connection, Reserve::new());
    written(&mut connection);
    connection.abandon(ticket);
    feed(&mut connection, b"TOUCHED\r\n");
    assert_eq!(connection.in_flight(), 0);
    assert_eq!(connection.take_orphaned()[0].id.0, 7);
    assert_in_sync(&mut connection);
}

#[test]
fn abandoned_while_confirming_a_job_that_is_gone_leaves_nothing() {
    let mut connection = parked();
    let ticket = send(&mut connection, Reserve::new());
    written(&mut connection);
    connection.abandon(ticket);
    feed(&mut connection, b"NOT_FOUND\r\n");
    assert_eq!((connection.in_flight(), connection.queued()), (0, 0));
    assert!(connection.take_orphaned().is_empty());
    assert_in_sync(&mut connection);
}

#[test]
fn a_confirmation_for_nobody_is_taken_over_by_the_next_reserve() {
    for (answer, expected) in [("TOUCHED\r\n", 7), ("NOT_FOUND\r\n", 8)] {
        let mut connection = parked();
        let ticket = send(&mut connection, Reserve::new());
        written(&mut connection);
        connection.abandon(ticket);
        let mut ticket = take_over(&mut connection, ReserveWithTimeout::new(2));
        assert_eq!((connection.queued(), connection.in_flight()), (0, 1), "the touch is under way");
        feed(&mut connection, answer.as_bytes());
        if expected == 8 {
            assert_eq!(written(&mut connection), b"reserve-with-timeout 2\r\n");
            feed(&mut connection, b"RESERVED 8 0\r\n\r\n");
        }
        assert_eq!(id(reply(&mut connection, &mut ticket).unwrap()), Some(expected));
    }
}

#[test]
fn a_confirmation_that_was_unread_when_it_was_taken_over_is_asked_for_again() {
    let mut connection = parked();
    let ticket = send(&mut connection, Reserve::new());
    written(&mut connection);
    connection.abandon(ticket);
    let mut ticket = send(&mut connection, Reserve::new());
    feed(&mut connection, b"TOUCHED\r\n");
    assert!(is_pending(&mut connection, &mut ticket));
    assert_eq!(written(&mut connection), b"touch 7\r\n", "the first may be long ago");
    feed(&mut connection, b"TOUCHED\r\n");
    assert_eq!(id(reply(&mut connection, &mut ticket).unwrap()), Some(7));
}

#[test]
fn a_parked_job_stays_parked_while_a_waiting_reserve_is_taken_over() {
    let mut connection = parked();
    // Two reserves in a row for nobody: the second, with a timeout, was sent behind the first.
    let first = send(&mut connection, ReserveWithTimeout::new(9));
    let second = send(&mut connection, ReserveWithTimeout::new(9));
    assert_eq!(written(&mut connection), b"touch 7\r\nreserve-with-timeout 9\r\n");
    connection.abandon(first);
    connection.abandon(second);
    feed(&mut connection, b"TOUCHED\r\n");
    let mut ticket = take_over(&mut connection, ReserveWithTimeout::new(1));
    assert_eq!(connection.queued(), 0, "it takes over the one that waits");
    feed(&mut connection, b"RESERVED 8 0\r\n\r\n");
    assert_eq!(id(reply(&mut connection, &mut ticket).unwrap()), Some(8));
    assert_eq!(connection.take_orphaned()[0].id.0, 7, "the parked job is not lost");
}

#[test]
fn a_parked_job_is_not_held_up_behind_a_reserve_that_waits_without_end() {
    for abandoned in [false, true] {
        let mut connection = parked();
        let first = send(&mut connection, ReserveJob::new(9));
        let old = send(&mut connection, ReserveWithTimeout::new(0));
        assert_eq!(written(&mut connection), b"reserve-job 9\r\ntouch 7\r\n");
        feed(&mut connection, b"NOT_FOUND\r\nNOT_FOUND\r\n");
        assert_eq!(written(&mut connection), b"reserve-with-timeout 0\r\n");
        connection.abandon(first);
        connection.abandon(old);
        let mut ticket = send(&mut connection, ReserveWithTimeout::new(5));
        let behind = send(&mut connection, Reserve::new());
        assert_eq!(written(&mut connection), b"reserve\r\n");
        let mut behind = Some(behind);
        if abandoned {
            connection.abandon(behind.take().unwrap());
        }
        // It was unread, so it is to be confirmed; but the server reads nothing now.
        feed(&mut connection, b"RESERVED 8 1\r\nx\r\n");
        let sent = written(&mut connection);
        assert_eq!(connection.take_orphaned()[0].id.0, 8, "it is not held up");
        if abandoned {
            assert_eq!(sent, b"", "it takes over the one that waits");
            nothing_unread(&mut connection);
        } else {
            assert_eq!(sent, b"reserve-with-timeout 5\r\n");
            feed(&mut connection, b"RESERVED 10 1\r\nx\r\n");
        }
        feed(&mut connection, b"RESERVED 11 1\r\nx\r\n");
        assert_eq!(id(reply(&mut connection, &mut ticket).unwrap()), Some(11));
    }
}

#[test]
fn parked_jobs_are_handed_over_in_the_order_in_which_they_came() {
    let mut connection = parked();
    let other = send(&mut connection, ReserveJob::new(9));
    written(&mut connection);
    connection.abandon(other);
    feed(&mut connection, b"RESERVED 9 0\r\n\r\n");
    for expected in [7, 9] {
        let mut ticket = send(&mut connection, Reserve::new());
        assert_eq!(written(&mut connection), format!("touch {expected}\r\n").as_bytes());
        feed(&mut connection, b"TOUCHED\r\n");
        assert_eq!(id(reply(&mut connection, &mut ticket).unwrap()), Some(expected));
    }
}

#[test]
fn a_parked_job_counts_as_unclaimed_until_it_is_taken() {
    let mut connection = limited(Limits { unclaimed_replies: 10, ..Limits::default() });
    let ticket = send(&mut connection, Reserve::new());
    written(&mut connection);
    connection.abandon(ticket);
    feed(&mut connection, b"RESERVED 7 8\r\n12345678\r\n");
    let mut confirming = send(&mut connection, Reserve::new());
    let mut peek = send(&mut connection, beanstalk_proto::PeekReady::new());
    written(&mut connection);
    feed(&mut connection, b"TOUCHED\r\nFOUND 9 3\r\nabc\r\n");
    let error = reply(&mut connection, &mut peek).unwrap_err();
    assert!(matches!(error, Error::ReplyTooBig { bytes: 3, limit: 10, .. }), "{error:?}");
    assert_eq!(id(reply(&mut connection, &mut confirming).unwrap()), Some(7));

    let mut peek = send(&mut connection, beanstalk_proto::PeekReady::new());
    feed(&mut connection, b"FOUND 9 10\r\n1234567890\r\n");
    reply(&mut connection, &mut peek).expect("taken, it counts no longer");
}

#[test]
fn a_parked_job_that_is_gone_counts_no_longer() {
    let mut connection = limited(Limits { unclaimed_replies: 10, ..Limits::default() });
    let ticket = send(&mut connection, Reserve::new());
    written(&mut connection);
    connection.abandon(ticket);
    feed(&mut connection, b"RESERVED 7 8\r\n12345678\r\n");
    let mut reserve = send(&mut connection, ReserveWithTimeout::new(0));
    written(&mut connection);
    feed(&mut connection, b"NOT_FOUND\r\n");
    written(&mut connection);
    feed(&mut connection, b"RESERVED 8 8\r\n12345678\r\n");
    assert_eq!(id(reply(&mut connection, &mut reserve).unwrap()), Some(8));
    // Otherwise 8 of the 10 would be in use.
    let mut first = send(&mut connection, beanstalk_proto::PeekReady::new());
    let mut second = send(&mut connection, beanstalk_proto::PeekReady::new());
    feed(&mut connection, b"FOUND 1 1\r\nx\r\nFOUND 2 9\r\n123456789\r\n");
    reply(&mut connection, &mut second).unwrap();
    reply(&mut connection, &mut first).unwrap();
}

#[test]
fn a_parked_job_that_was_taken_out_counts_no_longer() {
    let mut connection = limited(Limits { unclaimed_replies: 10, ..Limits::default() });
    let ticket = send(&mut connection, Reserve::new());
    written(&mut connection);
    connection.abandon(ticket);
    feed(&mut connection, b"RESERVED 7 8\r\n12345678\r\n");
    assert_eq!(connection.take_orphaned().len(), 1);
    // Otherwise 8 of the 10 would be in use.
    let mut first = send(&mut connection, beanstalk_proto::PeekReady::new());
    let mut second = send(&mut connection, beanstalk_proto::PeekReady::new());
    feed(&mut connection, b"FOUND 1 1\r\nx\r\nFOUND 2 9\r\n123456789\r\n");
    reply(&mut connection, &mut second).unwrap();
    reply(&mut connection, &mut first).unwrap();
}

#[test]
fn a_parked_job_whose_body_was_too_big_is_reported_to_the_next_reserve() {
    let mut connection = limited(Limits { reply_body: 4, ..Limits::default() });
    let ticket = send(&mut connection, Reserve::new());
    written(&mut connection);
    connection.abandon(ticket);
    feed(&mut connection, b"RESERVED 7 5\r\nhello\r\n");
    assert!(connection.take_orphaned().is_empty(), "there is no body to give");
    let mut ticket = send(&mut connection, Reserve::new());
    assert_eq!(connection.queued(), 0);
    let error = reply(&mut connection, &mut ticket).unwrap_err();
    assert!(matches!(error, Error::ReplyTooBig { id: Some(id), bytes: 5, limit: 4, .. } if id.0 == 7), "{error:?}");
    assert_in_sync(&mut connection);
}

#[test]
fn that_a_parked_job_was_too_big_is_reported_although_another_reserve_waits() {
    let mut connection = limited(Limits { reply_body: 4, ..Limits::default() });
    let first = send(&mut connection, ReserveWithTimeout::new(0));
    let second = send(&mut connection, Reserve::new());
    written(&mut connection);
    connection.abandon(first);
    connection.abandon(second);
    feed(&mut connection, b"RESERVED 7 5\r\nhello\r\n");
    let mut ticket = send(&mut connection, Reserve::new());
    let error = reply(&mut connection, &mut ticket).unwrap_err();
    assert!(matches!(error, Error::ReplyTooBig { id: Some(id), .. } if id.0 == 7), "{error:?}");
}
