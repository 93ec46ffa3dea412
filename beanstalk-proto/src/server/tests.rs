//! Every input is fed whole, byte by byte and in random pieces, with and without bytes behind it; the events are the
//! same each time.

mod flow;

use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::types::{Job, JobId, Priority, TubeName};

/// What the peer is answered with, whatever it said.
const ANSWER: Reply = Reply::NotFound;

/// Feeds the input in pieces, answers every command at once, and gives all events.
fn events_of(input: &[u8], pieces: impl IntoIterator<Item = usize>, config: Config) -> Vec<Event> {
    let mut connection = Connection::new(config);
    let mut events = Vec::new();
    let mut rest = input;
    let mut pieces = pieces.into_iter();
    while !rest.is_empty() && connection.wants_input() {
        let room = connection.receive_buf();
        let n = pieces.next().unwrap_or(usize::MAX).clamp(1, rest.len()).min(room.len());
        let (piece, behind) = rest.split_at(n);
        room[..n].copy_from_slice(piece);
        rest = behind;
        connection.received(n);
        take_events(&mut connection, &mut events);
    }
    connection.received_eof();
    take_events(&mut connection, &mut events);
    events
}

fn take_events(connection: &mut Connection, events: &mut Vec<Event>) {
    while let Some(event) = connection.poll_event() {
        events.push(event);
        connection.respond(ANSWER);
        let written = connection.backlog();
        connection.transmitted(written);
    }
}

/// Feeds the input in every way, checks that the events are the same, and gives them without the end of the input.
#[track_caller]
fn parse(input: &[u8]) -> Vec<Event> {
    parse_with(input, Config::default())
}

#[track_caller]
fn parse_with(input: &[u8], config: Config) -> Vec<Event> {
    let mut whole = events_of(input, [], config);
    assert_eq!(events_of(input, core::iter::repeat(1), config), whole, "byte by byte");
    for size in [2, 3, 7, 223, 224, 225] {
        assert_eq!(events_of(input, core::iter::repeat(size), config), whole, "{size} bytes at a time");
    }
    let trailing = events_of(&[input, b"incomplete"].concat(), [], config);
    assert_eq!(trailing, whole, "with trailing bytes");
    assert_eq!(whole.pop(), Some(Event::Closed));
    if whole.last() == Some(&Event::HalfClosed) {
        whole.pop();
    }
    whole
}

fn refused(kind: Option<Kind>, reply: Reply, counted: bool) -> Event {
    Event::Refused(Refused { kind, reply, counted, line: Vec::new() })
}

/// As [`refused`], of this line.
fn refused_line(kind: Option<Kind>, reply: Reply, counted: bool, line: &[u8]) -> Event {
    Event::Refused(Refused { kind, reply, counted, line: line.to_vec() })
}

fn put(body: &[u8]) -> Event {
    Event::Command(Command::Put { priority: Priority(1), delay: 2, ttr: 3, body: body.to_vec() })
}

const ANNOUNCED: Event = Event::PutAnnounced { too_big: false };

#[test]
fn commands_come_one_after_another() {
    let id = JobId(7);
    assert_eq!(
        parse(b"delete 7\r\nreserve\r\nput 1 2 3 5\r\nhello\r\nuse x\r\n"),
        [
            Event::Command(Command::Delete { id }),
            Event::Command(Command::Reserve),
            ANNOUNCED,
            put(b"hello"),
            Event::Command(Command::Use { tube: TubeName::new("x").unwrap() }),
        ]
    );
}

#[test]
fn a_body_may_hold_anything_and_be_empty_or_large() {
    for body in [&b""[..], b"\r\n", b"\r\n\r\nquit\r\n\0", &[b'\r'; 8190], &vec![b'x'; 65535]] {
        let input = [format_put(body.len()).as_bytes(), body, b"\r\nreserve\r\n"].concat();
        assert_eq!(parse(&input), [ANNOUNCED, put(body), Event::Command(Command::Reserve)]);
    }
}

fn format_put(bytes: usize) -> alloc::string::String {
    alloc::format!("put 1 2 3 {bytes}\r\n")
}

#[test]
fn a_body_without_its_line_end_is_refused_after_exactly_two_bytes_more() {
    assert_eq!(
        parse(b"put 1 2 3 3\r\nabcdereserve\r\n"),
        [ANNOUNCED, refused(Some(Kind::Put), Reply::ExpectedCrlf, false), Event::Command(Command::Reserve)]
    );
}

#[test]
fn a_job_too_big_is_thrown_away_whole_with_whatever_follows_it() {
    let config = Config { max_job_size: 10, ..Config::default() };
    let too_big = [Event::PutAnnounced { too_big: true }, refused(Some(Kind::Put), Reply::JobTooBig, false)];
    for end in [b"\r\n", b"xy"] {
        let input = [&b"put 1 2 3 11\r\nreserve\r\nab"[..], end, b"touch 1\r\n"].concat();
        let [announced, refusal] = too_big.clone();
        assert_eq!(parse_with(&input, config), [announced, refusal, Event::Command(Command::Touch { id: JobId(1) })]);
    }
    assert_eq!(parse_with(b"put 1 2 3 10\r\n0123456789\r\n", config), [ANNOUNCED, put(b"0123456789")]);
}

