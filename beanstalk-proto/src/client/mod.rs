//! The client's side of a connection: requests in, bytes out; bytes in, replies out.
//!
//! A [`Connection`] does no I/O. Whoever drives it repeats one rule: **after every call that changes it, write what
//! [`Connection::transmit`] holds, then look for the reply; if there is none, read.**
//!
//! ```text
//!   send(request) ──▶ slots (FIFO) + outbound queue ── transmit()/transmitted(n) ──▶ transport
//!                       ▲                                                              │
//!   poll_reply(ticket) ─┘◀── replies matched in order ◀── receive_buf()/received(n) ◀──┘
//! ```
//!
//! Replies carry no ids: the protocol matches them to requests by order alone. So a slot stays until its reply has
//! arrived, whether or not anybody still wants it ([`Connection::abandon`]), every reply is checked against what its
//! slot allows, and what cannot be its answer poisons the connection: it then repeats the same error for ever.
//!
//! # Jobs that nobody waits for
//!
//! A reserve whose caller went away may still be answered with a job. A waiting one is **adopted** by the next
//! `reserve` or `reserve_with_timeout`, which writes nothing. A job that arrived for nobody is **parked**; the next
//! reserve confirms with `touch` that it is still ours before it hands it over. [`Connection::take_orphaned`] lists
//! the parked jobs.

mod config;
mod exchange;
mod pipeline;
mod receive;
mod reserve;
mod send;
mod slot;
mod ticket;

use alloc::collections::VecDeque;
use core::{
    mem,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

pub use config::{Config, Limits};
pub use exchange::Exchange;
pub use pipeline::Pipeline;
use reserve::Parked;
use slot::{Adopted, Slots, State, TooBig};
pub use ticket::Ticket;

use crate::{
    error::{Error, Lost, ProtocolError, Subject, TicketError},
    frame::Framer,
    reply::{Reply, ReplySet},
    request::Wait,
    table::Quit,
    time::Instant,
    transmit::{Segments, Transmit},
};

/// Until when the driver should wait for a reply, and what to do then. See [`Connection::deadline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// As long as it takes.
    Never,
    /// When it passes, [`Connection::abandon`] the ticket; the call fails with [`Error::TimedOut`].
    Fail(Instant),
    /// When it passes, read once more without waiting, then [`Connection::give_up`].
    GiveUp(Instant),
}

/// How to end a connection. See [`Connection::close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// A `quit` is queued: write it and close.
    Quit,
    /// The server would not read a `quit` now: close the writing half, then the transport.
    HalfClose,
    /// There is nobody to say goodbye to.
    Abort,
}

/// Whether the stream goes on.
#[derive(Clone, Debug)]
enum Stream {
    Open,
    /// `quit` was sent; nothing may follow.
    Quitting,
    Ended,
    Poisoned(ProtocolError),
}

/// One connection to a server, as a state machine.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    /// Tells this connection's tickets from others'.
    identity: usize,
    slots: Slots,
    transmit: Transmit,
    /// How much of the outbound stream was flushed by the transport.
    flushed: u64,
    framer: Framer,
    /// The reply whose body is arriving.
    arriving: Option<receive::Arriving>,
    parked: VecDeque<Parked>,
    /// Bytes of bodies in answered slots and parked jobs.
    untaken: usize,
    stream: Stream,
    /// Whether its limits allow anything at all to be sent.
    takes_one: bool,
}

impl Connection {
    /// A connection that nothing has been sent on.
    #[must_use]
    pub fn new(config: Config) -> Self {
        static IDENTITY: AtomicUsize = AtomicUsize::new(0);
        Self {
            takes_one: config.limits.in_flight > 0 && config.limits.queued > 0,
            config,
            identity: IDENTITY.fetch_add(1, Ordering::Relaxed),
            slots: Slots::default(),
            transmit: Transmit::default(),
            flushed: 0,
            framer: Framer::default(),
            arriving: None,
            parked: VecDeque::new(),
            untaken: 0,
            stream: Stream::Open,
        }
    }

