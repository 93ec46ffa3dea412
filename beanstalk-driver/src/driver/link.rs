//! The one loop that drives a connection.
//!
//! ```text
//!       ┌────────────────────────────────────────────────────────────┐
//!       ▼                                                            │ something moved, or is late
//!     write, flush ──▶ look ── not here ──▶ read ── bytes, the end ──┤
//!                       │ here               │ nothing               │
//!                       ▼                    ▼                       │
//!                     Ready              the timer ── due ───────────┘
//!                                            │ not yet
//!                                            ▼
//!                                         Pending
//! ```
//!
//! One task does all of it on the unsplit stream, so reading goes on while a write or a flush is blocked: a peer that
//! stops reading until its replies are read cannot stop us.

use core::{
    mem,
    task::{Context, Poll},
};

use super::io::{Block, PollTransport, Timer};
use beanstalk_proto::{Instant, client::Connection};

/// A transport and its timer.
pub(crate) struct Link<T> {
    pub(crate) transport: T,
    timer: Timer,
    /// It is being used. If it is not, and this is set, it has panicked, and what it wrote and read is unknown.
    busy: bool,
}

/// How far writing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrote {
    /// Everything is written.
    All,
    /// Some was, and there may be room for more.
    Some,
    /// There was no room.
    Nothing,
}

impl<T: PollTransport> Link<T> {
    pub(crate) fn new(transport: T) -> Self {
        Self { transport, timer: Timer::default(), busy: false }
    }

