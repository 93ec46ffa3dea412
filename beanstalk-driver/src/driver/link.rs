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

/// Where a poll begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// With what was just sent, and not looked for yet.
    Sent,
    /// With a turn of which only a failure counts.
    Turn,
    Anywhere,
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
    #[inline]
    pub(crate) fn poll<R>(
        &mut self,
        connection: &mut Connection,
        limit: Option<Instant>,
        cx: &mut Context<'_>,
        look: impl FnMut(&mut Connection) -> Poll<R>,
    ) -> Poll<Result<R, T::Error>> {
        self.poll_from(Begin::Anywhere, connection, limit, cx, look)
    }

    /// As [`Link::poll`], after what is looked for was just sent, if so.
    #[inline(always)]
    pub(super) fn poll_from<R>(
        &mut self,
        begin: Begin,
        connection: &mut Connection,
        limit: Option<Instant>,
        cx: &mut Context<'_>,
        look: impl FnMut(&mut Connection) -> Poll<R>,
    ) -> Poll<Result<R, T::Error>> {
        if mem::replace(&mut self.busy, true) {
            connection.abort();
        }
        let polled = self.poll_steps(begin, connection, limit, cx, look);
        self.busy = false;
        polled
    }

    #[inline(always)]
    fn poll_steps<R>(
        &mut self,
        begin: Begin,
        connection: &mut Connection,
        limit: Option<Instant>,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut Connection) -> Poll<R>,
    ) -> Poll<Result<R, T::Error>> {
        let mut sent = begin == Begin::Sent;
        loop {
            let wrote = match self.write(connection, cx) {
                Ok(wrote) => wrote,
                Err(error) => {
                    self.read_out(connection, cx);
                    return Poll::Ready(begin.found_or(|| look(connection), error));
                }
            };
            // Before anything was read it cannot be here.
            if !mem::take(&mut sent) || connection.is_ended() {
                if let Poll::Ready(found) = look_first(connection, &mut look) {
                    return Poll::Ready(Ok(found));
                }
            }
            // Looking may have queued something, and nothing is late before a read that was asked for.
            match wrote {
                Wrote::All if connection.wants_transmit() && !connection.is_ended() => continue,
                Wrote::Some if !connection.wants_read() => {
                    self.mind_the_time(connection);
                    continue;
                }
                _ => {}
            }
            let block = match (connection.wants_read(), wrote) {
                (true, _) => Block::No,
                (false, Wrote::All) => Block::Until(first(connection.poll_timeout(), limit)),
                (false, _) => Block::Turn,
            };
            match self.transport.poll_read(cx, block, connection.receive_buf()) {
                Poll::Ready(Ok(0)) => connection.received_eof(),
                Poll::Ready(Ok(n)) => {
                    // What is alone needs no other time than when it was sent.
                    let alone = connection.in_flight() == 1;
                    connection.received(if alone { Instant::ZERO } else { self.transport.now() }, n);
                    // Before writing on: with the reply here, nothing says how long that may take.
                    if let Poll::Ready(found) = look(connection) {
                        return Poll::Ready(Ok(found));
                    }
                    self.mind_the_time(connection);
                }
                // It may have come with the last bytes before the failure.
                Poll::Ready(Err(error)) => return Poll::Ready(begin.found_or(|| look(connection), error)),
                Poll::Pending if self.poll_time(connection, limit, cx) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
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
        let moved_on = |_: &mut Connection| match mem::replace(&mut moved, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        };
        self.poll_from(Begin::Turn, connection, limit, cx, moved_on)
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
        if connection.wants_transmit() && !connection.is_ended() {
            match self.transport.poll_write(cx, Block::Turn, connection.transmit()) {
                Poll::Ready(Ok(0)) => connection.received_eof(),
                Poll::Ready(Ok(n)) => connection.transmitted(n),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(Wrote::Nothing),
            }
            if connection.wants_transmit() {
                return Ok(Wrote::Some);
            }
        }
        if connection.wants_flush() && !connection.is_ended() {
            match self.transport.poll_flush(cx, Block::Turn) {
                Poll::Ready(Ok(())) => connection.flushed(),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(Wrote::Nothing),
            }
        }
        Ok(Wrote::All)
    }

    /// A server that refuses to read on may still have answered: takes that before the failure to write is told.
    #[cold]
    fn read_out(&mut self, connection: &mut Connection, cx: &mut Context<'_>) {
        while !connection.is_ended() {
            match self.transport.poll_read(cx, Block::No, connection.receive_buf()) {
                Poll::Ready(Ok(n)) if n > 0 => connection.received(self.transport.now(), n),
                // The first failure is the one to tell.
                Poll::Ready(_) | Poll::Pending => break,
            }
        }
    }

    /// After bytes moved: whether something was late, or a read was asked for.
    #[cold]
    fn mind_the_time(&mut self, connection: &mut Connection) -> bool {
        let wanted = connection.wants_read();
        let timeout = connection.poll_timeout();
        if !wanted && timeout.is_none() {
            return false;
        }
        let now = self.transport.now();
        let due = wanted || timeout.is_some_and(|at| at <= now);
        if due {
            connection.handle_timeout(now);
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

/// Looks before a read, which is rarely needed.
#[inline(never)]
fn look_first<R>(connection: &mut Connection, look: &mut impl FnMut(&mut Connection) -> Poll<R>) -> Poll<R> {
    look(connection)
}

#[inline(always)]
fn first(timeout: Option<Instant>, limit: Option<Instant>) -> Option<Instant> {
    match (timeout, limit) {
        (timeout, None) => timeout,
        (None, limit) => limit,
        (Some(timeout), Some(limit)) => Some(timeout.min(limit)),
    }
}

impl Begin {
    #[cold]
    fn found_or<R, E>(self, look: impl FnOnce() -> Poll<R>, error: E) -> Result<R, E> {
        match if self == Self::Turn { Poll::Pending } else { look() } {
            Poll::Ready(found) => Ok(found),
            Poll::Pending => Err(error),
        }
    }
}
