//! Moving bytes between a [`Connection`] and a stream: what a runtime must offer, when to write, flush and read, and the
//! one timer.
//!
//! ```text
//!   write ──▶ flush ──▶ read ── bytes, or the end ──▶ Came: ask for replies, and turn again
//!                        │
//!                        └───── nothing ────────────▶ Blocked: the task will be woken
//! ```
//!
//! One task does all of it on the unsplit stream, so reading goes on while a write or a flush is blocked: a peer that
//! stops reading until its replies are read cannot stop us.

use core::{
    task::{Context, Poll, ready},
    time::Duration,
};

use beanstalk_proto::{Error, Instant, Lost, Segments, client::Connection};

/// How long a read or a write may block its thread.
///
/// The driver decides, from when the reply is late and whether bytes may move the other way. A transport that never blocks ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Not at all.
    No,
    /// For about 2 ms: bytes may move in the other direction, too.
    Turn,
    /// Until then; `None` is as long as it takes.
    Until(Option<Instant>),
}

impl Block {
    /// How long a [`Block::Turn`] is.
    pub const TURN: Duration = Duration::from_millis(2);

    /// As this, unless it waits while there is work in the other direction.
    #[inline(always)]
    const fn or_turn(self, other_direction: bool) -> Self {
        match self {
            Self::Until(_) if other_direction => Self::Turn,
            block => block,
        }
    }
}

/// A stream and a timer, as a runtime offers them.
///
/// A `poll_` method that gives [`Poll::Pending`] has arranged for the task to be woken. But a transport that blocks its thread gives it
/// from [`PollTransport::poll_read`] and [`PollTransport::poll_write`] only once the time that they may block is over: whoever polls
/// the driver over one then polls it again at once, and needs no waker.
pub trait PollTransport: Unpin {
    /// What the stream fails with.
    type Error: Send;
    /// What the runtime's clock shows.
    type Time: Copy + Send;

    /// Reads once into `buf`; 0 is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, block: Block, buf: &mut [u8]) -> Poll<Result<usize, Self::Error>>;

    /// Writes once, from the start of the first segment; there is at least one. 0 is the end of the stream.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        block: Block,
        segments: Segments<'_>,
    ) -> Poll<Result<usize, Self::Error>>;

    /// Hands out whatever the stream has taken and kept.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Closes the writing half.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Says how a failure of the stream is told to the caller whose request it hit.
    fn failure(error: Self::Error, lost: Lost) -> Error;

    /// What the clock shows. Every call that has to wait looks at it, and nearly none has to know what time that is.
    fn clock(&self) -> Self::Time;

    /// What time it was when the clock showed this.
    fn time_of(&self, shown: Self::Time) -> Instant;

    /// What time it is.
    fn now(&self) -> Instant {
        self.time_of(self.clock())
    }

    /// Sets the one timer to go off at `at`, whatever it was set to.
    fn set_timer(&mut self, at: Instant);

    /// Ready once the timer has gone off. Polled only after it was set, and not again before it is set anew.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Moves bytes both ways as far as they go: writes and flushes what it can and reads once.
///
/// Ready when something moved, or the connection has ended, after which the connection should be asked for replies and this be called again;
/// pending when nothing can, and the task will be woken. Asking again until it is pending reads all there is.
///
/// # Errors
///
/// What the transport failed with. What it had received before is with the connection.
pub fn poll_io<T: PollTransport>(
    connection: &mut Connection,
    transport: &mut T,
    cx: &mut Context<'_>,
) -> Poll<Result<(), T::Error>> {
    match turn(connection, transport, Block::Until(None), cx) {
        Ok(Turn::Blocked { moved: false }) => Poll::Pending,
        Ok(Turn::Came | Turn::Blocked { moved: true }) => Poll::Ready(Ok(())),
        Err(error) => Poll::Ready(Err(error)),
    }
}

/// How far bytes have moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Some came in, or the connection has ended. There may be more.
    Came,
    /// As far as they can, and the task will be woken; whether something was written or flushed.
    Blocked { moved: bool },
}

/// Writes and flushes what it can, and reads once.
#[inline(never)]
pub(super) fn turn<T: PollTransport>(
    connection: &mut Connection,
    transport: &mut T,
    block: Block,
    cx: &mut Context<'_>,
) -> Result<Turn, T::Error> {
    match fetch(connection, transport, block, cx)? {
        Fetched::Bytes(n) => connection.received(n),
        Fetched::Ended => {}
        Fetched::Nothing { moved } => return Ok(Turn::Blocked { moved }),
    }
    Ok(Turn::Came)
}

/// What one turn has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// So many bytes, of which the connection is to be told.
    Bytes(usize),
    /// The connection has ended.
    Ended,
    /// Nothing, and the task will be woken; whether something was written or flushed.
    Nothing { moved: bool },
}