#[test]
fn the_size_of_a_put_is_looked_at_before_what_trails_it() {
    let config = Config { max_job_size: 10, ..Config::default() };
    assert_eq!(
        parse_with(b"put 1 2 3 11 x\r\n01234567890\r\n", config),
        [Event::PutAnnounced { too_big: true }, refused(Some(Kind::Put), Reply::JobTooBig, false)]
    );
    // The body of this one is read as a command, as it is by real servers.
    assert_eq!(
        parse_with(b"put 1 2 3 7 x\r\nreserve\r\n", config),
        [refused_line(Some(Kind::Put), Reply::BadFormat, true, b"put 1 2 3 7 x"), Event::Command(Command::Reserve)]
    );
}

#[test]
fn lines_that_make_no_sense_are_refused_one_by_one() {
    assert_eq!(
        parse(b"delete x\r\n\r\nDELETE 1\r\nuse a\0\r\nreserve\r\n"),
        [
            refused_line(Some(Kind::Delete), Reply::BadFormat, false, b"delete x"),
            refused_line(None, Reply::UnknownCommand, false, b""),
            refused_line(None, Reply::UnknownCommand, false, b"DELETE 1"),
            refused_line(None, Reply::BadFormat, false, b"use a\0"),
            Event::Command(Command::Reserve),
        ]
    );
}

#[test]
fn only_cr_lf_ends_a_line() {
    for line in [&b"use a\nuse b"[..], b"use a\r", b"use a\ruse b"] {
        let bad = refused_line(Some(Kind::Use), Reply::BadFormat, false, line);
        assert_eq!(parse(&[line, b"\r\n"].concat()), [bad]);
    }
}

#[test]
fn a_line_may_have_224_bytes_and_a_longer_one_is_refused_once() {
    let bad = || refused(None, Reply::BadFormat, false);
    let reserve = || Event::Command(Command::Reserve);
    let line = |len: usize| [&vec![b'x'; len - 2][..], b"\r\nreserve\r\n"].concat();
    assert_eq!(parse(&line(224)), [refused_line(None, Reply::UnknownCommand, false, &[b'x'; 222]), reserve()]);
    for len in [225, 226, 227, 447, 448, 449, 450, 8191, 8192, 8193, 30_000] {
        assert_eq!(parse(&line(len)), [bad(), reserve()], "{len} bytes");
    }
}

#[test]
fn carriage_returns_in_an_overlong_line_do_not_end_it() {
    let input = [&[b'\r'; 1000][..], b"\nreserve\r\n"].concat();
    assert_eq!(parse(&input), [refused(None, Reply::BadFormat, false), Event::Command(Command::Reserve)]);
}

#[test]
fn nothing_is_parsed_behind_quit() {
    assert_eq!(parse(b"reserve\r\nquit\r\nreserve\r\n"), [Event::Command(Command::Reserve)]);
    assert_eq!(parse(b"quitting\r\nreserve\r\n"), []);
}

#[test]
fn input_that_ends_in_a_line_or_a_body_closes() {
    assert_eq!(parse(b"reserve"), []);
    assert_eq!(parse(b"put 1 2 3 500\r\nhel"), [ANNOUNCED]);
    assert_eq!(parse_with(b"put 1 2 3 99999\r\nhel", Config::default()), [Event::PutAnnounced { too_big: true }]);
}

/// Pieces of input that are likely to meet each other in bad ways.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"reserve".to_vec()),
        Just(b"reserve\r\n".to_vec()),
        Just(b"quit".to_vec()),
        Just(b"use a\r\n".to_vec()),
        Just(b"kick -1 x\r\n".to_vec()),
        Just(vec![b'y'; 223]),
        Just(vec![b'z'; 9000]),
        (0_u32..30).prop_map(|bytes| format_put(bytes as usize).into_bytes()),
        (0_usize..30).prop_map(|bytes| [format_put(bytes).as_bytes(), &vec![b'b'; bytes], b"\r\n"].concat()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #[test]
    fn any_split_of_any_input_gives_the_same_events(
        pieces in proptest::collection::vec(piece(), 0..20),
        splits in proptest::collection::vec(1_usize..300, 0..200),
    ) {
        let config = Config { max_job_size: 20, ..Config::default() };
        let input = pieces.concat();
        let whole = events_of(&input, [], config);
        prop_assert_eq!(&events_of(&input, core::iter::repeat(1), config), &whole);
        prop_assert_eq!(&events_of(&input, splits, config), &whole);
    }
}
