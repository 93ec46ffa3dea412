//! A request that was sent, for as long as somebody waits for its reply.

use core::{
    mem,
    task::{Context, Poll},
};

use super::{Driver, io::PollTransport, link::Begin};
use beanstalk_proto::{Error, client::Ticket};

/// A ticket that is abandoned when nobody waits for it any more.
pub(super) struct Claim<'d, T: PollTransport, R> {
    pub(super) driver: &'d mut Driver<T>,
    pub(super) ticket: Ticket<R>,
    pub(super) begin: Begin,
}

impl<T: PollTransport, R> Claim<'_, T, R> {
    /// Ready with the reply, or with what keeps it from coming.
    #[inline(always)]
    pub(super) fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, Error>> {
        let Self { driver, ticket, begin } = self;
        let Driver { connection, link, .. } = &mut **driver;
        let begin = mem::replace(begin, Begin::Anywhere);
        match link.poll_from(begin, connection, None, cx, |connection| connection.poll_reply(ticket)) {
            Poll::Ready(Ok(result)) => Poll::Ready(result),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error))),
            Poll::Pending => {
                // What has come was looked at, and nobody else reads.
                self.begin = Begin::Sent;
                Poll::Pending
            }
        }
    }

    /// Ready with the ticket once the last byte was written and flushed.
    pub(super) fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ticket<R>, Error>> {
        let Self { driver, ticket, .. } = self;
        let Driver { connection, link, .. } = &mut **driver;
        // Ready and not flushed: it is late, or has failed.
        let flushed = link.poll(connection, None, cx, |connection| {
            match connection.is_flushed(ticket) || connection.is_ready(ticket.id()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        match flushed {
            Poll::Ready(Ok(())) if connection.is_flushed(ticket) => Poll::Ready(Ok(self.ticket.take())),
            Poll::Ready(Ok(())) => match connection.poll_reply(ticket) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(_)) | Poll::Pending => Poll::Ready(Ok(self.ticket.take())),
            },
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error))),
            Poll::Pending => Poll::Pending,
        }
    }

    #[cold]
    fn failed(&mut self, error: T::Error) -> Error {
        let lost = self.driver.connection.lost(&self.ticket);
        self.driver.failed(error, lost)
    }
}

impl<T: PollTransport, R> Drop for Claim<'_, T, R> {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.ticket.is_spent() {
            self.driver.connection.abandon(self.ticket.take());
        }
    }
}
