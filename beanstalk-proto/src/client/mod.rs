//! The client's side of a connection: requests in, bytes out; bytes in, replies out; time in, one timeout out.
//!
//! A [`Connection`] does no I/O. A driver follows the six steps of the [crate's front page](crate).
//!
//! ```text
//!   send(request) ──▶ slots (FIFO) + outbound queue ── transmit()/transmitted(n) ──▶ transport
//!                       ▲                                                              │
//!   poll_reply(ticket) ─┘◀── replies matched in order ◀── receive_buf()/received(n) ◀──┘
//!
//!   poll_timeout() ──▶ a timer ──▶ handle_timeout(now) ──▶ wants_read(), or the ticket is late
//! ```
//!
//! Replies carry no ids: the protocol matches them to requests by order alone. So a slot stays until its reply has
//! arrived, whether or not it is still wanted ([`Connection::abandon`]), every reply is checked against what its
//! slot allows, and what cannot be its answer poisons the connection: it then repeats the same error on every call.
//!
//! # Time
//!
//! A reply's time runs from the later of its request's sending and the reply before it, plus what the server may wait on purpose. So a
//! pipeline whose replies keep coming is never late, a dead server costs one timeout however many requests are in flight, and the bytes of
//! a reply that never becomes whole gain nothing. A `now` that is earlier than one given before counts as that one.
//!
//! # Jobs without a caller
//!
//! A reserve whose caller went away may still be answered with a job. A waiting one is **adopted** by the next
//! `reserve` or `reserve_with_timeout`, which writes nothing. A job that arrived without a caller is **parked**; the next
//! reserve confirms with `touch` that it is still ours before it hands it over. [`Connection::take_orphaned`] lists
//! the parked jobs.

mod claim;
mod closing;
mod config;
mod receive;
mod reserve;
mod send;
mod slot;
mod slots;
mod ticket;
mod timing;

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};

pub use config::{Config, Limits, SendOptions, Timeout};
pub use ticket::{Ticket, TicketId};

use crate::{
    error::ProtocolError,
    frame::Framer,
    time::Instant,
    transmit::{Segments, Transmit},
};
use closing::Closing;
use reserve::Parked;
use slot::Patience;
use slots::Slots;
use timing::Clock;

/// Whether the stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Open,
    /// `quit` was sent, or the writing half is to be closed; nothing may follow.
    Quitting,
    /// The server ended it.
    EndedByPeer,
    /// The transport failed.
    Failed,
    /// The server did not end it in time after it was asked to.
    EndedLate,
    /// It no longer makes sense.
    Poisoned,
}

/// One connection to a server, as a state machine: requests and received bytes go in, bytes to send and replies come out.
///
/// | step | its methods |
/// |---|---|
/// | 1. send | [`new`](Self::new), [`send`](Self::send), [`send_with`](Self::send_with) |
/// | 2. write | [`transmit`](Self::transmit) or [`take_transmit`](Self::take_transmit), [`transmitted`](Self::transmitted), [`flushed`](Self::flushed) |
/// | 3. look | [`poll_reply`](Self::poll_reply), [`abandon`](Self::abandon), [`take_orphaned`](Self::take_orphaned) |
/// | 4. read | [`receive_buf`](Self::receive_buf) and [`received`](Self::received), or [`receive`](Self::receive); [`received_eof`](Self::received_eof), [`abort`](Self::abort) |
/// | 5. let time count | [`poll_timeout`](Self::poll_timeout), [`wants_read`](Self::wants_read), [`handle_timeout`](Self::handle_timeout) |
/// | 6. close | [`close`](Self::close), [`wants_half_close`](Self::wants_half_close), [`poll_closed`](Self::poll_closed) |
///
/// ```
/// use std::task::Poll;
/// use beanstalk_proto::{Delete, Instant, client::{Config, Connection}};
///
/// let now = Instant::ZERO;
/// let mut connection = Connection::new(Config::default());
/// let mut ticket = connection.send(now, Delete::new(7))?;
///
/// // A socket would write these, and report how many it took.
/// let bytes = connection.transmit().collect::<Vec<_>>().concat();
/// assert_eq!(bytes, b"delete 7\r\n");
/// connection.transmitted(bytes.len());
/// connection.flushed();
/// assert!(connection.poll_reply(&mut ticket).is_pending());
///
/// // What a socket has read:
/// connection.receive(now, b"DELETED\r\n");
/// assert!(matches!(connection.poll_reply(&mut ticket), Poll::Ready(Ok(()))));
/// # Ok::<(), beanstalk_proto::Error>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    config: Config,
    /// [`Config::reply_timeout`].
    patience: Patience,
    /// Distinguishes this connection's tickets from others'.
    identity: usize,
    /// The number of the last ticket.
    number: u64,
    slots: Slots,
    clock: Clock,
    /// What [`Connection::poll_timeout`] returns.
    due: Option<Instant>,
    transmit: Transmit,
    /// How much of the outbound stream was flushed by the transport.
    flushed: u64,
    framer: Framer,
    /// The reply whose body is arriving.
    arriving: Option<receive::Arriving>,
    parked: VecDeque<Parked>,
    /// Bytes of bodies in unclaimed replies and parked jobs.
    unclaimed: usize,
    stream: Stream,
    /// What has poisoned the stream.
    poison: Option<Box<ProtocolError>>,
    closing: Closing,
}

