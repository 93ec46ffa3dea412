//! Ending a driven connection.

use core::task::{Context, Poll, ready};

use super::{io::PollTransport, link::Link};
use beanstalk_proto::{Error, Instant, Lost, client::Connection};

/// An end in order: what [`Connection::close`] asks for, reading until the server has closed, and closing the transport. Nothing at
/// all for a connection that was inherited from another process.
#[derive(Debug)]
pub(crate) struct Disconnect {
    /// When the transport has to be closed at the latest.
    until: Option<Instant>,
}

impl Disconnect {
    pub(crate) fn new<T: PollTransport>(connection: &mut Connection, link: &Link<T>) -> Self {
        let now = link.transport.now();
        connection.close(now);
        Self { until: connection.config().reply_timeout.map(|timeout| now + timeout) }
    }

    /// Pending at `limit` as well, which the caller looks after.
    pub(crate) fn poll<T: PollTransport>(
        &mut self,
        connection: &mut Connection,
        link: &mut Link<T>,
        limit: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if link.transport.is_inherited() {
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Poll::Ready(end) = connection.poll_closed() {
                return self.close(link, end, cx);
            }
            if connection.wants_half_close() {
                match link.transport.poll_close(cx) {
                    Poll::Ready(Ok(())) => connection.half_closed(),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(fail::<T>(connection, error))),
                    Poll::Pending => {}
                }
            }
            let begun = connection.wants_half_close();
            let moved = |connection: &mut Connection| connection.is_ended() || connection.wants_half_close() != begun;
            if let Err(error) = ready!(link.poll(connection, limit, cx, moved)) {
                return Poll::Ready(Err(fail::<T>(connection, error)));
            }
        }
    }

    /// Lets TLS send its `close_notify`. The server is gone already, so a failure of this is ignored.
    fn close<T: PollTransport>(
        &self,
        link: &mut Link<T>,
        end: Result<(), Error>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if end.is_ok() && link.transport.poll_close(cx).is_pending() && link.poll_until(self.until, cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(end)
    }
}

fn fail<T: PollTransport>(connection: &mut Connection, error: T::Error) -> Error {
    connection.abort();
    T::failure(error, Lost::Unknown)
}
