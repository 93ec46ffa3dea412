//! The transport of a connection on a runtime: what the asynchronous bindings have in common.

use std::{
    fmt, io,
    io::IoSlice,
    task::{Context, Poll},
};

use beanstalk_proto::{Error, Instant, Lost, Segments};

use super::{super::socket::Maker, PollStream};
use crate::driver::{Block, PollTransport};

/// Pieces of the outbound queue for one write.
const PIECES: usize = 16;

/// A stream of a runtime's own traits in a wrapper that makes it a [`PollStream`].
pub trait Adapted: PollStream + From<Self::Stream> {
    /// The stream in it.
    type Stream;

    /// Returns the stream in it.
    fn stream(&self) -> &Self::Stream;
}

/// A runtime's clock, and the one timer of a connection.
pub trait Timer: Default {
    /// Returns the time since this was made.
    fn now(&self) -> Instant;

    /// Returns the clock alone.
    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static;

    /// Sets the timer, in place of what it was set to.
    fn set(&mut self, at: Instant);

    /// Ready once the timer has gone off. Pending has the task woken then.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// The transport of a connection on a runtime: a stream, a clock and a timer.
pub struct PolledTransport<S, T> {
    stream: S,
    maker: Maker,
    timer: T,
}

impl<S: Adapted, T: Timer> PolledTransport<S, T> {
    /// Returns a transport over this stream, whose clock begins now.
    pub fn new(stream: S::Stream) -> Self {
        Self { stream: stream.into(), maker: Maker::this(), timer: T::default() }
    }

    /// Returns the stream.
    pub fn stream(&self) -> &S::Stream {
        self.stream.stream()
    }
}

impl<S: fmt::Debug, T> fmt::Debug for PolledTransport<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl<S: PollStream + Unpin, T: Timer + Unpin> PollTransport for PolledTransport<S, T> {
    type Error = io::Error;

    #[inline(always)]
    fn poll_read(&mut self, cx: &mut Context<'_>, _: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_read(cx, buf)
    }

    #[inline(always)]
    fn poll_write(&mut self, cx: &mut Context<'_>, _: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        match segments.single() {
            Some(piece) => self.stream.poll_write(cx, piece),
            None => poll_gather(&mut self.stream, cx, segments),
        }
    }

    #[inline(always)]
    fn poll_flush(&mut self, cx: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_close(cx)
    }

    fn is_inherited(&self) -> bool {
        !self.maker.is_this()
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    #[inline]
    fn now(&self) -> Instant {
        self.timer.now()
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        self.timer.clock()
    }

    fn set_timer(&mut self, at: Instant) {
        self.timer.set(at);
    }

    #[inline(always)]
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.poll(cx)
    }
}

fn poll_gather(stream: &mut impl PollStream, cx: &mut Context<'_>, segments: Segments<'_>) -> Poll<io::Result<usize>> {
    if let Some(pieces) = segments.line_and_body() {
        return stream.poll_write_vectored(cx, &pieces.map(IoSlice::new));
    }
    let (pieces, count) = segments.io_slices::<PIECES>();
    stream.poll_write_vectored(cx, pieces.get(..count).unwrap_or_default())
}
