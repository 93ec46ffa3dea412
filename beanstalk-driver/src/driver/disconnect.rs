//! Ending a driven connection.

use core::task::{Context, Poll, ready};

use super::io::{PollTransport, Timer, poll_io, reply_timeout};
use beanstalk_proto::{Error, Instant, Lost, client::Connection};

/// An end in order: what [`Connection::close`] asks for, then reading until the server has closed.
#[derive(Debug)]
pub(crate) struct Disconnect {
    until: Option<Instant>,
}

impl Disconnect {
    pub(crate) fn new<T: PollTransport>(connection: &mut Connection, transport: &T) -> Self {
        connection.close(transport.now());
        Self { until: reply_timeout(connection, transport) }
    }

    pub(crate) fn poll<T: PollTransport>(
        &mut self,
        connection: &mut Connection,
        transport: &mut T,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let lost = Lost::Unknown;
        while connection.poll_closed().is_pending() {
            if connection.wants_half_close() {
                match transport.poll_close(cx) {
                    Poll::Ready(Ok(())) => connection.half_closed(),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(T::failure(error, lost))),
                    Poll::Pending => {}
                }
            }
            match poll_io(connection, transport, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(T::failure(error, lost))),
                Poll::Pending => {
                    let Some(at) = connection.poll_timeout() else { return Poll::Pending };
                    if !connection.wants_read() {
                        ready!(timer.poll(transport, at, cx));
                    }
                    connection.handle_timeout(transport.now());
                }
            }
        }
        if let Poll::Ready(Err(error @ Error::TimedOut { .. })) = connection.poll_closed() {
            return Poll::Ready(Err(error));
        }
        // Lets TLS say goodbye. The server is gone already, so that this fails is no news.
        match (transport.poll_close(cx), self.until) {
            (Poll::Ready(_), _) => Poll::Ready(Ok(())),
            (Poll::Pending, Some(until)) => timer.poll(transport, until, cx).map(Ok),
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}
