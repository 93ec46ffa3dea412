//! The streams of futures-io and async-std's timer, as the core wants them.

use std::{
    fmt,
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time,
};

use async_std::task;
use beanstalk_driver::{Block, PollTransport, connect::socket::Maker};
use beanstalk_proto::{Error, Instant, Lost, Segments};
use futures_io::{AsyncRead, AsyncWrite};

/// Pieces of the outbound queue for one write.
const PIECES: usize = 16;

/// A stream, and the one timer of its connection.
pub struct Transport<S> {
    stream: S,
    maker: Maker,
    /// What the core's clock counts from.
    epoch: time::Instant,
    timer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S> Transport<S> {
    /// Returns a transport over this stream, whose clock begins now.
    pub fn new(stream: S) -> Self {
        Self { stream, maker: Maker::this(), epoch: time::Instant::now(), timer: None }
    }

    pub(crate) const fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: fmt::Debug> fmt::Debug for Transport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> PollTransport for Transport<S> {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, _: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, _: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        if let Some(piece) = segments.single() {
            return Pin::new(&mut self.stream).poll_write(cx, piece);
        }
        if let Some(pieces) = segments.line_and_body() {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, &pieces.map(IoSlice::new));
        }
        let (pieces, count) = segments.io_slices::<PIECES>();
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces.get(..count).unwrap_or_default())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }

    fn is_inherited(&self) -> bool {
        !self.maker.is_this()
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let epoch = self.epoch;
        move || Instant::ZERO + epoch.elapsed()
    }

    fn set_timer(&mut self, at: Instant) {
        self.timer = Some(Box::pin(task::sleep(at.saturating_duration_since(self.now()))));
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }
}
