//! A request that was sent, for as long as its reply is awaited.

use core::task::{Context, Poll, ready};

use super::{Driver, io::PollTransport};
use beanstalk_proto::{
    Error,
    client::{Connection, Ticket},
};

/// A ticket that is abandoned when it is dropped before its reply.
pub(super) struct Claim<'d, T: PollTransport, R> {
    pub(super) driver: &'d mut Driver<T>,
    pub(super) ticket: Ticket<R>,
}

impl<T: PollTransport, R> Claim<'_, T, R> {
    /// Ready with the reply, or with what keeps it from coming.
    #[inline(always)]
    pub(super) fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, Error>> {
        let Self { driver, ticket } = self;
        let Driver { connection, link, .. } = &mut **driver;
        match ready!(link.poll(connection, None, cx, |connection| connection.is_ready(ticket.id()))) {
            Ok(()) => link.take(connection, |connection| connection.poll_reply(ticket)),
            Err(error) => {
                let lost = connection.lost(ticket);
                Poll::Ready(Err(driver.failed(error, lost)))
            }
        }
    }

    /// Ready with the ticket once the last byte was written and flushed.
    pub(super) fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ticket<R>, Error>> {
        let Self { driver, ticket } = self;
        let Driver { connection, link, .. } = &mut **driver;
        let written = |connection: &mut Connection| connection.is_flushed(ticket) || connection.is_ready(ticket.id());
        if let Err(error) = ready!(link.poll(connection, None, cx, written)) {
            let lost = connection.lost(ticket);
            return Poll::Ready(Err(driver.failed(error, lost)));
        }
        // Ready and not flushed: it is late, or has failed.
        match connection.is_flushed(ticket) {
            false => match connection.poll_reply(ticket) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(_)) | Poll::Pending => Poll::Ready(Ok(self.ticket.take())),
            },
            true => Poll::Ready(Ok(self.ticket.take())),
        }
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
