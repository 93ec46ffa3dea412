//! Two client connections get the same requests, the same bytes in the same pieces and the same polls. One goes a short way
//! whenever it is idle, as the adapters do, the other never: they say the same, give the same results, and are in the same
//! state after each round.

use std::{fmt::Debug, task::Poll};

use beanstalk_proto::{
    Command, Error, Job, Reply, ReplyKind, SendError,
    client::{Config, Connection, Exchange, Limits, Ticket},
};

use crate::{
    drive, r#gen,
    source::{Cut, Dice, Source},
};

const MOST_ROUNDS: usize = 100;

/// How a request was sent.
enum Sent {
    Exchange(Exchange<Command>),
    Queued(Ticket<Reply>),
}

pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let mut cut = Cut::Random(Dice::of(data));
    let limits = Limits {
        reply_body: source.pick(&[0, 20, 100, 10_000, 1 << 24]),
        untaken_replies: source.pick(&[0, 30, 150, 10_000, 1 << 24]),
        in_flight: source.pick(&[0, 1, 2, 8]),
        queued: source.pick(&[0, 1, 100, 5000]),
    };
    let config = Config { limits, ..Config::default() };
    let (mut long, mut short) = (Connection::new(config), Connection::new(config));
    let mut rounds = 0;
    while !source.is_empty() && rounds < MOST_ROUNDS {
        round(&mut source, &mut cut, &mut long, &mut short, rounds);
        let state = |connection: &Connection| (connection.in_flight(), connection.queued(), connection.is_ended());
        assert_eq!(state(&long), state(&short));
        assert_eq!(long.is_idle(), short.is_idle());
        assert_eq!(long.wants_flush(), short.wants_flush());
        rounds += 1;
    }
    assert_eq!(long.take_orphaned(), short.take_orphaned());
}

fn round(source: &mut Source<'_>, cut: &mut Cut, long: &mut Connection, short: &mut Connection, number: usize) {
    let command = match source.u8() {
        0..80 => Command::ReserveWithTimeout { timeout: 1 },
        80..120 => Command::Reserve,
        _ => r#gen::any_command(source),
    };
    let ticket = long.send(command.clone());
    let sent = match short.is_idle() {
        true => send(short, command.clone(), number),
        false => short.send(command.clone()).map(Sent::Queued),
    };
    let (ticket, sent) = match (ticket, sent) {
        (Ok(ticket), Ok(sent)) => (Some(ticket), Some(sent)),
        (long, short) => {
            let (long, short): (Option<SendError>, _) = (long.err(), short.err());
            assert_eq!(long, short, "{command:?}");
            (None, None)
        }
    };
    write(long, short, sent.as_ref());

    let input = input(source, &command);
    let first = match source.below(3) {
        0 => source.below(input.len() + 1),
        _ => input.len(),
    };
    let (first, rest) = input.split_at(first);
    let (taken, sent) = read(short, first, cut, sent);
    drive::feed(long, first, &mut Cut::Whole);
    drive::feed(long, rest, &mut cut.clone());
    drive::feed(short, rest, cut);
    if source.below(50) == 0 {
        long.received_eof();
        short.received_eof();
    }
    match (ticket, taken, sent) {
        (Some(mut ticket), Some(result), _) => same(&long.poll_reply(&mut ticket), &Poll::Ready(result)),
        (Some(ticket), None, Some(Sent::Queued(other))) => poll(long, ticket, short, other),
        _ => {}
    }
}

/// Sends a request a short way, each in turn.
fn send(short: &mut Connection, command: Command, number: usize) -> Result<Sent, SendError> {
    let sent = match number % 3 {
        0 => short.begin_exchange(command).map(|exchange| Sent::Queued(short.leave_exchange(exchange))),
        _ => short.begin_exchange(command).map(Sent::Exchange),
    };
    sent.map_err(|error| *error)
}

/// Writes out what waits, a short way if the request was sent so.
fn write(long: &mut Connection, short: &mut Connection, sent: Option<&Sent>) {
    let bytes = drive::sent(long);
    long.flushed();
    match sent {
        Some(Sent::Exchange(exchange)) => {
            let line = short.exchange_line(exchange).or_else(|| short.transmit().single()).map(<[u8]>::to_vec);
            let pieces = line.or_else(|| Some(short.transmit().line_and_body()?.concat()));
            assert_eq!(pieces, Some(bytes));
            short.exchange_written(exchange);
            assert!(!short.wants_transmit() && !short.wants_flush());
        }
        _ => {
            assert_eq!(drive::sent(short), bytes);
            short.flushed();
        }
    }
}

/// What comes in answer: nearly always one reply that fits, sometimes more or less than that.
fn input(source: &mut Source<'_>, command: &Command) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..source.pick(&[1, 1, 1, 1, 0, 2]) {
        let kinds: Vec<_> =
            ReplyKind::ALL.iter().copied().filter(|&kind| command.kind().replies().contains(kind)).collect();
        let mut reply = match source.below(16) {
            0 => r#gen::any_reply(source),
            _ => r#gen::reply(source.pick(&kinds), source),
        };
        if let (
            Command::Peek { id } | Command::ReserveJob { id },
            Reply::Found(Job { id: echo, .. }) | Reply::Reserved(Job { id: echo, .. }),
        ) = (command, &mut reply)
        {
            if source.below(4) > 0 {
                *echo = *id;
            }
        }
        reply.encode(&mut input);
    }
    match source.below(12) {
        0 => input.extend_from_slice(source.bytes(20)),
        1 => input.truncate(source.below(input.len() + 1)),
        2 if !input.is_empty() => {
            let at = source.below(input.len());
            input[at] = source.u8();
        }
        _ => {}
    }
    input
}

/// Reads the first piece, a short way if the request was sent so, and what comes of it.
fn read(
    short: &mut Connection,
    first: &[u8],
    cut: &mut Cut,
    sent: Option<Sent>,
) -> (Option<Result<Reply, Error>>, Option<Sent>) {
    let Some(Sent::Exchange(exchange)) = sent else {
        drive::feed(short, first, &mut cut.clone());
        return (None, sent);
    };
    let Some(buf) = short.receive_buf_alone().filter(|_| !first.is_empty()) else {
        let sent = leave(short, exchange);
        drive::feed(short, first, &mut Cut::Whole);
        return (None, Some(sent));
    };
    let n = first.len().min(buf.len());
    buf[..n].copy_from_slice(&first[..n]);
    let (result, sent) = match short.received_in_exchange(n, &exchange) {
        Some(result) => (Some(result.map_err(|error| *error)), None),
        None => {
            let sent = leave(short, exchange);
            short.received(n);
            (None, Some(sent))
        }
    };
    drive::feed(short, &first[n..], &mut Cut::Whole);
    (result, sent)
}

/// Goes on with an exchange, which was written, as with any other request.
fn leave(short: &mut Connection, exchange: Exchange<Command>) -> Sent {
    let ticket = short.leave_exchange(exchange);
    short.transmitted(usize::MAX);
    short.flushed();
    Sent::Queued(ticket)
}

/// Polls both, and abandons what has no reply.
fn poll(long: &mut Connection, mut one: Ticket<Reply>, short: &mut Connection, mut other: Ticket<Reply>) {
    let (first, second) = (long.poll_reply(&mut one), short.poll_reply(&mut other));
    same(&first, &second);
    if first.is_pending() {
        long.abandon(one);
        short.abandon(other);
    }
}

fn same(long: &impl Debug, short: &impl Debug) {
    assert_eq!(format!("{long:?}"), format!("{short:?}"));
}
