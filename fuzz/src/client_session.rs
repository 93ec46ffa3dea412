//! A client connection with small limits and a peer that sends what it likes, while requests are sent, abandoned, polled and
//! late, and the connection is closed: the limits hold, a poisoned connection stays so and repeats its error, no more replies come
//! out than were fed in, each is the one whose turn it was, and slots that nobody waits for are used up.
//!
//! What arrives costs memory in proportion, whatever it announces: an allocator counts. Until a reserve takes over another's slot,
//! when the next timeout is due, and what is late then, is computed a second time in `client_session/times.rs`; and closing must say
//! `quit` unless a reserve waits, and half-close if one does.

mod times;

use std::{task::Poll, time::Duration};

use beanstalk_proto::{Command, Dialect, Error, Instant, Job, Kind, Lost, ProtocolError, Reply, client, server::Event};

use self::times::Times;
use crate::{
    ALLOCATED, drive, r#gen,
    naive::{self, Start},
    source::{Cut, Dice, Source},
};

const MOST_STEPS: usize = 500;
/// Memory for what comes, beyond three times as much: what is lent beyond what has come, and small things.
const FIXED: usize = 160 * 1024;

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
    cut: Cut,
    held: Vec<Held>,
    sent: usize,
    /// Whether anything was abandoned; until then the so many-th reply answers the so many-th request.
    in_order: bool,
    /// All that was written, and all that came.
    written: Vec<u8>,
    fed: Vec<u8>,
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
    /// The whole replies of what was fed, how many of its bytes they are, and whether something else follows.
    replies: Vec<Option<Reply>>,
    parsed: usize,
    wrong: bool,
}