    /// Moves bytes, and time, until `look` finds what it looks for, which it does in a connection that has ended.
    ///
    /// Gives up at `limit`, and is pending then.
    #[inline(always)]
    pub(crate) fn poll(
        &mut self,
        connection: &mut Connection,
        limit: Option<Instant>,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut Connection) -> bool,
    ) -> Poll<Result<(), T::Error>> {
        match self.poll_steps(connection, limit, cx, &mut look) {
            // It may have come with the last bytes before the failure.
            Poll::Ready(Err(error)) => Poll::Ready(if look(connection) { Ok(()) } else { Err(error) }),
            polled => polled,
        }
    }

    /// Takes what was found. If that panics, as a request may that makes something of its reply, the connection has ended.
    #[inline(always)]
    pub(crate) fn take<R>(&mut self, connection: &mut Connection, take: impl FnOnce(&mut Connection) -> R) -> R {
        self.busy = true;
        let taken = take(connection);
        self.busy = false;
        taken
    }

    /// Moves what can move, or time, once: pending if that is nothing, or `limit` has passed.
    #[cfg(feature = "std")]
    pub(crate) fn poll_once(
        &mut self,
        connection: &mut Connection,
        limit: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), T::Error>> {
        let mut moved = false;
        self.poll_steps(connection, limit, cx, &mut |_| mem::replace(&mut moved, true))
    }

    #[inline(always)]
    fn poll_steps(
        &mut self,
        connection: &mut Connection,
        limit: Option<Instant>,
        cx: &mut Context<'_>,
        look: &mut impl FnMut(&mut Connection) -> bool,
    ) -> Poll<Result<(), T::Error>> {
        if mem::replace(&mut self.busy, true) {
            connection.abort();
        }
        let mut sending = false;
        let polled = loop {
            let wrote = match if sending { Ok(Wrote::Nothing) } else { self.write(connection, cx) } {
                Ok(wrote) => wrote,
                Err(error) => {
                    self.read_out(connection, cx);
                    break Poll::Ready(Err(error));
                }
            };
            if look(connection) {
                break Poll::Ready(Ok(()));
            }
            // Looking may have queued something, and nothing is late before a read that was asked for.
            match wrote {
                Wrote::All if connection.queued() > 0 => continue,
                Wrote::Some if !connection.wants_read() => {
                    self.mind_the_time(connection);
                    continue;
                }
                _ => {}
            }
            let (at_once, until) = (connection.wants_read(), first(connection.poll_timeout(), limit));
            let buf = connection.receive_buf();
            let block = match wrote {
                _ if at_once => Block::No,
                Wrote::All => Block::Until(until),
                _ => Block::Turn,
            };
            let read = self.transport.poll_read(cx, block, buf);
            // A server that sends may not read before that is done: to wait for room again would only keep us from reading on.
            sending = wrote == Wrote::Nothing && matches!(read, Poll::Ready(Ok(1..)));
            match read {
                Poll::Ready(Ok(0)) => connection.received_eof(),
                Poll::Ready(Ok(n)) => {
                    // What is alone needs no other time than when it was sent.
                    let alone = connection.in_flight() == 1;
                    connection.received(if alone { Instant::ZERO } else { self.transport.now() }, n);
                    // Before writing on: with the reply here, no timeout bounds how long that may take.
                    if look(connection) {
                        break Poll::Ready(Ok(()));
                    }
                    self.mind_the_time(connection);
                }
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending if self.poll_time(connection, limit, cx) => {}
                Poll::Pending => break Poll::Pending,
            }
        };
        self.busy = false;
        polled
    }

    /// Reads what is here, without waiting, until `look` finds what it looks for.
    pub(crate) fn read_unread(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&Connection) -> bool,
    ) -> Result<(), T::Error> {
        if mem::replace(&mut self.busy, true) {
            connection.abort();
        }
        while !look(connection) && !connection.is_ended() {
            match self.transport.poll_read(cx, Block::No, connection.receive_buf()) {
                Poll::Ready(Ok(0)) => connection.received_eof(),
                Poll::Ready(Ok(n)) => connection.received(self.transport.now(), n),
                Poll::Ready(Err(error)) => {
                    self.busy = false;
                    return Err(error);
                }
                Poll::Pending => break,
            }
        }
        self.busy = false;
        Ok(())
    }

    /// Ready once it is then.
    pub(crate) fn poll_until(&mut self, until: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        until.map_or(Poll::Pending, |until| self.timer.poll(&mut self.transport, until, cx))
    }

    /// Writes once, and flushes if that was all. Never for longer than a turn: the server may be waiting for us to read, or have refused
    /// the body that is being written.
    #[inline(always)]
    fn write(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Result<Wrote, T::Error> {
        if connection.wants_transmit() {
            match self.transport.poll_write(cx, Block::Turn, connection.transmit()) {
                Poll::Ready(Ok(0)) => connection.received_eof(),
                Poll::Ready(Ok(n)) => connection.transmitted(n),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(Wrote::Nothing),
            }
            if connection.queued() != 0 {
                return Ok(Wrote::Some);
            }
        }
        if connection.wants_flush() {
            match self.transport.poll_flush(cx, Block::Turn) {
                Poll::Ready(Ok(())) => connection.flushed(),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(Wrote::Nothing),
            }
        }
        Ok(Wrote::All)
    }

    /// A server that refuses to read on may still have answered: takes that before the failure to write is reported.
    #[cold]
    fn read_out(&mut self, connection: &mut Connection, cx: &mut Context<'_>) {
        while !connection.is_ended() {
            match self.transport.poll_read(cx, Block::No, connection.receive_buf()) {
                Poll::Ready(Ok(n)) if n > 0 => connection.received(self.transport.now(), n),
                // The first failure is the one to report.
                Poll::Ready(_) | Poll::Pending => break,
            }
        }
    }

    /// After bytes moved: whether something was late, or a read was asked for.
    #[cold]
    fn mind_the_time(&mut self, connection: &mut Connection) -> bool {
        let due = connection.wants_read() || connection.poll_timeout().is_some_and(|at| at <= self.transport.now());
        if due {
            connection.handle_timeout(self.transport.now());
        }
        due
    }

    /// After a read found nothing: whether something may have become of that. If not, the task will be woken.
    #[inline]
    fn poll_time(&mut self, connection: &mut Connection, limit: Option<Instant>, cx: &mut Context<'_>) -> bool {
        if !connection.wants_read() {
            let Some(at) = first(connection.poll_timeout(), limit) else { return false };
            if self.timer.poll(&mut self.transport, at, cx).is_pending() {
                return false;
            }
        }
        self.mind_the_time(connection)
    }
}

#[inline(always)]
fn first(timeout: Option<Instant>, limit: Option<Instant>) -> Option<Instant> {
    match (timeout, limit) {
        (timeout, None) => timeout,
        (None, limit) => limit,
        (Some(timeout), Some(limit)) => Some(timeout.min(limit)),
    }
}
