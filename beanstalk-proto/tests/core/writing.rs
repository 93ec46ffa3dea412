//! What goes out: whole requests, in order, whatever the transport takes at a time; and when a request counts as handed
//! out.

use beanstalk_proto::{ArgumentError, Delete, Error, Kick, Put, Use, Watch, client::Connection};

use crate::harness::{NOW, Random, at, connection, feed, late, reply, send, written};

fn drain(connection: &mut Connection, mut next: impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut out = Vec::new();
    while connection.wants_transmit() {
        let segments: Vec<&[u8]> = connection.transmit().collect();
        assert!(segments.iter().all(|segment| !segment.is_empty()));
        let waiting = segments.concat();
        assert_eq!(waiting.len(), connection.queued());
        let n = next(waiting.len()).clamp(1, waiting.len());
        out.extend_from_slice(&waiting[..n]);
        connection.transmitted(n);
    }
    out
}

/// Small and large bodies, borrowed and moved.
fn mixed(connection: &mut Connection) -> Vec<u8> {
    let mut expected = Vec::new();
    for (n, len) in [0_usize, 5, 4095, 4096, 4097, 70_000, 1, 30_000, 9000, 9000].into_iter().enumerate() {
        let body: Vec<u8> = (0..len).map(|i| (i * 7 + n) as u8).collect();
        expected.extend_from_slice(format!("kick {n}\r\nput 1024 0 60 {len}\r\n").as_bytes());
        expected.extend_from_slice(&body);
        expected.extend_from_slice(b"\r\n");
        let _kick = send(connection, Kick::new(n as u32));
        let _put = match n % 3 {
            0 => send(connection, Put::of(&body)),
            _ => send(connection, Put::of(body)),
        };
    }
    expected
}

#[test]
fn any_write_sizes_give_the_same_stream() {
    let mut whole = connection();
    let expected = mixed(&mut whole);
    assert!(drain(&mut whole, |all| all) == expected);
    for seed in 1..=8 {
        let mut connection = connection();
        mixed(&mut connection);
        let mut random = Random(seed);
        let most = [1, 3, 100, 5000, 20_000][random.next() as usize % 5];
        assert!(drain(&mut connection, |_| (random.next() % (2 * most)) as usize) == expected, "seed {seed}");
    }
}

#[test]
fn requests_queued_between_writes_keep_their_order() {
    for seed in 1..=20 {
        let mut random = Random(seed);
        let mut connection = connection();
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..150 {
            let len = (random.next() % 3) as usize * 4000;
            let body = vec![random.next() as u8; len];
            expected.extend_from_slice(format!("put 1024 0 60 {len}\r\n").as_bytes());
            expected.extend_from_slice(&body);
            expected.extend_from_slice(b"\r\n");
            let _ticket = send(&mut connection, Put::of(body));
            let waiting = connection.transmit().collect::<Vec<_>>().concat();
            let n = (random.next() % 9000) as usize % (waiting.len() + 1);
            out.extend_from_slice(&waiting[..n]);
            connection.transmitted(n);
        }
        out.extend_from_slice(&written(&mut connection));
        assert!(out == expected, "seed {seed}");
    }
}

#[test]
fn a_large_owned_body_is_written_from_its_own_allocation_and_a_borrowed_one_is_not() {
    let body = vec![b'x'; 100_000];
    let at = body.as_ptr();
    let mut connection = connection();
    let _ticket = send(&mut connection, Put::of(body.clone()));
    assert_eq!(connection.transmit().count(), 3, "the line, the body, its line end");
    let _second = send(&mut connection, Put::of(body));
    assert!(connection.transmit().any(|segment| segment.as_ptr() == at), "moved, not copied");
    written(&mut connection);
    let _third = send(&mut connection, Put::of(&[b'x'; 100_000][..]));
    assert_eq!(connection.transmit().count(), 1);
}

#[test]
fn a_body_of_less_than_a_page_is_joined_with_its_lines() {
    let mut connection = connection();
    let _small = send(&mut connection, Put::of(vec![b'x'; 4095]));
    assert_eq!(connection.transmit().count(), 1);
    let _large = send(&mut connection, Put::of(vec![b'x'; 4096]));
    assert_eq!(connection.transmit().count(), 3, "both lines and the small body, the large one, its line end");
}

#[test]
fn lines_are_written_in_one_piece() {
    let mut connection = connection();
    let _first = send(&mut connection, Kick::new(1));
    assert_eq!(connection.transmit().single(), Some(&b"kick 1\r\n"[..]));
    let _second = send(&mut connection, Kick::new(2));
    assert_eq!(connection.transmit().single(), Some(&b"kick 1\r\nkick 2\r\n"[..]));
}

#[test]
fn a_large_body_alone_can_be_written_as_three_pieces() {
    let body = vec![b'x'; 5000];
    let mut connection = connection();
    assert_eq!(connection.transmit().line_and_body(), None);
    let _put = send(&mut connection, Put::of(body.clone()));
    assert_eq!(connection.transmit().single(), None);
    assert_eq!(connection.transmit().line_and_body(), Some([b"put 1024 0 60 5000\r\n", &body[..], b"\r\n"]));
    connection.transmitted(1);
    assert_eq!(connection.transmit().line_and_body(), None);
    let _kick = send(&mut connection, Kick::new(1));
    assert_eq!(connection.transmit().line_and_body(), None, "it is not alone");
    assert_eq!(connection.transmit().single(), None, "nor is it one piece with what is around it");
}