impl Session {
    fn new(source: &mut Source<'_>, dice: Dice) -> Self {
        let limits = client::Limits {
            reply_body: source.pick(&[0, 20, 100, 10_000, 1 << 24]),
            untaken_replies: source.pick(&[0, 30, 150, 10_000, 1 << 24]),
            in_flight: source.pick(&[1, 2, 8, 20]),
            queued: source.pick(&[1, 100, 5000]),
        };
        let reply_timeout = source.pick(&[Some(Duration::from_secs(5)), Some(Duration::from_secs(1)), None]);
        let config = client::Config { limits, reply_timeout, ..client::Config::default() };
        Self {
            client: client::Connection::new(config),
            limits,
            cut: Cut::Random(dice),
            held: Vec::new(),
            sent: 0,
            in_order: true,
            written: Vec::new(),
            fed: Vec::new(),
            answered: 0,
            bodies: 0,
            poisoned: None,
            eof: false,
            now: Instant::ZERO,
            time_passed: false,
            times: Times::new(reply_timeout),
            closing: false,
            replies: Vec::new(),
            parsed: 0,
            wrong: false,
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
                let n = usize::from(source.u8());
                let bytes: Vec<u8> = self.client.transmit().flatten().copied().take(n).collect();
                self.client.transmitted(bytes.len());
                self.written.extend(bytes);
                if source.bool() {
                    self.client.flushed();
                }
            }
            11..14 => {
                let reply = self.fitting_reply(source);
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
                    // A body that is announced and does not come, or not all of it.
                    let announced = source.pick(&[1, 100, 70_000, 100_000, 1 << 24, u64::from(u32::MAX)]);
                    self.feed(format!("RESERVED {n} {announced}\r\n").as_bytes());
                    self.feed(source.bytes(255));
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
            assert_eq!(self.client.queued() - queued, if quits { b"quit\r\n".len() } else { 0 }, "{waits}");
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
                assert!(in_flight < self.limits.in_flight || self.client.in_flight() == in_flight);
                assert!(queued < self.limits.queued || self.client.queued() == queued);
                let said = beanstalk_proto::encode(command).expect("it was sent");
                let own = self.client.queued() == queued + said.len();
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

    /// A reply that may answer the first command that has none.
    fn fitting_reply(&self, source: &mut Source<'_>) -> Reply {
        let (commands, _) = naive::session(&self.written, u32::MAX, Dialect::V1_13);
        let mut commands = commands.into_iter().filter_map(|event| match event {
            Event::Command(command) => Some(command),
            _ => None,
        });
        let Some(command) = commands.nth(self.replies_fed().0) else { return r#gen::any_reply(source) };
        let kinds: Vec<_> = beanstalk_proto::ReplyKind::ALL
            .iter()
            .copied()
            .filter(|&kind| command.kind().replies().contains(kind))
            .collect();
        let mut reply = r#gen::reply(source.pick(&kinds), source);
        match (&command, &mut reply) {
            (
                Command::Peek { id } | Command::ReserveJob { id },
                Reply::Found(Job { id: echo, .. }) | Reply::Reserved(Job { id: echo, .. }),
            ) => *echo = *id,
            (Command::Use { tube }, Reply::Using(echo)) => echo.clone_from(tube),
            _ => {}
        }
        reply
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
        self.fed.extend_from_slice(bytes);
        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        drive::feed(&mut self.client, self.now, bytes, &mut self.cut);
        let took = ALLOCATED.peak_usage().saturating_sub(before);
        // What has come may lie in its buffer and in the larger one that it is moved to, which grows by doubling.
        let most = 3 * self.fed.len() + FIXED;
        assert!(took <= most, "{took} bytes of memory for {}, of which {} are new", self.fed.len(), bytes.len());
        let known = self.replies.len();
        self.parse();
        self.times.replies(self.now, self.replies.len() - known);
        if !self.client.is_ended() {
            self.check_times();
        }
    }

    fn parse(&mut self) {
        while !self.wrong {
            match naive::reply(&self.fed[self.parsed..]) {
                Start::Item(reply, len) => {
                    self.replies.push(reply);
                    self.parsed += len;
                }
                other => {
                    self.wrong = other == Start::Wrong;
                    return;
                }
            }
        }
    }

    /// How many whole replies came, and whether something else did then.
    fn replies_fed(&self) -> (usize, bool) {
        (self.replies.len(), self.wrong)
    }

    fn nth_reply(&self, n: usize) -> Option<Reply> {
        self.replies.get(n).cloned().flatten()
    }

    fn poll(&mut self, at: usize) {
        let ready = self.client.is_ready(self.held[at].ticket.id());
        let polled = self.client.poll_reply(&mut self.held[at].ticket);
        assert_eq!(polled.is_ready(), ready, "it is taken for ready, and is not, or the other way round");
        let Poll::Ready(result) = polled else {
            assert!(self.poisoned.is_none() && !self.eof, "it waits for what never comes");
            assert!(!self.times.known || !self.times.is_late(self.held[at].nth), "it is late, and still waits");
            return;
        };
        let mut held = self.held.swap_remove(at);
        assert!(matches!(self.client.poll_reply(&mut held.ticket), Poll::Ready(Err(Error::Ticket(_)))));
        let expected = if self.in_order { self.nth_reply(held.nth) } else { None };
        match result {
            // One that never came.
            Ok(Reply::TimedOut) if self.time_passed => return,
            Err(Error::TimedOut { lost: Lost::Unknown, .. }) => {
                assert!(self.now > Instant::ZERO);
                assert!(!self.times.known || self.times.is_late(held.nth), "it is not late yet");
                return;
            }
            Ok(Reply::Closed) => {
                assert!(held.kind == Kind::Quit && self.eof);
                return;
            }
            Ok(reply) => {
                assert!(reply.kind().is_some_and(|kind| held.kind.replies().contains(kind)), "{reply:?}");
                let bytes = reply.body().map_or(0, <[u8]>::len);
                assert!(bytes <= self.limits.reply_body);
                self.bodies += bytes;
                if self.in_order {
                    assert_eq!(Some(reply), expected, "not the reply whose turn it was");
                }
            }
            Err(Error::Command { .. }) => {
                let refused = expected.as_ref().and_then(Reply::kind).is_some_and(r#gen::is_refusal);
                assert!(!self.in_order || refused, "{expected:?} is no refusal");
            }
            Err(Error::ReplyTooBig { bytes, limit, .. }) => {
                assert!(limit == self.limits.reply_body || limit == self.limits.untaken_replies);
                let body = expected.as_ref().and_then(Reply::body).map(|body| body.len() as u64);
                assert!(!self.in_order || body == Some(bytes));
            }
            Err(Error::Protocol { error, lost }) => {
                self.check_lost(&held, lost);
                let first = self.poisoned.get_or_insert_with(|| error.clone());
                assert_eq!(*first, error, "poisoned by something else now");
                return;
            }
            Err(Error::Closed { lost }) => {
                assert!(self.eof && self.poisoned.is_none());
                self.check_lost(&held, lost);
                return;
            }
            Err(error) => panic!("{error}"),
        }
        self.answered += 1;
        let (fed, _) = self.replies_fed();
        assert!(self.answered <= fed, "{} replies came out of {fed}", self.answered);
        assert!(self.answered <= self.sent);
    }

    fn check_lost(&self, held: &Held, lost: Lost) {
        if self.in_order {
            let expected = if held.end > self.written.len() { Lost::NotSent } else { Lost::Unknown };
            assert_eq!(lost, expected);
        }
    }

    fn check_limits(&mut self) {
        // A reserve that has to be sent again is one more for a moment; there is one for each at most.
        assert!(self.client.in_flight() <= 2 * self.limits.in_flight);
        assert!(self.bodies <= self.fed.len(), "more came out than in");
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

    /// Everything that is here, at once: it was held, so it must be within the limit.
    fn take_all(&mut self) {
        let before = self.bodies;
        for at in (0..self.held.len()).rev() {
            self.poll(at);
        }
        for job in self.client.take_orphaned() {
            self.bodies += job.body.len();
        }
        // The first is taken however long it is.
        let limit = self.limits.untaken_replies.max(self.limits.reply_body);
        assert!(self.bodies - before <= limit, "{} bytes were held, with a limit of {limit}", self.bodies - before);
    }

    fn finish(mut self) {
        self.take_all();
        let ended = self.client.is_ended();
        if ended {
            assert!(self.held.is_empty(), "it waits for what never comes");
            self.feed(b"DELETED\r\n");
            let again = self.client.send(self.now, Command::Stats).expect_err("it is ended");
            match (again, &self.poisoned) {
                (Error::Protocol { error, .. }, Some(first)) => assert_eq!(error, *first),
                (Error::Protocol { .. }, None) => assert!(!self.eof),
                (Error::Closed { .. }, None) => assert!(self.eof),
                (other, first) => panic!("{other} after {first:?}"),
            }
        } else if !self.client.wants_transmit() {
            // Whatever was written and answered is off the books.
            let (commands, quit) = naive::session(&self.written, u32::MAX, Dialect::V1_13);
            let commands = commands.iter().filter(|event| matches!(event, Event::Command(_))).count();
            let (fed, wrong) = self.replies_fed();
            assert!(fed <= commands, "a reply that nobody asked for was let pass");
            assert!(!wrong, "what no server may send was let pass");
            let unanswered = commands - fed + usize::from(quit && self.times.quit);
            assert!(self.client.in_flight() >= unanswered);
            if unanswered == 0 {
                assert_eq!(self.client.in_flight(), 0, "slots are left that nobody waits for");
            }
        }
    }
}
