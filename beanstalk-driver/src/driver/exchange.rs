//! A call on an idle connection: one write, and one read that brings the reply.
//!
//! ```text
//!   write ──▶ flush ──▶ read ── nothing yet ──▶ the clock, and a timer that was set before ──▶ Pending
//!     │ not all │ not yet │ not whole, or another reply                   │ none, or it went off
//!     │ failed  │ failed  │ failed                                        │
//!     └─────────┴─────────┴───────┬───────────────────────────────────────┘
//!                                 ▼                             dropped
//!             leave: a ticket, and the turns of `held.rs`  ◀──────────────  (the ticket is abandoned)
//! ```

use alloc::boxed::Box;
use core::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use super::io::{Block, PollTransport, read_out};
use super::{
    Driver,
    held::{Held, Patience, Waited},
};
use beanstalk_proto::{
    Error, Instant, Request, Wait,
    client::{Exchange, Ticket},
};

/// An exchange, for as long as somebody waits for it. If nobody does any more, it has a slot, and its ticket is abandoned. But if the
/// transport or the request panics, it stays an exchange, and so ends the connection.
pub(super) struct Sent<'d, T: PollTransport, R: Request> {
    driver: &'d mut Driver<T>,
    exchange: Exchange<R>,
    /// When it was sent.
    since: T::Time,
    /// When its reply is late.
    until: Option<Instant>,
    /// How much was written, if it is to be left before it is out.
    written: usize,
    /// It is written and flushed.
    is_out: bool,
    /// Nothing can be read yet: the call may be dropped.
    waits: bool,
    /// The transport has nothing more to read.
    ended: bool,
}

impl<'d, T: PollTransport, R: Request> Sent<'d, T, R> {
    #[inline(always)]
    pub(super) fn new(driver: &'d mut Driver<T>, exchange: Exchange<R>) -> Self {
        let since = driver.transport.clock();
        let timeout = match (driver.connection.config().reply_timeout, exchange.wait()) {
            (None, _) | (_, Wait::Forever) => None,
            (timeout, Wait::No) => timeout,
            (Some(timeout), Wait::Seconds(wait)) => Some(timeout.saturating_add(Duration::from_secs(wait.into()))),
        };
        let until = timeout.map(|timeout| driver.transport.time_of(since) + timeout);
        Self { driver, exchange, since, until, written: 0, is_out: false, waits: false, ended: false }
    }

    /// Writes the request, if it goes in one write, and flushes: whether that is done.
    #[inline(always)]
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, T::Error> {
        let Driver { connection, transport, .. } = &mut *self.driver;
        let (segments, len) = connection.exchange_transmit(&self.exchange);
        match transport.poll_write(cx, Block::Until(self.until), segments) {
            Poll::Ready(Ok(n)) if n == len => match transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    connection.exchange_written(&self.exchange);
                    self.is_out = true;
                    return Ok(true);
                }
                Poll::Ready(Err(error)) => {
                    self.written = n;
                    return Err(error);
                }
                Poll::Pending => self.written = n,
            },
            Poll::Ready(wrote) => self.written = wrote?,
            Poll::Pending => {}
        }
        Ok(false)
    }

    /// Reads once something is here: how much, or 0 if the exchange has to be left. When this is pending the task will be woken before
    /// the reply is late, as far as can be told without working out when that is.
    #[inline(always)]
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, T::Error>> {
        let Driver { connection, transport, .. } = &mut *self.driver;
        self.waits = false;
        let Some(buf) = connection.receive_buf_alone() else { return Poll::Ready(Ok(0)) };
        let read = transport.poll_read(cx, Block::Until(self.until), buf);
        match &read {
            Poll::Ready(Ok(0)) => self.ended = true,
            Poll::Ready(_) => {}
            Poll::Pending if self.is_patient(cx) => self.waits = true,
            Poll::Pending => return Poll::Ready(Ok(0)),
        }
        read
    }

    #[inline(always)]
    fn is_patient(&mut self, cx: &mut Context<'_>) -> bool {
        let Driver { connection, transport, timer } = &mut *self.driver;
        if self.exchange.wait() == Wait::Forever {
            return true;
        }
        timer.is_soon(transport, cx) || connection.config().reply_timeout.is_none()
    }

    /// The result, if the `n` bytes that came are the reply that nearly always comes, and all of it.
    #[inline(always)]
    pub(super) fn result(&mut self, n: usize) -> Option<Result<R::Reply, Box<Error>>> {
        self.driver.connection.received_in_exchange(n, &self.exchange)
    }

    /// Goes on with the request as with any other, after so much was read, or the transport failed.
    pub(super) async fn leave(mut self, came: Result<usize, T::Error>) -> Result<R::Reply, Error> {
        let ticket = self.take_ticket();
        let Self { is_out, ended, .. } = self;
        let patience = Patience::Since(self.since);
        let mut held = Held { driver: &mut *self.driver, ticket, patience };
        let Driver { connection, transport, .. } = &mut *held.driver;
        match came {
            Ok(_) if ended => connection.received_eof(),
            Ok(0) => {}
            Ok(n) => connection.received(n),
            Err(error) => {
                if !is_out {
                    poll_fn(|cx| {
                        read_out(connection, transport, cx);
                        Poll::Ready(())
                    })
                    .await;
                }
                return held.end(Waited::Failed(error));
            }
        }
        held.reply().await
    }

    /// Gives the request a slot, and tells the connection how much of it was written.
    #[cold]
    fn take_ticket(&mut self) -> Ticket<R::Reply> {
        let Driver { connection, .. } = &mut *self.driver;
        let ticket = connection.leave_exchange(self.exchange.take());
        if self.is_out {
            connection.transmitted(usize::MAX);
            connection.flushed();
        } else {
            connection.transmitted(self.written);
        }
        ticket
    }

    #[cold]
    fn abandon(&mut self) {
        let ticket = self.take_ticket();
        let Driver { connection, transport, .. } = &mut *self.driver;
        // How long the server may wait on purpose counts from then for those behind it, too.
        connection.deadline(&ticket, transport.time_of(self.since));
        connection.abandon(ticket);
    }
}

impl<T: PollTransport, R: Request> Drop for Sent<'_, T, R> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.waits {
            self.abandon();
        }
    }
}
