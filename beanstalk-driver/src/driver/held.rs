//! A request that was sent, for as long as somebody waits for its reply.

use core::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use super::Driver;
use super::io::{Block, PollTransport};
use beanstalk_proto::{
    Error,
    client::{Deadline, Ticket},
};

/// What waiting for a reply came to.
pub(super) enum Waited<E> {
    /// So many bytes came, of which the connection is to be told: the reply may be here.
    Bytes(usize),
    /// The connection has ended.
    Ended,
    /// It is late.
    Late,
    /// The caller's own deadline has passed.
    GiveUp,
    /// The transport failed.
    Failed(E),
}

/// How long a call may wait.
pub(super) enum Patience<T: PollTransport> {
    /// Not asked for: it has not had to wait.
    Fresh,
    /// As long as a reply may take from when the clock showed this.
    Since(T::Time),
    /// Until then.
    Until(Deadline),
}

/// A ticket that is abandoned when nobody waits for it any more.
pub(super) struct Held<'d, T: PollTransport, R> {
    pub(super) driver: &'d mut Driver<T>,
    pub(super) ticket: Ticket<R>,
    pub(super) patience: Patience<T>,
}

impl<'d, T: PollTransport, R> Held<'d, T, R> {
    pub(super) fn new(driver: &'d mut Driver<T>, ticket: Ticket<R>) -> Self {
        Self { driver, ticket, patience: Patience::Fresh }
    }

    /// The reply, if it is here.
    #[inline(always)]
    fn take(&mut self) -> Poll<Result<R, Error>> {
        self.driver.connection.poll_reply(&mut self.ticket)
    }

    /// Waits for the reply.
    pub(super) async fn reply(mut self) -> Result<R, Error> {
        loop {
            if let Poll::Ready(result) = self.take() {
                return result;
            }
            match poll_fn(|cx| self.poll_came(cx)).await {
                Waited::Bytes(n) => self.driver.connection.received(n),
                Waited::Ended => {}
                waited => return self.end(waited),
            }
        }
    }

    #[inline]
    fn poll_came(&mut self, cx: &mut Context<'_>) -> Poll<Waited<T::Error>> {
        self.driver.poll_came(self.ticket.seq(), &mut self.patience, cx)
    }

    /// What becomes of a call whose reply does not come.
    #[cold]
    pub(super) fn end(&mut self, waited: Waited<T::Error>) -> Result<R, Error> {
        match waited {
            Waited::Bytes(_) | Waited::Ended | Waited::Late => Err(self.driver.connection.timed_out(&self.ticket)),
            Waited::GiveUp => self.driver.connection.give_up(self.ticket.take()),
            // It may have come with the last bytes before the failure.
            Waited::Failed(error) => match self.take() {
                Poll::Ready(result) => result,
                Poll::Pending => Err(self.failed(error)),
            },
        }
    }

    pub(super) fn poll_written_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ticket<R>, Error>> {
        let deadline = self.driver.deadline(self.ticket.seq(), &mut self.patience);
        let until = match deadline {
            Deadline::Never | Deadline::GiveUp(_) => None,
            Deadline::Fail(at) => Some(at),
        };
        // If the connection has ended, the ticket says how.
        let out = self.driver.poll_done(cx, |connection| {
            match connection.is_written_out(&self.ticket) || connection.is_ended() {
                true => Ok(()),
                false => Err(Block::Until(until)),
            }
        });
        match out {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(self.ticket.take())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error))),
            Poll::Pending => {
                ready!(self.driver.poll_until(until, cx));
                Poll::Ready(Err(self.driver.connection.timed_out(&self.ticket)))
            }
        }
    }

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
