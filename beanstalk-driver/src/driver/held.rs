//! A request that was sent, for as long as somebody waits for its reply.

use core::{
    future::poll_fn,
    task::{Context, Poll},
};

use super::{Driver, io::PollTransport};
use beanstalk_proto::{Error, client::Ticket};

/// A ticket that is abandoned when nobody waits for it any more.
pub(super) struct Held<'d, T: PollTransport, R> {
    pub(super) driver: &'d mut Driver<T>,
    ticket: Ticket<R>,
}

impl<'d, T: PollTransport, R> Held<'d, T, R> {
    pub(super) fn new(driver: &'d mut Driver<T>, ticket: Ticket<R>) -> Self {
        Self { driver, ticket }
    }

    /// Waits for the reply.
    #[inline(always)]
    pub(super) async fn reply(mut self) -> Result<R, Error> {
        self.wait().await
    }

    pub(super) async fn wait(&mut self) -> Result<R, Error> {
        poll_fn(|cx| self.poll(cx)).await
    }

    #[inline(always)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, Error>> {
        match self.driver.poll_done(cx, |connection, _| connection.poll_reply(&mut self.ticket)) {
            Poll::Ready(Ok(result)) => Poll::Ready(result),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error))),
            Poll::Pending => Poll::Pending,
        }
    }

    pub(super) fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ticket<R>, Error>> {
        // If the connection has ended, or the reply is late, the ticket says how.
        let out = self.driver.poll_done(cx, |connection, _| {
            match connection.is_flushed(&self.ticket) || connection.is_ended() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        match out {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(self.ticket.take())),
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

impl<T: PollTransport, R> Drop for Held<'_, T, R> {
    fn drop(&mut self) {
        if !self.ticket.is_spent() {
            self.driver.connection.abandon(self.ticket.take());
        }
    }
}
