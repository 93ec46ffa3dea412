//! What the connection does as time goes on: commands and their answers, the end of either side, misuse.

use alloc::vec;

use super::*;

fn fed(input: &[u8]) -> Connection {
    let mut connection = Connection::new(Config::default());
    connection.receive_buf()[..input.len()].copy_from_slice(input);
    connection.received(input.len());
    connection
}

fn written(connection: &mut Connection) -> Vec<u8> {
    let bytes = connection.transmit().collect::<Vec<_>>().concat();
    connection.transmitted(bytes.len());
    bytes
}

#[test]
fn what_follows_an_unanswered_command_waits() {
    let mut connection = fed(b"reserve\r\ndelete 1\r\n");
    assert_eq!(connection.poll_event(), Some(Event::Command(Command::Reserve)));
    assert!(connection.is_unanswered());
    assert_eq!(connection.poll_event(), None);

    connection.respond(Reply::TimedOut);
    assert_eq!(connection.poll_event(), Some(Event::Command(Command::Delete { id: JobId(1) })));
    connection.respond(Reply::Deleted);
    assert!(connection.wants_input());
    assert_eq!(written(&mut connection), b"TIMED_OUT\r\nDELETED\r\n");
}

#[test]
fn the_end_of_the_input_is_reported_while_a_command_is_unanswered() {
    let mut connection = fed(b"reserve\r\ndelete 1\r\n");
    assert_eq!(connection.poll_event(), Some(Event::Command(Command::Reserve)));
    connection.received_eof();
    assert_eq!(connection.poll_event(), Some(Event::HalfClosed));
    assert_eq!(connection.poll_event(), None);
    connection.respond(Reply::TimedOut);
    assert_eq!(connection.poll_event(), Some(Event::Command(Command::Delete { id: JobId(1) })));
    connection.respond(Reply::NotFound);
    // It ends only when everything was written.
    assert_eq!(connection.poll_event(), None);
    assert_eq!(written(&mut connection), b"TIMED_OUT\r\nNOT_FOUND\r\n");
    assert_eq!(connection.poll_event(), Some(Event::Closed));
    assert!(connection.is_closed());
    assert_eq!(connection.poll_event(), None);
}

#[test]
fn input_is_taken_while_a_command_is_unanswered_until_the_buffer_is_full() {
    let mut connection = fed(b"reserve\r\n");
    assert_eq!(connection.poll_event(), Some(Event::Command(Command::Reserve)));
    let (input, mut taken) = (b"delete 1\r\n".repeat(1000), 0);
    while connection.wants_input() {
        let room = connection.receive_buf();
        assert!(!room.is_empty());
        let n = room.len().min(500);
        room[..n].copy_from_slice(&input[taken..taken + n]);
        connection.received(n);
        taken += n;
        assert_eq!(connection.poll_event(), None);
    }
    assert_eq!(taken, 8 * 1024);
    assert!(connection.receive_buf().is_empty());
    connection.respond(Reply::TimedOut);
    assert!(!connection.wants_input(), "what is here comes first");
    for _ in 0..taken / 10 {
        assert_eq!(connection.poll_event(), Some(Event::Command(Command::Delete { id: JobId(1) })));
        connection.respond(Reply::Deleted);
        connection.transmitted(connection.backlog());
    }
}

#[test]
fn the_end_of_a_peer_shows_while_its_reserve_waits() {
    let mut connection = fed(b"reserve\r\n");
    connection.poll_event();
    assert!(connection.wants_input(), "so the end is read");
    connection.received_eof();
    assert_eq!(connection.poll_event(), Some(Event::HalfClosed));
    assert!(!connection.wants_input());
}

#[test]
fn bytes_handed_over_are_taken_as_far_as_there_is_room() {
    let mut connection = Connection::new(Config::default());
    let input = b"reserve\r\n".repeat(2000);
    let mut rest = &input[..];
    let mut events = 0;
    while !rest.is_empty() {
        rest = &rest[connection.receive(rest)..];
        while let Some(Event::Command(Command::Reserve)) = connection.poll_event() {
            events += 1;
            connection.respond(Reply::TimedOut);
            let bytes = connection.take_transmit().unwrap();
            assert_eq!((&bytes[..], connection.backlog()), (&b"TIMED_OUT\r\n"[..], 11), "taken, and not written");
            connection.transmitted(11);
        }
    }
    assert_eq!(events, 2000);
}

