//! Moves bytes into and out of the state machines, cut into pieces, and holds them to what their documentation promises about it.

use std::{collections::VecDeque, io::Read as _};

use beanstalk_proto::{
    Instant, Reply, client,
    server::{self, Event},
};

use crate::source::{Cut, Dice};

/// A reply body's memory may run so far ahead of what has arrived, and a body that small shares the connection's own buffer.
const MOST_LENT: usize = 64 * 1024 + 8 * 1024 + 2;

/// Bytes on their way from one end to the other. They move as slices, since there are many.
#[derive(Debug, Default)]
pub struct Pipe(VecDeque<u8>);

impl Pipe {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes so many bytes of these segments at most. Returns how many.
    pub fn write<'a>(&mut self, segments: impl Iterator<Item = &'a [u8]>, most: usize) -> usize {
        let mut left = most;
        for segment in segments {
            let n = left.min(segment.len());
            self.0.extend(&segment[..n]);
            left -= n;
        }
        most - left
    }

    /// Gives as many bytes as there are and have room. Returns how many.
    pub fn read(&mut self, buf: &mut [u8]) -> usize {
        let n = buf.len().min(self.0.len());
        self.0.read_exact(&mut buf[..n]).expect("there are so many");
        n
    }
}

/// Feeds a client all of these bytes, or as many as it takes before it is poisoned.
pub fn feed(connection: &mut client::Connection, now: Instant, mut bytes: &[u8], cut: &mut Cut) {
    while !bytes.is_empty() && !connection.is_ended() {
        let piece = cut.next(bytes.len());
        let buf = connection.receive_buf();
        assert!(!buf.is_empty(), "an open connection takes more");
        assert!(buf.len() <= MOST_LENT, "{} bytes lent at once", buf.len());
        let n = piece.min(buf.len());
        buf[..n].copy_from_slice(&bytes[..n]);
        connection.received(now, n);
        bytes = &bytes[n..];
    }
}

/// Takes everything a client has to say.
pub fn sent(connection: &mut client::Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    for segment in connection.transmit() {
        assert!(!segment.is_empty(), "an empty segment would make a write of nothing");
        bytes.extend_from_slice(segment);
    }
    assert_eq!(bytes.len(), connection.queued());
    connection.transmitted(bytes.len());
    assert!(!connection.wants_transmit());
    bytes
}

/// What a server made of an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// All but `HalfClosed` and `Closed`.
    pub events: Vec<Event>,
    /// What it wrote.
    pub output: Vec<u8>,
    /// Whether it reported the end of its peer's half: at once, if it did.
    pub half_closed: bool,
}

/// Serves an input to its end. Each command is answered by `answer`, which receives its number; `Refused` by what it holds.
/// With dice, answers come late and the output drains in small writes.
pub fn serve(
    config: server::Config,
    input: &[u8],
    cut: &mut Cut,
    mut slow: Option<Dice>,
    mut answer: impl FnMut(usize, &Event) -> Reply,
) -> Served {
    let mut connection = server::Connection::new(config);
    let mut served = Served::default();
    let mut rest = input;
    let (mut owed, mut answered, mut ended, mut polled_since) = (None, 0, false, false);
    let mut largest = 0;
    // An upper bound on what may happen, so that a connection that goes round in circles is found.
    let mut steps = 4000 + 40 * input.len() as u64;
    loop {
        steps = steps.checked_sub(1).expect("it never ends");
        let mut lazy = |one_in| slow.as_mut().is_some_and(|dice| dice.below(one_in) > 0);

        let event = connection.poll_event();
        let first_since = ended && !std::mem::replace(&mut polled_since, ended);
        if let Some(event) = event {
            match event {
                Event::HalfClosed => {
                    assert!(ended && !served.half_closed, "an end that is none, or a second time");
                    assert!(first_since, "an end that is reported late");
                    served.half_closed = true;
                }
                Event::Closed => break,
                event => {
                    assert!(owed.is_none(), "{event:?} while {owed:?} is unanswered");
                    match &event {
                        Event::Command(_) => owed = Some(answer(answered, &event)),
                        Event::Refused(refused) => owed = Some(refused.reply.clone()),
                        _ => {}
                    }
                    served.events.push(event);
                }
            }
            continue;
        }
        assert_eq!(connection.is_unanswered(), owed.is_some());
        if connection.backlog() > config.max_backlog {
            assert!(!connection.wants_input(), "reads on although its peer does not");
        }
        if owed.is_some() && !lazy(3) {
            let reply = owed.take().expect("it was checked");
            let mut encoded = Vec::new();
            reply.encode(&mut encoded);
            largest = largest.max(encoded.len());
            connection.respond(reply);
            answered += 1;
            assert!(!connection.is_unanswered());
            assert!(
                connection.backlog() <= config.max_backlog + largest,
                "{} bytes wait, with a limit of {} and replies of at most {largest}",
                connection.backlog(),
                config.max_backlog
            );
        }
        // Writing, all of it or a little.
        if connection.backlog() > 0 && !lazy(4) {
            let waiting = connection.backlog();
            let n = slow.as_mut().map_or(waiting, |dice| 1 + dice.below(waiting));
            let before = served.output.len();
            for segment in connection.transmit() {
                let left = before + n - served.output.len();
                served.output.extend_from_slice(&segment[..left.min(segment.len())]);
            }
            assert_eq!(served.output.len(), before + n, "it holds less than it says");
            connection.transmitted(n);
            assert_eq!(connection.backlog(), waiting - n);
        }
        // Its end may be known before what came earlier is looked at.
        if rest.is_empty() && !ended && !connection.is_closed() && slow.as_mut().is_some_and(|dice| dice.below(8) == 0)
        {
            connection.received_eof();
            ended = true;
        } else if connection.wants_input() {
            if rest.is_empty() {
                connection.received_eof();
                ended = true;
            } else {
                let piece = cut.next(rest.len());
                let buf = connection.receive_buf();
                assert!(!buf.is_empty(), "wants input and has no room for it");
                assert!(buf.len() <= MOST_LENT, "{} bytes lent at once", buf.len());
                let n = piece.min(buf.len());
                buf[..n].copy_from_slice(&rest[..n]);
                connection.received(n);
                rest = &rest[n..];
            }
        }
    }
    assert!(connection.is_closed() && connection.backlog() == 0 && owed.is_none());
    assert!(!connection.wants_input());
    assert_eq!(connection.poll_event(), None);
    served
}