    /// The configuration it was made with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What waits to be written, in order. Write it, all or part, and say how much with
    /// [`Connection::transmitted`].
    #[must_use]
    #[inline]
    pub fn transmit(&self) -> Segments<'_> {
        self.transmit.segments()
    }

    /// Whether something waits to be written.
    #[must_use]
    #[inline]
    pub fn wants_transmit(&self) -> bool {
        self.transmit.queued() > 0
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.transmit.queued()
    }

    /// Takes note that the transport took `n` bytes of [`Connection::transmit`].
    #[inline]
    pub fn transmitted(&mut self, n: usize) {
        self.transmit.advance(n);
    }

    /// Whether the transport should be flushed: the queue is empty and something was written since the last flush.
    #[must_use]
    #[inline]
    pub fn wants_flush(&self) -> bool {
        self.transmit.queued() == 0 && self.flushed < self.transmit.end()
    }

    /// Takes note that a flush of everything written so far has completed.
    #[inline]
    pub fn flushed(&mut self) {
        self.flushed = self.transmit.written();
    }

    /// Whether the request has been handed out: its last byte was written, and a flush after it completed. A request
    /// whose reply is here was.
    #[must_use]
    pub fn is_written_out<T>(&self, ticket: &Ticket<T>) -> bool {
        match ticket.check(self.identity).ok().and_then(|seq| self.slots.get(seq)) {
            Some(slot) => !slot.is_pending() || slot.end <= self.flushed,
            None => true,
        }
    }

    /// Whether a request in flight has no reply yet.
    #[must_use]
    pub fn awaits_reply(&mut self) -> bool {
        self.slots.next_pending().is_some()
    }

    /// The number of the first request that has no reply yet.
    #[doc(hidden)]
    #[must_use]
    pub fn first_unanswered(&mut self) -> Option<u64> {
        self.slots.next_pending().map(|(seq, _)| seq)
    }

    /// What ended the connection, if something has.
    #[doc(hidden)]
    #[must_use]
    pub fn end_cause(&self, lost: Lost) -> Option<Error> {
        match &self.stream {
            Stream::Open | Stream::Quitting => None,
            Stream::Ended => Some(Error::Closed { lost }),
            Stream::Poisoned(error) => Some(Error::Protocol { error: error.clone(), lost }),
        }
    }

    /// How many requests are in flight: sent, and their reply not taken.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// The reply to a request, if it is here. Poll again after [`Connection::received`] and
    /// [`Connection::received_eof`].
    ///
    /// # Errors
    ///
    /// What the server answered, if it is a refusal; what ended the connection; or [`Error::Ticket`] for a ticket of
    /// another connection or one whose reply was taken.
    #[inline(always)]
    pub fn poll_reply<T>(&mut self, ticket: &mut Ticket<T>) -> Poll<Result<T, Error>> {
        let seq = ticket.check(self.identity)?;
        // Nearly always a line answers the request at the front.
        let Some(slot) = self.slots.front(seq) else { return self.poll_closely(ticket) };
        let State::Plain(head) = slot.state else { return self.poll_closely(ticket) };
        let result = match (ticket.decode)(head.into_plain_reply()) {
            Ok(value) => Ok(value),
            Err(error) => Err(slot.failed(error)),
        };
        mem::forget(mem::take(&mut slot.state));
        ticket.spend();
        self.slots.front_leaves();
        self.slots.followers_leave();
        Poll::Ready(result)
    }

    /// As [`Connection::poll_reply`], for a slot that is not at the front, or has no reply.
    #[inline(never)]
    fn poll_closely<T>(&mut self, ticket: &mut Ticket<T>) -> Poll<Result<T, Error>> {
        let seq = ticket.check(self.identity)?;
        let written = self.transmit.written();
        let Some(slot) = self.slots.get_mut(seq) else { return Poll::Ready(Err(TicketError::Spent.into())) };
        let result = match &mut slot.state {
            State::Moved(next) => {
                ticket.seq = *next;
                self.slots.free(seq);
                return self.poll_reply(ticket);
            }
            State::Plain(head) => (ticket.decode)(head.into_plain_reply()).map_err(|error| slot.failed(error)),
            State::Answered(_) => {
                let State::Answered(reply) = mem::take(&mut slot.state) else { return Poll::Pending };
                self.untaken = self.untaken.saturating_sub(reply.body().map_or(0, <[u8]>::len));
                (ticket.decode)(reply).map_err(|error| slot.failed(error))
            }
            &mut State::TooBig(TooBig { id, bytes, limit, .. }) => {
                Err(Error::ReplyTooBig { command: slot.command(), id, bytes, limit })
            }
            State::Free => Err(TicketError::Spent.into()),
            State::Waiting | State::Confirming(_) => {
                let lost = slot.lost(written);
                match &self.stream {
                    Stream::Open | Stream::Quitting => return Poll::Pending,
                    Stream::Ended => Err(Error::Closed { lost }),
                    Stream::Poisoned(error) => Err(Error::Protocol { error: error.clone(), lost }),
                }
            }
        };
        ticket.spend();
        self.slots.free(seq);
        Poll::Ready(result)
    }

    /// Says that nobody waits for this reply any more. The slot stays until it arrives; a job that it brings is parked.
    pub fn abandon<T>(&mut self, ticket: Ticket<T>) {
        let Ok(mut seq) = ticket.check(self.identity) else { return };
        while let Some(slot) = self.slots.get_mut(seq) {
            match mem::replace(&mut slot.state, State::Free) {
                State::Moved(next) => {
                    self.slots.free(seq);
                    seq = next;
                    continue;
                }
                State::Answered(Reply::Reserved(job)) => self.parked.push_back(Parked::Job(job)),
                State::Answered(reply) => {
                    self.untaken = self.untaken.saturating_sub(reply.body().map_or(0, <[u8]>::len));
                }
                State::TooBig(too_big) if too_big.reserved => self.parked.push_back(Parked::TooBig(too_big)),
                State::TooBig(_) | State::Plain(_) | State::Free => {}
                pending => {
                    slot.state = pending;
                    slot.abandoned = true;
                    slot.direct = ReplySet::EMPTY;
                    slot.set_adopted(None);
                    return;
                }
            }
            self.slots.free(seq);
            return;
        }
    }

    /// Until when to wait for the reply to a request, and what to do when that has passed.
    ///
    /// The reply timeout counts from `now`. How long the server may wait on purpose, for this request and for those before
    /// it, counts from when it was first asked for: so ask right after [`Connection::send`], and again whenever it suits.
    #[inline]
    pub fn deadline<T>(&mut self, ticket: &Ticket<T>, now: Instant) -> Deadline {
        ticket.check(self.identity).map_or(Deadline::Never, |seq| self.deadline_of(seq, now))
    }

    /// As [`Connection::deadline`], by the ticket's number.
    #[inline]
    #[doc(hidden)]
    pub fn deadline_of(&mut self, seq: u64, now: Instant) -> Deadline {
        if self.slots.may_wait() {
            return self.deadline_among_waits(seq, now);
        }
        match (self.slots.get(seq), self.config.reply_timeout) {
            (Some(_), Some(timeout)) => Deadline::Fail(now + timeout),
            _ => Deadline::Never,
        }
    }

    /// As [`Connection::deadline`], while there may be a request that the server keeps waiting.
    fn deadline_among_waits(&mut self, seq: u64, now: Instant) -> Deadline {
        let mut from = now;
        self.slots.each_pending_wait_before(seq, |waits| {
            from = from.max(*waits.until.get_or_insert(from + waits.wait.duration()));
        });
        let Some(slot) = self.slots.get_mut(seq) else { return Deadline::Never };
        let wait = slot.wait;
        match (slot.adopted(), wait, self.config.reply_timeout) {
            (Some(Adopted { wait: wait @ Wait::Seconds(_), until }), ..) => {
                Deadline::GiveUp(*until.get_or_insert(now + wait.duration()))
            }
            (Some(_), ..) | (_, Wait::Forever, _) | (.., None) => Deadline::Never,
            (None, wait, Some(timeout)) => {
                let until = *slot.until.get_or_insert(from + wait.duration());
                Deadline::Fail(until.max(now) + timeout)
            }
        }
    }

    /// The error of a request whose reply did not come in time. Abandon the ticket with it.
    ///
    /// While the connection goes on, so does the request: what of it still waits to be written will be, and it may run
    /// after all. So this is [`Lost::Unknown`] unless the connection has ended.
    #[must_use]
    pub fn timed_out<T>(&self, ticket: &Ticket<T>) -> Error {
        let lost = if self.is_ended() { self.lost(ticket) } else { Lost::Unknown };
        let timeout = self.config.reply_timeout.unwrap_or_default();
        match ticket.check(self.identity).ok().and_then(|seq| self.slots.get(seq)) {
            Some(slot) => Error::TimedOut {
                command: slot.command(),
                subject: slot.subject(),
                waited: timeout.saturating_add(slot.wait.duration()),
                lost,
            },
            None => self.late("", Subject::None, lost),
        }
    }

    /// The error of something that took as long as a reply may.
    #[doc(hidden)]
    #[must_use]
    pub fn late(&self, command: &'static str, subject: Subject, lost: Lost) -> Error {
        Error::TimedOut { command, subject, waited: self.config.reply_timeout.unwrap_or_default(), lost }
    }

    /// What can have become of a request if its reply never comes.
    #[must_use]
    pub fn lost<T>(&self, ticket: &Ticket<T>) -> Lost {
        match ticket.check(self.identity).ok().and_then(|seq| self.slots.get(seq)) {
            Some(slot) => slot.lost(self.transmit.written()),
            None => Lost::Unknown,
        }
    }

    /// Ends the connection in order: says how. What is in flight may still be answered, if the driver reads on.
    pub fn close(&mut self) -> Closing {
        let waits = self.slots.pending_waits().next().is_some();
        match self.stream {
            Stream::Open | Stream::Quitting if waits => {
                self.stream = Stream::Quitting;
                Closing::HalfClose
            }
            Stream::Open => match self.write(Quit::new()) {
                Ok(()) => {
                    self.stream = Stream::Quitting;
                    Closing::Quit
                }
                Err(_) => Closing::Abort,
            },
            Stream::Quitting => Closing::Quit,
            Stream::Ended | Stream::Poisoned(_) => Closing::Abort,
        }
    }

    /// Whether the stream has ended or lost its sense, so that nothing more can come of it.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.stream, Stream::Ended | Stream::Poisoned(_))
    }
}
