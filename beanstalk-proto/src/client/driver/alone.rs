//! Waiting for the reply to a request that is alone: what [`Held::poll_came`] does, for the case that nearly every call is.
//!
//! ```text
//!   write_alone ──▶ poll_came_alone ── nothing yet ──▶ the clock, and a timer that was set before ──▶ Pending
//!        │                │ not drained                                │ none, or it went off
//!        ▼                ▼                                            ▼
//!     the turns that Held::poll_came takes, and the deadline that it works out
//! ```

use core::task::{Context, Poll};

use super::{
    Driver,
    held::{Held, Patience, Waited},
};
use crate::client::{
    Deadline,
    io::{PollTransport, read_out},
};

impl<T: PollTransport, R> Held<'_, T, R> {
    /// Notes that no reply is too late for this request.
    #[inline(always)]
    pub(super) fn waits_for_ever(&mut self) {
        self.patience = Patience::Until(Deadline::Never);
    }

    /// Writes a request that was sent alone, if it goes in one write: whether all of it went. What is left is for the turns that
    /// follow.
    ///
    /// # Errors
    ///
    /// What the transport failed with. What it had received before is with the connection.
    #[inline(always)]
    pub(super) fn write_alone(&mut self, cx: &mut Context<'_>) -> Result<bool, T::Error> {
        let Driver { connection, transport, .. } = &mut *self.driver;
        match transport.poll_write(cx, connection.transmit()) {
            Poll::Ready(Ok(n)) if n == connection.queued() => match transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    connection.line_written_out();
                    return Ok(true);
                }
                Poll::Ready(Err(error)) => return Err(read_out(connection, transport, cx, error)),
                Poll::Pending => connection.transmitted(n),
            },
            Poll::Ready(Ok(0)) => connection.received_eof(),
            Poll::Ready(Ok(n)) => connection.transmitted(n),
            Poll::Ready(Err(error)) => return Err(read_out(connection, transport, cx, error)),
            Poll::Pending => {}
        }
        Ok(false)
    }

    /// As [`Held::poll_came`], for a request that is alone and written out.
    #[inline(always)]
    pub(super) fn poll_came_alone(&mut self, cx: &mut Context<'_>) -> Poll<Waited<T::Error>> {
        let Driver { connection, transport, .. } = &mut *self.driver;
        let Some(buf) = connection.receive_buf_alone() else { return self.poll_came(cx) };
        match transport.poll_read(cx, buf) {
            Poll::Ready(Ok(0)) => {
                connection.received_eof();
                Poll::Ready(Waited::Ended)
            }
            Poll::Ready(Ok(n)) => Poll::Ready(Waited::Bytes(n)),
            Poll::Ready(Err(error)) => Poll::Ready(Waited::Failed(error)),
            Poll::Pending if self.is_patient(cx) => Poll::Pending,
            Poll::Pending => self.driver.poll_late(self.ticket.seq, &mut self.patience, cx),
        }
    }

    /// Whether the task will be woken before the reply is late, as far as can be told without working out when that is.
    #[inline(always)]
    fn is_patient(&mut self, cx: &mut Context<'_>) -> bool {
        let Driver { connection, transport, timer } = &mut *self.driver;
        match self.patience {
            Patience::Until(Deadline::Never) => return true,
            Patience::Until(_) => return false,
            Patience::Since(_) => {}
            // How long the server may wait on purpose counts from now for those behind it, too.
            Patience::Fresh if connection.slots.may_wait() => return false,
            Patience::Fresh => self.patience = Patience::Since(transport.clock()),
        }
        timer.is_soon(transport, cx)
    }
}
