//! Ending a driven connection.

use core::task::{Context, Poll, ready};

use super::io::{PollTransport, Timer, poll_io, reply_timeout};
use beanstalk_proto::{
    Error, Instant, Lost, Subject,
    client::{Closing, Connection},
};

/// An end in order: the goodbye that [`Connection::close`] names, then reading until the server has closed. Nothing at all for a
/// connection that was inherited from another process.
#[derive(Debug)]
pub(crate) struct Disconnect {
    inherited: bool,
    closing: Closing,
    until: Option<Instant>,
}

impl Disconnect {
    pub(crate) fn new<T: PollTransport>(connection: &mut Connection, transport: &T) -> Self {
        Self {
            inherited: transport.is_inherited(),
            closing: connection.close(),
            until: reply_timeout(connection, transport),
        }
    }

    pub(crate) fn poll<T: PollTransport>(
        &mut self,
        connection: &mut Connection,
        transport: &mut T,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if self.inherited {
            return Poll::Ready(Ok(()));
        }
        let lost = Lost::Unknown;
        while !connection.is_ended() {
            if self.closing == Closing::HalfClose && !connection.wants_transmit() && !connection.wants_flush() {
                match transport.poll_close(cx) {
                    Poll::Ready(Ok(())) => self.closing = Closing::Quit,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(T::failure(error, lost))),
                    Poll::Pending => {}
                }
            }
            match poll_io(connection, transport, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(T::failure(error, lost))),
                Poll::Pending => {
                    let Some(until) = self.until else { return Poll::Pending };
                    ready!(timer.poll(transport, until, cx));
                    return Poll::Ready(Err(connection.late("quit", Subject::None, lost)));
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