#[test]
fn a_transport_that_failed_closes_at_once() {
    let mut connection = fed(b"delete 1\r\ndelete 2\r\n");
    connection.poll_event();
    connection.respond(Reply::Deleted);
    connection.abort();
    assert!(!connection.wants_input() && !connection.wants_transmit());
    assert_eq!(connection.poll_event(), Some(Event::Closed));
    assert_eq!(connection.poll_event(), None);
}

/// What misuse comes to: a panic with debug assertions, and the end of the connection without.
fn misuse(connection: &mut Connection, misuse: impl FnOnce(&mut Connection)) {
    let misused = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| misuse(connection)));
    assert_eq!(misused.is_err(), cfg!(debug_assertions));
    if !cfg!(debug_assertions) {
        assert_eq!(connection.poll_event(), Some(Event::Closed));
    }
}

#[test]
fn more_reported_than_was_lent_or_queued_is_caught() {
    misuse(&mut fed(b""), |connection| {
        let room = connection.receive_buf().len();
        connection.received(room + 1);
    });
    misuse(&mut fed(b"reserve\r\n"), |connection| connection.received(9));
    misuse(&mut fed(b""), |connection| connection.transmitted(1));
}

#[test]
fn replies_owed_are_written_before_a_quit_ends_the_connection() {
    let mut connection = fed(b"delete 1\r\nquit\r\n");
    connection.poll_event();
    connection.respond(Reply::Deleted);
    assert_eq!(connection.poll_event(), None);
    assert!(!connection.wants_input());
    connection.transmitted(3);
    assert_eq!(connection.poll_event(), None);
    assert_eq!(written(&mut connection), b"ETED\r\n");
    assert_eq!(connection.poll_event(), Some(Event::Closed));
}

#[test]
fn a_peer_that_does_not_read_is_not_listened_to() {
    let config = Config { max_backlog: 100, ..Config::default() };
    let mut connection = Connection::new(config);
    let input = b"peek 1\r\npeek 2\r\n";
    connection.receive_buf()[..input.len()].copy_from_slice(input);
    connection.received(input.len());
    assert!(connection.poll_event().is_some());
    connection.respond(Reply::Found(Job { id: JobId(1), body: vec![b'x'; 200] }));

    assert_eq!(connection.poll_event(), None);
    assert!(!connection.wants_input());
    connection.transmitted(connection.backlog() - 100);
    assert_eq!(connection.poll_event(), Some(Event::Command(Command::Peek { id: JobId(2) })));
}

#[test]
fn replies_with_large_bodies_are_written_as_they_are() {
    for len in [0, 5, 4095, 4096, 100_000] {
        let mut connection = fed(b"peek 1\r\n");
        connection.poll_event();
        let reply = Reply::Found(Job { id: JobId(1), body: vec![b'x'; len] });
        let mut expected = Vec::new();
        reply.encode(&mut expected);
        connection.respond(reply);
        let pieces = if len < 4096 { 1 } else { 3 };
        assert_eq!(connection.transmit().count(), pieces, "a small body is joined with its lines");
        assert_eq!(written(&mut connection), expected);
    }
}

#[test]
fn it_shows_what_it_waits_for() {
    let mut connection = fed(b"delete 1\r\nquit\r\n");
    assert!(!connection.is_unanswered() && !connection.wants_transmit());
    assert!(connection.poll_event().is_some());
    assert!(connection.is_unanswered() && !connection.wants_transmit());
    connection.respond(Reply::Deleted);
    assert!(!connection.is_unanswered() && connection.wants_transmit());
    assert_eq!(connection.poll_event(), None);
    assert!(!connection.is_closed(), "a reply is owed");
    written(&mut connection);
    assert!(!connection.wants_transmit());
    assert_eq!(connection.poll_event(), Some(Event::Closed));
    assert!(connection.is_closed());
}

#[test]
fn an_answer_to_nothing_is_not_sent() {
    let mut connection = fed(b"");
    connection.respond(Reply::Deleted);
    assert_eq!(connection.backlog(), 0);
}

#[test]
fn a_waiting_peer_that_announced_a_large_body_costs_little() {
    let mut connection = Connection::new(Config { max_job_size: 1 << 30, ..Config::default() });
    let line = b"put 0 0 60 1073741824\r\n";
    connection.receive_buf()[..line.len()].copy_from_slice(line);
    connection.received(line.len());
    assert_eq!(connection.poll_event(), Some(ANNOUNCED));
    assert_eq!(connection.poll_event(), None);
    assert!(connection.receive_buf().len() <= 64 * 1024);
}