/// As [`turn`], but leaves it to the caller to tell the connection of what was read.
#[inline(always)]
pub(super) fn fetch<T: PollTransport>(
    connection: &mut Connection,
    transport: &mut T,
    block: Block,
    cx: &mut Context<'_>,
) -> Result<Fetched, T::Error> {
    let moved = match write_out(connection, transport, block, cx) {
        Ok(moved) => moved,
        Err(error) => {
            read_out(connection, transport, cx);
            return Err(error);
        }
    };
    match read_in(connection, transport, block, cx) {
        Ok(Fetched::Nothing { .. }) => Ok(Fetched::Nothing { moved }),
        fetched => fetched,
    }
}

/// Reads once.
#[inline(always)]
pub(super) fn read_in<T: PollTransport>(
    connection: &mut Connection,
    transport: &mut T,
    block: Block,
    cx: &mut Context<'_>,
) -> Result<Fetched, T::Error> {
    let block = block.or_turn(connection.wants_transmit() || connection.wants_flush());
    let buf = connection.receive_buf();
    if buf.is_empty() {
        return Ok(Fetched::Ended);
    }
    match transport.poll_read(cx, block, buf) {
        Poll::Ready(Ok(0)) => {
            connection.received_eof();
            Ok(Fetched::Ended)
        }
        Poll::Ready(Ok(n)) => Ok(Fetched::Bytes(n)),
        Poll::Ready(Err(error)) => Err(error),
        Poll::Pending => Ok(Fetched::Nothing { moved: false }),
    }
}

/// Writes and flushes what it can: whether that was something.
#[inline(always)]
pub(super) fn write_out<T: PollTransport>(
    connection: &mut Connection,
    transport: &mut T,
    block: Block,
    cx: &mut Context<'_>,
) -> Result<bool, T::Error> {
    let mut moved = false;
    // Alone, a request can wait for room. Among others it cannot: the server may be waiting for us to read.
    let block = block.or_turn(connection.in_flight() > 1);
    while connection.wants_transmit() && !connection.is_ended() {
        match transport.poll_write(cx, block, connection.transmit()) {
            Poll::Ready(Ok(0)) => connection.received_eof(),
            Poll::Ready(Ok(n)) => connection.transmitted(n),
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => return Ok(moved),
        }
        moved = true;
    }
    if connection.wants_flush() && !connection.is_ended() && transport.poll_flush(cx)?.is_ready() {
        connection.flushed();
        moved = true;
    }
    Ok(moved)
}

/// A server that refuses to read on may still have answered: takes that before the failure to write is told.
#[cold]
pub(super) fn read_out<T: PollTransport>(connection: &mut Connection, transport: &mut T, cx: &mut Context<'_>) {
    while !connection.is_ended() {
        match transport.poll_read(cx, Block::No, connection.receive_buf()) {
            Poll::Ready(Ok(n)) if n > 0 => connection.received(n),
            // The first failure is the one to tell.
            Poll::Ready(_) | Poll::Pending => break,
        }
    }
}

/// One timer for many deadlines. It is set to the first, and when it goes off to the one that counts by then: calls
/// that are answered in time, which is nearly all, cost no timer operation each.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    set_to: Option<Instant>,
    /// How long a reply may take.
    reply_timeout: Option<Duration>,
    /// Whether it was set that far ahead at most, so that it goes off before a reply is late that is waited for from now on.
    soon: bool,
}

impl Timer {
    pub(crate) fn new(reply_timeout: Option<Duration>) -> Self {
        Self { reply_timeout, ..Self::default() }
    }

    /// Ready once it is `at`.
    #[inline]
    pub(crate) fn poll<T: PollTransport>(&mut self, transport: &mut T, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self.set_to {
            // Nearly always it has been set for a call before this one, and goes off early or not at all.
            Some(set_to) if set_to <= at && transport.poll_timer(cx).is_pending() => Poll::Pending,
            _ => self.poll_anew(transport, at, cx),
        }
    }

    /// Whether the task will be woken before a reply is late that is waited for from now on, as far as can be told without asking
    /// what time it is. If not, [`Timer::poll`] sees to it.
    #[inline(always)]
    pub(crate) fn is_soon<T: PollTransport>(&mut self, transport: &mut T, cx: &mut Context<'_>) -> bool {
        if !self.soon {
            return false;
        }
        if transport.poll_timer(cx).is_ready() {
            self.unset();
        }
        self.soon
    }

    /// As [`Timer::poll`], for a timer that is not set, goes off too late, or has gone off.
    #[cold]
    fn poll_anew<T: PollTransport>(&mut self, transport: &mut T, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let ahead = at.saturating_duration_since(transport.now());
            if ahead.is_zero() {
                self.unset();
                return Poll::Ready(());
            }
            transport.set_timer(at);
            self.set_to = Some(at);
            self.soon = self.reply_timeout.is_some_and(|timeout| ahead <= timeout);
            ready!(transport.poll_timer(cx));
        }
    }

    fn unset(&mut self) {
        self.set_to = None;
        self.soon = false;
    }
}

pub(super) fn reply_timeout<T: PollTransport>(connection: &Connection, transport: &T) -> Option<Instant> {
    connection.config().reply_timeout.map(|timeout| transport.now() + timeout)
}