/// How it is made; and step 2, write.
impl Connection {
    /// Makes a connection that nothing has been sent on.
    #[must_use]
    pub fn new(config: Config) -> Self {
        static IDENTITY: AtomicUsize = AtomicUsize::new(0);
        Self {
            patience: Patience::of(config.reply_timeout),
            config,
            identity: IDENTITY.fetch_add(1, Ordering::Relaxed),
            number: 0,
            slots: Slots::default(),
            clock: Clock::default(),
            due: None,
            transmit: Transmit::default(),
            flushed: 0,
            framer: Framer::default(),
            arriving: None,
            parked: VecDeque::new(),
            unclaimed: 0,
            stream: Stream::Open,
            poison: None,
            closing: Closing::default(),
        }
    }

    /// Returns the configuration it was made with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Returns what waits to be written, in order. Write it, all or part, and report how much with
    /// [`Connection::transmitted`].
    #[must_use]
    #[inline]
    pub fn transmit(&self) -> Segments<'_> {
        self.transmit.segments()
    }

    /// Returns whether something waits to be written, and there is a connection to write it to.
    #[must_use]
    #[inline]
    pub const fn wants_transmit(&self) -> bool {
        self.transmit.queued() > 0 && !self.is_ended()
    }

    /// Returns how many bytes wait to be written.
    #[must_use]
    #[inline]
    pub const fn queued(&self) -> usize {
        self.transmit.queued()
    }

    /// Reports that the transport took `n` bytes of [`Connection::transmit`], or has finished writing `n` bytes of what
    /// [`Connection::take_transmit`] gave. Report finished writes before finished reads: a reply to what was not written cannot be true.
    ///
    /// # Panics
    ///
    /// With debug assertions, if there are not so many. Without, that poisons the connection.
    #[inline]
    pub fn transmitted(&mut self, n: usize) {
        if !self.transmit.advance(n) {
            self.overreported(n, self.transmit.due());
        }
    }

    /// Takes the next bytes to be written, for I/O that wants to own them: a large body in its own allocation, or all lines and small
    /// bodies up to one. `None` if there are none. When they are written, report it with [`Connection::transmitted`]; from now on they
    /// count as possibly sent.
    pub fn take_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmit.take()
    }

    /// Returns whether the transport should be flushed: everything queued was written, and something since the last flush.
    #[must_use]
    #[inline]
    pub const fn wants_flush(&self) -> bool {
        self.transmit.unwritten() == 0 && self.flushed != self.transmit.end() && !self.is_ended()
    }

    /// Reports that a flush of everything written so far has completed.
    #[inline]
    pub const fn flushed(&mut self) {
        self.flushed = self.transmit.written();
    }

    /// Returns whether a request in flight has no reply yet, including an abandoned one.
    #[must_use]
    pub fn awaits_reply(&self) -> bool {
        self.slots.pending().next().is_some()
    }

    /// Returns how many requests have no reply yet, or an unclaimed one: what [`Limits::in_flight`] bounds.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// Returns whether the stream has ended or lost its sense, so that nothing more can come of it.
    #[must_use]
    #[inline]
    pub const fn is_ended(&self) -> bool {
        !matches!(self.stream, Stream::Open | Stream::Quitting)
    }

    /// What was read or written is unknown.
    #[cold]
    fn overreported(&mut self, bytes: usize, room: usize) {
        debug_assert!(false, "{bytes} bytes were reported where there was room for {room}");
        if !self.is_ended() {
            self.poison(ProtocolError::Overreported { bytes, room });
        }
    }

    #[cold]
    fn poison(&mut self, error: ProtocolError) {
        self.ends(Stream::Poisoned);
        self.poison = Some(error.into());
    }

    fn ends(&mut self, stream: Stream) {
        self.stream = stream;
        self.due = None;
    }
}
