//! A connection without a transport, and every way in which its input can be cut.

use std::{fmt::Debug, task::Poll, time::Duration};

use beanstalk_proto::{
    CommandError, Delete, Error, Full, Instant, Request,
    client::{Config, Connection, Limits, Ticket},
};

/// How many random ways to cut each input; the seed of each is in the message if it fails.
const RANDOM_WAYS: u64 = 16;

/// The time, where it does not matter.
pub(crate) const NOW: Instant = Instant::ZERO;

pub(crate) fn at(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

pub(crate) fn connection() -> Connection {
    Connection::new(Config::default())
}

pub(crate) fn limited(limits: Limits) -> Connection {
    Connection::new(Config { limits, ..Config::default() })
}

/// A connection on which this was sent and flushed.
pub(crate) fn sent<R: Request>(request: R) -> (Connection, Ticket<R::Reply>) {
    let mut connection = connection();
    let ticket = send(&mut connection, request);
    written(&mut connection);
    (connection, ticket)
}

pub(crate) fn send<R: Request>(connection: &mut Connection, request: R) -> Ticket<R::Reply> {
    connection.send(NOW, request).expect("the connection takes the request")
}

/// Takes everything that waits to be written, as a transport would.
pub(crate) fn written(connection: &mut Connection) -> Vec<u8> {
    let bytes = connection.transmit().collect::<Vec<_>>().concat();
    connection.transmitted(bytes.len());
    connection.flushed();
    bytes
}

/// Gives the connection bytes as a transport would: as many at a time as it has room for. What waits was written before.
pub(crate) fn feed(connection: &mut Connection, bytes: &[u8]) {
    written(connection);
    feed_early(connection, bytes);
}

/// As [`feed`], whether or not what waits was written.
pub(crate) fn feed_early(connection: &mut Connection, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let room = connection.receive_buf();
        if room.is_empty() {
            assert!(connection.is_ended(), "an open connection lends room");
            return;
        }
        let n = room.len().min(bytes.len());
        room[..n].copy_from_slice(&bytes[..n]);
        connection.received(NOW, n);
        bytes = &bytes[n..];
    }
}

/// The reply that must be here.
pub(crate) fn reply<T>(connection: &mut Connection, ticket: &mut Ticket<T>) -> Result<T, Error> {
    match connection.poll_reply(ticket) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the reply is not here yet"),
    }
}

pub(crate) fn is_pending<T>(connection: &mut Connection, ticket: &mut Ticket<T>) -> bool {
    connection.poll_reply(ticket).is_pending()
}

/// The server's refusal that must be here.
pub(crate) fn refusal<T: Debug>(connection: &mut Connection, ticket: &mut Ticket<T>) -> CommandError {
    let result = reply(connection, ticket);
    result.as_ref().err().and_then(Error::command_error).unwrap_or_else(|| panic!("{result:?} is not a refusal"))
}

/// The limit that must have kept a request from being queued.
pub(crate) fn full<T: Debug>(sent: Result<T, Error>) -> Full {
    match sent {
        Err(Error::Full(full)) => full,
        other => panic!("{other:?} and not refused for a limit"),
    }
}

/// What a driver does when a reserve has taken over a slot and reading finds nothing: what comes now is for it.
pub(crate) fn nothing_unread(connection: &mut Connection) {
    assert!(connection.wants_read() && connection.poll_timeout().is_some_and(|at| at <= NOW), "a read is due");
    connection.handle_timeout(NOW);
    assert!(!connection.wants_read());
}

/// What a driver does when something is due: it reads once, which finds nothing.
pub(crate) fn late(connection: &mut Connection, now: Instant) {
    connection.handle_timeout(now);
    assert!(connection.wants_read(), "first a read is due");
    connection.handle_timeout(now);
    assert!(!connection.wants_read() && connection.poll_timeout().is_none_or(|at| at > now));
}

/// A reserve that takes over a slot, when nothing is unread.
pub(crate) fn take_over<R: Request>(connection: &mut Connection, request: R) -> Ticket<R::Reply> {
    let ticket = send(connection, request);
    nothing_unread(connection);
    ticket
}

/// Proves that requests and replies still match: one more request gets its own answer.
pub(crate) fn assert_in_sync(connection: &mut Connection) {
    let mut ticket = send(connection, Delete::new(4711));
    assert!(written(connection).ends_with(b"delete 4711\r\n"));
    assert!(is_pending(connection, &mut ticket), "an earlier reply is taken for this one's");
    feed(connection, b"DELETED\r\n");
    reply(connection, &mut ticket).expect("the connection is in sync");
}

/// Feeds `input` to connections that `setup` makes, cut in every way, and gives what `observe` sees, which must always be
/// the same. With bytes of the next reply behind it, too; and then the next reply is what it should be.
pub(crate) fn decode<S, E: Debug>(
    setup: impl Fn() -> (Connection, S),
    input: &[u8],
    observe: impl Fn(&mut Connection, &mut S) -> E,
) -> E {
    let run = |pieces: &[&[u8]]| {
        let (mut connection, mut state) = setup();
        for piece in pieces {
            feed(&mut connection, piece);
        }
        observe(&mut connection, &mut state)
    };
    let whole = run(&[input]);
    let expected = format!("{whole:?}");
    let shown = input[..input.len().min(80)].escape_ascii();

    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(format!("{:?}", run(&bytes)), expected, "byte by byte: {shown}");
    for seed in 1..=RANDOM_WAYS {
        assert_eq!(format!("{:?}", run(&random_pieces(input, seed))), expected, "split with seed {seed}: {shown}");
    }

    let (mut connection, mut state) = setup();
    let next = connection.send(NOW, Delete::new(1));
    written(&mut connection);
    feed(&mut connection, &[input, b"DELE"].concat());
    assert_eq!(format!("{:?}", observe(&mut connection, &mut state)), expected, "with more behind it: {shown}");
    if let (Ok(mut next), false) = (next, connection.is_ended()) {
        feed(&mut connection, b"TED\r\n");
        reply(&mut connection, &mut next).expect("the reply behind it is intact");
    }
    whole
}

/// Cuts the input into pieces, half of them tiny.
pub(crate) fn random_pieces(mut input: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut random = Random(seed);
    let mut pieces = Vec::new();
    while !input.is_empty() {
        let most = if random.next() % 2 == 0 { 3 } else { input.len() as u64 };
        let n = usize::try_from(1 + random.next() % most).unwrap().min(input.len());
        let (piece, rest) = input.split_at(n);
        pieces.push(piece);
        input = rest;
    }
    pieces
}

/// SplitMix64: the same numbers for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