#[test]
fn a_long_line_behind_another_is_whole() {
    for len in [25, 26, 27, 28, 29, 100, 200] {
        let mut connection = connection();
        let _kick = send(&mut connection, Kick::new(1));
        let tube = "t".repeat(len);
        let _use = send(&mut connection, Use::new(&*tube));
        assert_eq!(written(&mut connection), format!("kick 1\r\nuse {tube}\r\n").as_bytes());
    }
}

#[test]
fn a_large_body_alone_may_be_cut_off_and_followed_anywhere() {
    let (line, body) = (&b"put 1024 0 60 5000\r\n"[..], vec![b'x'; 5000]);
    let whole = [line, &body, b"\r\n"].concat();
    let ends = [0, line.len(), line.len() + body.len(), whole.len()];
    for cut in ends.iter().flat_map(|end| end.saturating_sub(1)..=end + 1).filter(|&cut| cut <= whole.len()) {
        for follow in [None, Some("jobs"), Some("no good")] {
            let mut connection = connection();
            let _put = send(&mut connection, Put::of(body.clone()));
            connection.transmitted(cut);
            let mut expected = whole[cut..].to_vec();
            if let Some(tube) = follow {
                match connection.send(NOW, Watch::new(tube)) {
                    Ok(_) => expected.extend_from_slice(b"watch jobs\r\n"),
                    Err(error) => assert!(matches!(error, Error::Argument(_)), "{error}"),
                }
            }
            assert_eq!(connection.queued(), expected.len(), "cut at {cut}, followed by {follow:?}");
            assert!(drain(&mut connection, |all| all) == expected, "cut at {cut}, followed by {follow:?}");
            let _next = send(&mut connection, Put::of(body.clone()));
            assert!(written(&mut connection) == whole, "cut at {cut}, followed by {follow:?}");
        }
    }
}

#[test]
fn a_refused_argument_leaves_the_queue_as_it_was() {
    let mut connection = connection();
    let mut kick = send(&mut connection, Kick::new(1));
    connection.transmitted(2);
    let before = connection.transmit().collect::<Vec<_>>().concat();
    assert!(matches!(connection.send(NOW, Watch::new("no good")), Err(Error::Argument(ArgumentError::Tube(_)))));
    assert!(matches!(
        connection.send(NOW, Put::of(vec![b'x'; 5000]).delay(std::time::Duration::MAX)),
        Err(Error::Argument(ArgumentError::TooManySeconds { .. }))
    ));
    assert_eq!(connection.transmit().collect::<Vec<_>>().concat(), before);
    assert_eq!((connection.queued(), connection.in_flight()), (before.len(), 1));
    let mut next = send(&mut connection, Use::new("fine"));
    assert_eq!(written(&mut connection), b"ck 1\r\nuse fine\r\n");
    feed(&mut connection, b"KICKED 1\r\nUSING fine\r\n");
    reply(&mut connection, &mut kick).unwrap();
    reply(&mut connection, &mut next).unwrap();
}

#[test]
fn a_refused_argument_leaves_large_bodies_that_wait() {
    let body = vec![b'x'; 2 << 20];
    let put = [&b"put 1024 0 60 2097152\r\n"[..], &body, b"\r\n"].concat();
    let mut connection = connection();
    let _borrowed = send(&mut connection, Put::of(&*body));
    let _moved = send(&mut connection, Put::of(body.clone()));
    connection.send(NOW, Watch::new("no good")).unwrap_err();
    assert!(written(&mut connection) == [&*put, &put].concat());
}

#[test]
fn a_request_is_flushed_once_a_flush_after_its_last_byte_has_completed() {
    let mut connection = connection();
    assert!(!connection.wants_flush());
    let first = send(&mut connection, Kick::new(1));
    let second = send(&mut connection, Kick::new(2));
    assert!(!connection.is_flushed(&first) && !connection.wants_flush());

    connection.transmitted(7);
    connection.flushed();
    assert!(!connection.is_flushed(&first), "one byte is missing");
    connection.transmitted(1);
    assert!(!connection.is_flushed(&first), "a stream may take bytes and keep them");
    connection.flushed();
    assert!(connection.is_flushed(&first) && !connection.is_flushed(&second));

    connection.transmitted(8);
    assert!(connection.wants_flush());
    connection.flushed();
    assert!(connection.is_flushed(&second) && !connection.wants_flush());
}

#[test]
fn a_request_that_was_answered_was_written_out() {
    let mut connection = connection();
    let mut ticket = send(&mut connection, Delete::new(1));
    connection.transmitted(10);
    feed(&mut connection, b"DELETED\r\n");
    assert!(connection.is_flushed(&ticket));
    reply(&mut connection, &mut ticket).unwrap();
    assert!(connection.is_flushed(&ticket));
}

#[test]
fn a_request_refused_after_it_was_encoded_does_not_count_as_written() {
    let mut connection = connection();
    let _first = send(&mut connection, Kick::new(1));
    written(&mut connection);
    connection.send(NOW, Watch::new("")).unwrap_err();
    assert!(!connection.wants_flush());
    let ticket = send(&mut connection, Kick::new(2));
    assert!(!connection.is_flushed(&ticket));
}

#[test]
fn a_request_that_is_late_before_it_was_written_is_not_flushed() {
    let mut connection = connection();
    let ticket = send(&mut connection, Kick::new(1));
    late(&mut connection, at(5));
    assert!(!connection.is_flushed(&ticket));
}
