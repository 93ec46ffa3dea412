//! Tests of lines and bodies as they arrive, and of the memory they take.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test asserts what it counts on"
)]

use super::*;

/// Gives the framer `n` bytes of a body, at most `most` at a time, and checks what it holds after each read.
fn arrive(framer: &mut Framer, n: usize, most: usize) -> Option<Whole> {
    let mut arrived = 0;
    loop {
        let body = framer.poll_body();
        if body.is_some() || arrived == n {
            return body;
        }
        let room = framer.receive_buf();
        let read = room.len().min(most).min(n - arrived);
        assert!(read > 0);
        room[..read].fill(b'x');
        assert!(framer.received(read));
        arrived += read;
        let held = framer.incoming.as_ref().map_or(0, |body| body.bytes.capacity());
        assert!(held <= arrived + arrived.max(AHEAD), "{held} bytes held for {arrived}");
    }
}

#[test]
fn a_long_body_announced_and_not_sent_takes_no_more_than_64_kib() {
    let mut framer = Framer::default();
    framer.start_body(u64::from(u32::MAX), true);
    assert_eq!(framer.receive_buf().len(), AHEAD);
    assert_eq!(framer.incoming.as_ref().unwrap().bytes.capacity(), AHEAD);
}

#[test]
fn memory_for_a_body_is_paid_for_in_bytes() {
    for most in [1000, 64 * 1024, usize::MAX] {
        let mut framer = Framer::default();
        framer.start_body(u64::from(u32::MAX), true);
        assert_eq!(arrive(&mut framer, 3_000_000, most), None);
    }
}

#[test]
fn a_body_takes_no_more_than_itself_and_its_line_end() {
    for len in [100, 50_000, AHEAD, 100_000, 150_000, 1 << 20, 3_000_000] {
        for most in [1000, usize::MAX] {
            let mut framer = Framer::default();
            framer.start_body(len as u64, true);
            let whole = arrive(&mut framer, len + TRAILER, most).unwrap();
            assert_eq!((whole.bytes.len(), whole.bytes.capacity()), (len, len + TRAILER), "read {most} at a time");
        }
    }
}

#[test]
fn a_discarded_body_takes_none() {
    let mut framer = Framer::default();
    framer.start_body(u64::from(u32::MAX), false);
    assert_eq!(arrive(&mut framer, 1_000_000, usize::MAX), None);
    assert_eq!(framer.incoming.as_ref().unwrap().bytes.capacity(), 0);
}

#[test]
fn a_large_body_is_read_where_it_stays() {
    let mut framer = Framer::default();
    framer.start_body(50_000, true);
    let lent = framer.receive_buf();
    assert_eq!(lent.len(), 50_002, "the body and its line end, and nothing of what follows");
    let place = lent.as_ptr();
    lent[..50_000].fill(b'x');
    lent[50_000..].copy_from_slice(b"\r\n");
    assert!(framer.received(50_002));
    let whole = framer.poll_body().unwrap();
    assert!(whole.trailer_ok && whole.bytes.len() == 50_000);
    assert_eq!(whole.bytes.as_ptr(), place, "it was not copied");
}

#[test]
fn a_small_body_is_kept_at_its_exact_size() {
    let mut framer = Framer::default();
    framer.receive_buf()[..9].copy_from_slice(b"hello\r\nOK");
    assert!(framer.received(9));
    framer.start_body(5, true);
    let whole = framer.poll_body().unwrap();
    assert_eq!((&whole.bytes[..], whole.bytes.capacity(), whole.trailer_ok), (&b"hello"[..], 5, true));
    assert_eq!(framer.unread(), b"OK");
}

#[test]
fn more_than_was_lent_and_the_same_twice_are_refused() {
    let mut framer = Framer::default();
    assert!(!framer.received(1), "nothing was lent");
    let room = framer.receive_buf().len();
    assert!(!framer.received(room + 1));
    assert_eq!(framer.unread(), b"");
    framer.receive_buf();
    assert!(framer.received(5) && !framer.received(5));
    assert_eq!(framer.unread().len(), 5);
    framer.consume(5);
    framer.start_body(10, true);
    assert_eq!(framer.receive_buf().len(), 12);
    assert!(!framer.received(13));
}

#[test]
fn behind_a_body_that_is_whole_there_is_room_for_what_follows() {
    let mut framer = Framer::default();
    framer.start_body(1000, true);
    framer.receive_buf()[1000..].copy_from_slice(b"\r\n");
    assert!(framer.received(1002));
    let room = framer.receive_buf();
    room[..2].copy_from_slice(b"OK");
    assert!(framer.received(2));
    assert_eq!(framer.poll_body().unwrap().bytes.len(), 1000);
    assert_eq!(framer.unread(), b"OK");
}

/// Reads so many bytes, and uses them.
fn read(framer: &mut Framer, n: usize) {
    assert!(framer.receive_buf().len() >= n && framer.received(n));
    framer.consume(n);
}

#[test]
fn the_scratch_grows_when_a_read_fills_it_and_shrinks_after_many_small_ones() {
    let mut framer = Framer::default();
    assert_eq!(framer.receive_buf().len(), FIRST);
    for len in [FIRST, 4 * FIRST, 16 * FIRST, SCRATCH, SCRATCH] {
        assert_eq!(framer.receive_buf().len(), len);
        read(&mut framer, len);
    }
    for _ in 0..10 {
        (1..SELDOM).for_each(|_| read(&mut framer, 20));
        read(&mut framer, FIRST);
        assert_eq!(framer.receive_buf().len(), SCRATCH, "it is needed now and then");
    }
    (0..SELDOM).for_each(|_| read(&mut framer, 20));
    assert_eq!(framer.receive_buf().len(), FIRST);
    assert_eq!(framer.scratch.capacity(), FIRST);
}

#[test]
fn the_start_of_a_line_stays_where_the_scratch_would_shrink() {
    let mut framer = Framer::default();
    framer.receive_buf();
    read(&mut framer, FIRST);
    (1..SELDOM).for_each(|_| read(&mut framer, 20));
    framer.receive_buf()[..3].copy_from_slice(b"OK ");
    assert!(framer.received(3));
    assert!(framer.receive_buf().len() > FIRST);
    assert_eq!(framer.unread(), b"OK ");
}
