//! A client connection with small limits and a peer that sends what it likes, while requests are sent, abandoned, polled and
//! late, and the connection is closed: the limits hold, a poisoned connection stays so and repeats its error, no more replies come
//! out than were fed in, each is the one whose turn it was, and slots that nobody waits for are used up.
//!
//! What arrives costs memory in proportion, whatever it announces: an allocator counts. Until a reserve takes over another's slot,
//! when the next timeout is due, and what is late then, is computed a second time in `client_session/times.rs`; and closing must say
//! `quit` unless a reserve waits, and half-close if one does.

mod peer;
mod results;
mod times;
mod written;

use std::{task::Poll, time::Duration};

use beanstalk_proto::{Command, Error, Instant, Kind, ProtocolError, Reply, client};

use self::{peer::Peer, times::Times, written::Written};
use crate::{
    r#gen,
    source::{Dice, Source},
};

const MOST_STEPS: usize = 500;

pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let mut session = Session::new(&mut source, Dice::of(data));
    let mut steps = 0;
    while !source.is_empty() && steps < MOST_STEPS {
        session.step(&mut source);
        session.check_limits();
        steps += 1;
    }
    session.finish();
}

struct Held {
    ticket: client::Ticket<Reply>,
    kind: Kind,
    /// Of the requests that were sent, the so many-th.
    nth: usize,
    /// Where in the outbound stream it ends, unless the core wrote something else in its place.
    end: usize,
}

struct Session {
    client: client::Connection,
    limits: client::Limits,
    held: Vec<Held>,
    sent: usize,
    /// Whether anything was abandoned; until then the so many-th reply answers the so many-th request.
    in_order: bool,
    written: Written,
    peer: Peer,
    /// Replies that came out, and the bytes of their bodies.
    answered: usize,
    bodies: usize,
    poisoned: Option<ProtocolError>,
    eof: bool,
    now: Instant,
    /// Whether anything may be late.
    time_passed: bool,
    /// The timeouts, until a reserve takes over another's slot.
    times: Times,
    closing: bool,
}

impl Session {
    fn new(source: &mut Source<'_>, dice: Dice) -> Self {
        let limits = client::Limits {
            reply_body: source.pick(&[0, 20, 100, 10_000, 1 << 24]),
            unclaimed_replies: source.pick(&[0, 30, 150, 10_000, 1 << 24]),
            in_flight: source.pick(&[1, 2, 8, 20]),
            queued: source.pick(&[1, 100, 5000]),
        };
        let reply_timeout = source.pick(&[Some(Duration::from_secs(5)), Some(Duration::from_secs(1)), None]);
        let config = client::Config { limits, reply_timeout, ..client::Config::default() };
        Self {
            client: client::Connection::new(config),
            limits,
            held: Vec::new(),
            sent: 0,
            in_order: true,
            written: Written::default(),
            peer: Peer::new(dice),
            answered: 0,
            bodies: 0,
            poisoned: None,
            eof: false,
            now: Instant::ZERO,
            time_passed: false,
            times: Times::new(reply_timeout),
            closing: false,
        }
    }

    fn step(&mut self, source: &mut Source<'_>) {
        match source.below(16) {
            0..4 => self.send(source),
            4 => {
                if !self.held.is_empty() {
                    let held = self.held.swap_remove(source.below(self.held.len()));
                    self.in_order = false;
                    self.times.abandon(held.nth);
                    self.client.abandon(held.ticket);
                }
            }
            5 => {
                self.time_passed = true;
                self.now = self.now + Duration::from_millis(source.below(4000) as u64);
                self.pass_time();
            }
            6 => match source.u8() {
                0..32 => self.close(),
                32..96 => {
                    if self.client.wants_half_close() {
                        assert_eq!(self.client.queued(), 0, "closed before everything was written");
                        self.client.half_closed();
                        assert!(!self.client.wants_half_close(), "closed twice");
                    }
                }
                _ => self.take_all(),
            },
            7 | 8 => {
                let at = source.below(self.held.len().max(1));
                if at < self.held.len() {
                    self.poll(at);
                }
            }
            9 | 10 => {
                let n = self.written.extend(self.client.transmit(), usize::from(source.u8()));
                self.client.transmitted(n);
                if source.bool() {
                    self.client.flushed();
                }
            }
            11..14 => {
                let reply = self.peer.fitting_reply(self.written.commands(), source);
                self.feed_reply(&reply);
            }
            14 => match source.below(3) {
                0 => {
                    let reply = r#gen::any_reply(source);
                    self.feed_reply(&reply);
                }
                1 => self.feed(source.bytes(255)),
                _ => self.feed(b"\r\n"),
            },
            _ => match source.u8() {
                0..16 => {
                    self.eof |= !self.client.is_ended();
                    self.client.received_eof();
                }
                n => {
                    // A body that is announced and does not come, or not all of it; its start may come with the line.
                    let announced = source.pick(&[1, 100, 70_000, 100_000, 1 << 24, u64::from(u32::MAX)]);
                    let line = format!("RESERVED {n} {announced}\r\n");
                    self.feed(&[line.as_bytes(), source.bytes(255)].concat());
                }
            },
        }
    }

    /// Nothing is read, so that what is due becomes late: once a read was asked for, and another for bytes that came.
    fn pass_time(&mut self) {
        for _ in 0..4 {
            let at = self.client.poll_timeout();
            assert_eq!(self.client.poll_timeout(), at, "asking changes something");
            self.check_times();
            if at.is_none_or(|at| at > self.now) {
                return;
            }
            self.client.handle_timeout(self.now);
            // The server did not end it in time.
            self.eof |= self.client.is_ended();
            // After the first call only a read was asked for, and what is due is so still.
            if self.client.poll_timeout() != at || self.client.is_ended() {
                self.in_order &= !self.times.become_late(self.now);
            }
        }
        panic!("what is due does not become late");
    }

