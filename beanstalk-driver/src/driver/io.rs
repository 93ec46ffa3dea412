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

use core::task::{Context, Poll, ready};

use beanstalk_proto::{Error, Instant, Lost, Segments, client::Connection};

/// A stream and a timer, as a runtime offers them.
///
/// A `poll_` method that gives [`Poll::Pending`] has arranged for the task to be woken.
pub trait PollTransport: Unpin {
    /// What the stream fails with.
    type Error: Send;
    /// What the runtime's clock shows.
    type Time: Copy + Send;

    /// Reads once into `buf`; 0 is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Self::Error>>;

    /// Writes once, from the start of the first segment; there is at least one. 0 is the end of the stream.
    fn poll_write(&mut self, cx: &mut Context<'_>, segments: Segments<'_>) -> Poll<Result<usize, Self::Error>>;

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
    let mut now = transport.now();
    match turn(connection, transport, &mut now, cx) {
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

/// Writes and flushes what it can, and reads once. If more than one reply may come, asks what time it is for that.
#[inline(always)]
pub(super) fn turn<T: PollTransport>(
    connection: &mut Connection,
    transport: &mut T,
    now: &mut Instant,
    cx: &mut Context<'_>,
) -> Result<Turn, T::Error> {
    let moved = match write_out(connection, transport, cx) {
        Ok(moved) => moved,
        Err(error) => {
            read_out(connection, transport, cx);
            return Err(error);
        }
    };
    let buf = connection.receive_buf();
    if buf.is_empty() {
        return Ok(Turn::Came);
    }
    match transport.poll_read(cx, buf) {
        Poll::Ready(Ok(0)) => connection.received_eof(),
        Poll::Ready(Ok(n)) => {
            if connection.in_flight() != 1 {
                *now = transport.now();
            }
            connection.received(*now, n);
        }
        Poll::Ready(Err(error)) => return Err(error),
        Poll::Pending => return Ok(Turn::Blocked { moved }),
    }
    Ok(Turn::Came)
}

/// Writes and flushes what it can: whether that was something.
#[inline(always)]
fn write_out<T: PollTransport>(
    connection: &mut Connection,
    transport: &mut T,
    cx: &mut Context<'_>,
) -> Result<bool, T::Error> {
    let mut moved = false;
    while connection.wants_transmit() && !connection.is_ended() {
        match transport.poll_write(cx, connection.transmit()) {
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
        match transport.poll_read(cx, connection.receive_buf()) {
            Poll::Ready(Ok(n)) if n > 0 => connection.received(transport.now(), n),
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
}

impl Timer {
    /// Ready once it is `at`.
    #[inline]
    pub(crate) fn poll<T: PollTransport>(&mut self, transport: &mut T, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self.set_to {
            // Nearly always it has been set for a call before this one, and goes off early or not at all.
            Some(set_to) if set_to <= at && transport.poll_timer(cx).is_pending() => Poll::Pending,
            _ => self.poll_anew(transport, at, cx),
        }
    }

    /// As [`Timer::poll`], for a timer that is not set, goes off too late, or has gone off.
    #[cold]
    fn poll_anew<T: PollTransport>(&mut self, transport: &mut T, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        while at > transport.now() {
            transport.set_timer(at);
            self.set_to = Some(at);
            ready!(transport.poll_timer(cx));
        }
        self.set_to = None;
        Poll::Ready(())
    }
}

pub(super) fn reply_timeout<T: PollTransport>(connection: &Connection, transport: &T) -> Option<Instant> {
    connection.config().reply_timeout.map(|timeout| transport.now() + timeout)
}
