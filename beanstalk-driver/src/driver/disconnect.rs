//! Ending a driven connection.

use core::task::{Context, Poll, ready};

use super::io::{Block, PollTransport, Timer, Turn, reply_timeout, turn};
use beanstalk_proto::{
    Error, Instant, Lost,
    client::{Closing, Connection},
};

/// An end in order: the goodbye that [`Connection::close`] names, then reading until the server has closed.
#[derive(Debug)]
pub(crate) struct Disconnect {
    closing: Closing,
    until: Option<Instant>,
}

impl Disconnect {
    pub(crate) fn new<T: PollTransport>(connection: &mut Connection, transport: &T) -> Self {
        Self { closing: connection.close(), until: reply_timeout(connection, transport) }
    }

    pub(crate) fn poll<T: PollTransport>(
        &mut self,
        connection: &mut Connection,
        transport: &mut T,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let lost = Lost::Unknown;
        while !connection.is_ended() {
            if self.closing == Closing::HalfClose && !connection.wants_transmit() && !connection.wants_flush() {
                match transport.poll_close(cx) {
                    Poll::Ready(Ok(())) => self.closing = Closing::Quit,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(T::failure(error, lost))),
                    Poll::Pending => {}
                }
            }
            match turn(connection, transport, Block::Until(self.until), cx) {
                Ok(Turn::Came | Turn::Blocked { moved: true }) => {}
                Err(error) => return Poll::Ready(Err(T::failure(error, lost))),
                Ok(Turn::Blocked { moved: false }) => {
                    let Some(until) = self.until else { return Poll::Pending };
                    ready!(timer.poll(transport, until, cx));
                    return Poll::Ready(Err(Error::TimedOut { lost }));
                }
            }
        }
        // Lets TLS say goodbye. The server is gone already, so that this fails is no news.
        match (transport.poll_close(cx), self.until) {
            (Poll::Ready(_), _) => Poll::Ready(Ok(())),
            (Poll::Pending, Some(until)) => timer.poll(transport, until, cx).map(Ok),
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}