    fn check_times(&self) {
        if self.times.known && !self.client.is_ended() {
            assert_eq!(self.client.poll_timeout(), self.times.next(), "timeouts are computed otherwise");
        }
    }

    fn close(&mut self) {
        let (ended, queued) = (self.client.is_ended(), self.client.queued());
        self.client.close(self.now);
        self.client.close(self.now);
        if ended {
            assert_eq!(self.client.queued(), queued, "more is written to what has ended");
            return;
        }
        self.in_order = false;
        if self.times.known {
            let waits = self.times.reserve_waits();
            let quits = !waits && !self.closing && !self.times.quit;
            let wrote = self.client.queued() - queued;
            assert_eq!(wrote, if quits { b"quit\r\n".len() } else { 0 }, "closing wrote {wrote} bytes");
            self.times.close(self.now);
        }
        self.closing = true;
    }

    fn send(&mut self, source: &mut Source<'_>) {
        let mut command = match source.u8() {
            0..100 => Command::ReserveWithTimeout { timeout: 1 },
            _ => r#gen::any_command(source),
        };
        if let Command::ReserveWithTimeout { timeout } = &mut command {
            *timeout /= 2;
        }
        let (kind, queued, in_flight) = (command.kind(), self.client.queued(), self.client.in_flight());
        let reserve = matches!(kind, Kind::Reserve | Kind::ReserveWithTimeout);
        let adopts = reserve && self.times.known && self.times.is_adoptable();
        let timeout = source.pick(&[
            client::Timeout::Default,
            client::Timeout::Default,
            client::Timeout::None,
            client::Timeout::After(Duration::from_secs(2)),
        ]);
        let options = client::SendOptions::default().timeout(timeout);
        match self.client.send_with(self.now, command.clone(), options) {
            Ok(ticket) => {
                assert!(self.poisoned.is_none() && !self.eof, "{command:?} was taken by an ended connection");
                assert!(!self.closing, "{command:?} was taken by a connection that is closing");
                if adopts {
                    assert_eq!(
                        (self.client.queued(), self.client.in_flight()),
                        (queued, in_flight),
                        "sent, not taken over"
                    );
                }
                self.times.send(self.now, &command, timeout);
                // A reserve that takes over one that waits needs no room.
                assert!(
                    in_flight < self.limits.in_flight || self.client.in_flight() == in_flight,
                    "sent beyond the limit"
                );
                assert!(queued < self.limits.queued || self.client.queued() == queued, "queued beyond the limit");
                let said = beanstalk_proto::encode(command).expect("it was sent");
                // The touch that confirms a job which is taken over may be as long.
                let own = self.client.queued() == queued + said.len() && self.is_queued_last(&said);
                if own {
                    assert!(queued == 0 || self.client.queued() <= self.limits.queued, "over the limit");
                }
                let end = if own { self.written.len() + self.client.queued() } else { 0 };
                self.held.push(Held { ticket, kind, nth: self.sent, end });
                self.sent += 1;
            }
            Err(Error::Protocol { error, .. }) => assert_eq!(Some(&error), self.poisoned.as_ref().or(Some(&error))),
            Err(Error::Closed { .. }) => assert!(self.poisoned.is_none()),
            Err(Error::Full(_) | Error::ReserveWaiting) => {
                assert!(self.poisoned.is_none());
                let full = self.held.len() >= self.limits.in_flight;
                assert!(!adopts || full, "a reserve waits for nobody, and {command:?} does not take it over");
                assert_eq!((self.client.queued(), self.client.in_flight()), (queued, in_flight), "refused, not undone");
            }
            Err(error) => panic!("{error} for {command:?}"),
        }
    }

    fn is_queued_last(&mut self, said: &[u8]) -> bool {
        self.client.transmit().collect::<Vec<_>>().concat().ends_with(said)
    }

    fn feed_reply(&mut self, reply: &Reply) {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        self.feed(&bytes);
    }

    fn feed(&mut self, bytes: &[u8]) {
        if self.client.is_ended() {
            assert!(self.client.receive_buf().is_empty(), "an ended connection takes more");
            self.client.received(self.now, bytes.len());
            return;
        }
        let known = self.peer.replies().0;
        self.peer.feed(&mut self.client, self.now, bytes);
        self.times.replies(self.now, self.peer.replies().0 - known);
        if !self.client.is_ended() {
            self.check_times();
        }
    }

    fn check_limits(&mut self) {
        // A reserve that has to be sent again is one more for a moment; there is one for each at most.
        assert!(self.client.in_flight() <= 2 * self.limits.in_flight);
        assert!(self.bodies <= self.peer.fed(), "more came out than in");
        if self.client.is_ended() {
            assert!(self.client.receive_buf().is_empty());
            assert!(!self.client.wants_half_close() && !self.client.wants_read());
            assert_eq!(self.client.poll_timeout(), None);
        }
        match self.client.poll_closed() {
            Poll::Pending => assert!(!self.client.is_ended()),
            Poll::Ready(Ok(())) => assert!(self.eof && self.poisoned.is_none()),
            Poll::Ready(Err(Error::TimedOut { .. })) => assert!(self.closing && self.time_passed),
            Poll::Ready(Err(Error::Protocol { error, .. })) => {
                assert_eq!(*self.poisoned.get_or_insert_with(|| error.clone()), error);
            }
            Poll::Ready(Err(error)) => panic!("{error}"),
        }
    }
}
