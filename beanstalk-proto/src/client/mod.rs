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

mod call_all;
mod config;
mod disconnect;
mod driver;
mod io;
#[cfg(feature = "std")]
mod line;
mod pipeline;
mod receive;
mod reserve;
#[cfg(feature = "std")]
mod shared;
mod slot;
#[cfg(feature = "std")]
pub mod tasks;
mod ticket;

use alloc::{boxed::Box, collections::VecDeque};
use core::{
    mem,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

pub use call_all::CallAll;
pub use config::{Config, Limits};
pub use driver::Driver;
pub use io::{PollTransport, poll_io};
pub use pipeline::Pipeline;
use reserve::Parked;
#[cfg(feature = "std")]
pub use shared::{Shared, SharedDriver};
use slot::{Adopted, Slots, State, TooBig};
pub use ticket::{Alone, Ticket};

use crate::{
    error::{Error, Full, Lost, ProtocolError, SendError, TicketError},
    frame::Framer,
    reply::{Reply, ReplySet},
    request::{Encoder, Expect, Request, Wait},
    table::{Kind, Quit},
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

    /// Queues a request, whole, and gives the ticket for its reply. Nothing is queued if it fails.
    ///
    /// Afterwards write what [`Connection::transmit`] holds.
    ///
    /// # Errors
    ///
    /// A [`SendError`]: an argument that cannot be said, a waiting `reserve`, a limit, or an ended connection.
    #[inline(always)]
    pub fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, SendError> {
        let expect = request.expect();
        let adoptable = if self.has_room() { None } else { self.check_room_closely(&expect)? };
        self.send_into(request, expect, adoptable, self.config.limits.queued)
    }

    /// Queues a request that there is room for, unless it makes the queue longer than `limit`.
    #[inline(always)]
    fn send_into<R: Request>(
        &mut self,
        request: R,
        expect: Expect,
        adoptable: Option<u64>,
        limit: usize,
    ) -> Result<Ticket<R::Reply>, SendError> {
        match self.enqueue(request, expect, adoptable, limit) {
            Ok(seq) => Ok(Ticket::new(self.identity, seq, R::decode)),
            Err(error) => Err(*error),
        }
    }

    /// Whether nothing is in flight, queued or parked, and any request can be sent.
    #[doc(hidden)]
    #[inline(always)]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.slots.len() == 0 && self.transmit.queued() == 0 && matches!(self.stream, Stream::Open) && self.takes_one
    }

    /// As [`Connection::send`], on a connection that [is idle](Connection::is_idle), for drivers that send a request and look for its
    /// reply in one function. The error is boxed, so that what nearly always comes back is a number.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    #[doc(hidden)]
    #[inline(always)]
    pub fn send_alone<R: Request>(&mut self, request: R) -> Result<Alone<R>, Box<SendError>> {
        let expect = request.expect();
        if expect.is_reserve() && !self.parked.is_empty() {
            return self.enqueue(request, expect, None, usize::MAX).map(Alone::new);
        }
        let mut encoder = Encoder::new(&mut self.transmit);
        if let Err(error) = request.encode(&mut encoder) {
            return Err(self.refused(error));
        }
        if let Err(error) = encoder.finish() {
            return Err(self.refused(error));
        }
        let has_body = encoder.commit();
        if expect.kind == Some(Kind::Quit) {
            self.stream = Stream::Quitting;
        }
        Ok(Alone::new(self.push_slot(expect, has_body)))
    }

    /// The ticket of a request that was sent alone.
    #[doc(hidden)]
    pub fn ticket_of<R: Request>(&self, alone: Alone<R>) -> Ticket<R::Reply> {
        Ticket::new(self.identity, alone.seq, R::decode)
    }

    /// As [`Connection::send_into`]; the error is boxed, so that what nearly always comes back is a number.
    #[inline(always)]
    fn enqueue<R: Request>(
        &mut self,
        request: R,
        expect: Expect,
        adoptable: Option<u64>,
        limit: usize,
    ) -> Result<u64, Box<SendError>> {
        let queued = self.transmit.queued();
        let mut encoder = Encoder::new(&mut self.transmit);
        if let Err(error) = request.encode(&mut encoder) {
            return Err(self.refused(error));
        }
        let bytes = match encoder.finish() {
            Ok(bytes) => bytes,
            Err(error) => return Err(self.refused(error)),
        };
        if expect.is_reserve() && (adoptable.is_some() || !self.parked.is_empty()) {
            return self.take_over(expect, adoptable).map_err(|error| self.refused(error));
        }
        if queued > 0 && queued.saturating_add(bytes) > limit {
            return Err(self.refused(Full::Queued { bytes: queued, limit }));
        }
        let has_body = encoder.commit();
        if expect.kind == Some(Kind::Quit) {
            self.stream = Stream::Quitting;
        }
        Ok(self.push_slot(expect, has_body))
    }

    #[cold]
    fn refused(&mut self, error: impl Into<SendError>) -> Box<SendError> {
        self.transmit.drop_pending();
        Box::new(error.into())
    }

    /// Says whether [`Connection::send`] would refuse a request for the state that the connection is in. Its arguments and
    /// its length are not looked at.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn check_send<R: Request>(&self, request: &R) -> Result<(), SendError> {
        self.check_room(&request.expect()).map(|_| ())
    }

    /// Whether this reserve would take over one that was abandoned and still waits. A job for that one may be with the
    /// transport, unread, for longer than it is ours: so first read what there is, without waiting. Then the job is parked,
    /// and is confirmed before it is handed over.
    pub fn would_adopt<R: Request>(&self, request: &R) -> bool {
        matches!(self.check_room(&request.expect()), Ok(Some(_)))
    }

    /// Whether a request may be sent now, and which abandoned reserve it could take over.
    #[inline]
    fn check_room(&self, expect: &Expect) -> Result<Option<u64>, SendError> {
        if self.has_room() { Ok(None) } else { self.check_room_closely(expect) }
    }

    /// Whether any request may be sent now, with nothing to take over. Nearly always so; `false` means to look closely.
    #[inline(always)]
    fn has_room(&self) -> bool {
        let limits = &self.config.limits;
        let room = self.slots.len() < limits.in_flight && self.transmit.queued() < limits.queued;
        room && matches!(self.stream, Stream::Open) && !self.slots.may_wait()
    }

    #[cold]
    fn check_room_closely(&self, expect: &Expect) -> Result<Option<u64>, SendError> {
        self.check_open()?;
        let adoptable = self.check_waiting(expect)?;
        let limits = &self.config.limits;
        if adoptable.is_some() {
            // It needs no slot yet, but one more if it has to be sent again, and the one it leaves stays until its caller polls.
            let slots =
                self.slots.len().saturating_add(self.slots.pending_waits().filter(|(_, slot)| slot.may_move()).count());
            return match slots < limits.in_flight.saturating_mul(2) {
                true => Ok(adoptable),
                false => Err(Full::InFlight { limit: limits.in_flight }.into()),
            };
        }
        if self.slots.len() >= limits.in_flight {
            return Err(Full::InFlight { limit: limits.in_flight }.into());
        }
        let bytes = self.transmit.queued();
        if bytes >= limits.queued {
            return Err(Full::Queued { bytes, limit: limits.queued }.into());
        }
        Ok(adoptable)
    }

    #[inline(always)]
    fn push_slot(&mut self, expect: Expect, has_body: bool) -> u64 {
        let end = self.transmit.end();
        self.slots.push(expect, has_body, end)
    }

    fn check_open(&self) -> Result<(), SendError> {
        match &self.stream {
            Stream::Open => Ok(()),
            Stream::Quitting | Stream::Ended => Err(SendError::Closed),
            Stream::Poisoned(error) => Err(error.clone().into()),
        }
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

    /// The request that was sent alone, if it is all in one place.
    #[doc(hidden)]
    #[inline(always)]
    #[must_use]
    pub fn transmit_line(&self) -> Option<&[u8]> {
        self.transmit.line()
    }

    /// As [`Connection::transmitted`] and [`Connection::flushed`], for all of [`Connection::transmit_line`].
    #[doc(hidden)]
    #[inline(always)]
    pub fn line_written_out(&mut self) {
        self.transmit.advance_line();
        self.flushed = self.transmit.end();
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
            Err(error) => Err(Error::from_decode(slot.command(), error)),
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
            State::Plain(head) => {
                (ticket.decode)(head.into_plain_reply()).map_err(|error| Error::from_decode(slot.command(), error))
            }
            State::Answered(_) => {
                let State::Answered(reply) = mem::take(&mut slot.state) else { return Poll::Pending };
                self.untaken = self.untaken.saturating_sub(reply.body().map_or(0, <[u8]>::len));
                (ticket.decode)(reply).map_err(|error| Error::from_decode(slot.command(), error))
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
    fn deadline_of(&mut self, seq: u64, now: Instant) -> Deadline {
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
        Error::TimedOut { lost: if self.is_ended() { self.lost(ticket) } else { Lost::Unknown } }
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
