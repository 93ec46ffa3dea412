//! tokio's streams and timers, as the core wants them.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use beanstalk_proto::{Error, Instant, Lost, Segments, client::PollTransport};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{self, Sleep},
};

/// Pieces of the outbound queue for one write.
const PIECES: usize = 16;

/// A stream, and the one timer of its connection.
#[derive(Debug)]
pub struct Transport<S> {
    stream: S,
    /// What the core's clock counts from.
    epoch: time::Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Transport<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, epoch: time::Instant::now(), timer: None }
    }

    pub(crate) const fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> PollTransport for Transport<S> {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        let (pieces, count) = segments.io_slices::<PIECES>();
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces.get(..count).unwrap_or_default())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn set_timer(&mut self, at: Instant) {
        let after = at.saturating_duration_since(Instant::ZERO);
        // Far enough that nobody will see it go off, and near enough for every clock.
        let at =
            self.epoch.checked_add(after).unwrap_or_else(|| time::Instant::now() + time::Duration::from_secs(1 << 30));
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(at),
            None => self.timer = Some(Box::pin(time::sleep_until(at))),
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }
}
