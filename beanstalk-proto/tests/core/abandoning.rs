//! A caller that goes away leaves the connection in sync, and no job behind.

use std::task::Poll;

use beanstalk_proto::{
    Command, Delete, JobId, Kick, Peek, PeekReady, Put, Raw, Reserve, ReserveJob, ReserveWithTimeout, Stats,
};

use crate::harness::{assert_in_sync, connection, decode, feed, is_pending, reply, send, sent, written};

#[test]
fn the_reply_to_an_abandoned_request_is_consumed_when_it_comes() {
    let setup = || {
        let mut connection = connection();
        let abandoned = send(&mut connection, Kick::new(1));
        let kept = send(&mut connection, Kick::new(2));
        written(&mut connection);
        connection.abandon(abandoned);
        (connection, kept)
    };
    decode(setup, b"KICKED 1\r\nKICKED 2\r\n", |connection, kept| {
        assert_eq!(reply(connection, kept).unwrap(), 2);
        assert!(connection.take_orphaned().is_empty());
    });
}

#[test]
fn a_request_abandoned_before_it_was_written_is_still_written_whole() {
    let mut connection = connection();
    let ticket = send(&mut connection, Put::of("hello"));
    connection.transmitted(3);
    connection.abandon(ticket);
    assert_eq!(written(&mut connection), b" 1024 0 60 5\r\nhello\r\n");
    feed(&mut connection, b"INSERTED 1\r\n");
    assert_eq!(connection.in_flight(), 0);
    assert_in_sync(&mut connection);
}

#[test]
fn a_reply_abandoned_unread_is_dropped() {
    for input in [&b"FOUND 7 5\r\nhello\r\n"[..], b"NOT_FOUND\r\n"] {
        let (mut connection, ticket) = sent(Peek::new(7));
        feed(&mut connection, input);
        connection.abandon(ticket);
        assert_eq!(connection.in_flight(), 0);
        assert!(connection.take_orphaned().is_empty());
        assert_in_sync(&mut connection);
    }
}

#[test]
fn a_request_abandoned_in_the_middle_of_its_reply_is_consumed_to_the_end() {
    let input = b"FOUND 7 5\r\nhello\r\n";
    for at in 0..=input.len() {
        let (mut connection, ticket) = sent(PeekReady::new());
        feed(&mut connection, &input[..at]);
        connection.abandon(ticket);
        feed(&mut connection, &input[at..]);
        assert_eq!(connection.in_flight(), 0);
        assert_in_sync(&mut connection);
    }
}

#[test]
fn a_wrong_reply_to_an_abandoned_request_poisons_nevertheless() {
    let (mut connection, ticket) = sent(Delete::new(1));
    connection.abandon(ticket);
    feed(&mut connection, b"KICKED 1\r\n");
    assert!(connection.is_ended());
}

#[test]
fn an_abandoned_timed_out_or_deadline_soon_is_dropped() {
    for input in [&b"TIMED_OUT\r\n"[..], b"DEADLINE_SOON\r\n"] {
        let (mut connection, ticket) = sent(ReserveWithTimeout::new(5));
        connection.abandon(ticket);
        feed(&mut connection, input);
        assert_eq!(connection.in_flight(), 0);
        let mut next = send(&mut connection, ReserveWithTimeout::new(5));
        assert_eq!(written(&mut connection), b"reserve-with-timeout 5\r\n");
        assert!(is_pending(&mut connection, &mut next));
    }
}

#[test]
fn a_job_that_reaches_nobody_is_an_orphan_whatever_command_it_answers() {
    type Send = fn(&mut beanstalk_proto::client::Connection);
    let commands: [Send; 6] = [
        |connection| {
            let ticket = send(connection, Reserve::new());
            connection.abandon(ticket);
        },
        |connection| {
            let ticket = send(connection, ReserveWithTimeout::new(9));
            connection.abandon(ticket);
        },
        |connection| {
            let ticket = send(connection, ReserveJob::new(7));
            connection.abandon(ticket);
        },
        |connection| {
            let ticket = send(connection, Raw::new("reserve-job 7"));
            connection.abandon(ticket);
        },
        |connection| {
            let ticket = send(connection, Raw::new("reserve"));
            connection.abandon(ticket);
        },
        |connection| {
            let ticket = send(connection, Command::ReserveJob { id: JobId(7) });
            connection.abandon(ticket);
        },
    ];
    for command in commands {
        let setup = || {
            let mut connection = connection();
            command(&mut connection);
            written(&mut connection);
            (connection, ())
        };
        let jobs = decode(setup, b"RESERVED 7 5\r\nhello\r\n", |connection, ()| connection.take_orphaned());
        assert_eq!(jobs.iter().map(|job| (job.id.0, &job.body[..])).collect::<Vec<_>>(), [(7, &b"hello"[..])]);
    }
}

#[test]
fn a_job_abandoned_unread_is_an_orphan_once() {
    let (mut connection, ticket) = sent(Reserve::new());
    feed(&mut connection, b"RESERVED 7 1\r\nx\r\n");
    connection.abandon(ticket);
    assert_eq!(connection.take_orphaned().len(), 1);
    assert!(connection.take_orphaned().is_empty());
    let mut next = send(&mut connection, Reserve::new());
    assert_eq!(written(&mut connection), b"reserve\r\n", "nothing is left to confirm");
    assert!(is_pending(&mut connection, &mut next));
}

#[test]
fn abandoning_every_request_at_every_byte_of_its_answer_leaves_the_connection_in_sync() {
    let input = b"INSERTED 1\r\nRESERVED 1 3\r\nabc\r\nOK 4\r\n---\n\r\nNOT_FOUND\r\n";
    for at in 0..=input.len() {
        for which in 0..4 {
            let mut connection = connection();
            let put = send(&mut connection, Put::of("x"));
            let reserve = send(&mut connection, ReserveWithTimeout::new(0));
            let stats = send(&mut connection, Stats::new());
            let delete = send(&mut connection, Delete::new(9));
            written(&mut connection);
            feed(&mut connection, &input[..at]);
            match which {
                0 => connection.abandon(put),
                1 => connection.abandon(reserve),
                2 => connection.abandon(stats),
                _ => connection.abandon(delete),
            }
            feed(&mut connection, &input[at..]);
            assert_eq!(connection.take_orphaned().len(), usize::from(which == 1));
            assert_in_sync(&mut connection);
        }
    }
}

#[test]
fn a_poll_changes_nothing_until_the_reply_is_here() {
    let (mut connection, mut ticket) = sent(Delete::new(1));
    for byte in b"DELETED\r" {
        feed(&mut connection, &[*byte]);
        assert!(matches!(connection.poll_reply(&mut ticket), Poll::Pending));
    }
    feed(&mut connection, b"\n");
    reply(&mut connection, &mut ticket).unwrap();
}
