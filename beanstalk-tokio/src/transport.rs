//! tokio's streams and timers, as the core wants them.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use beanstalk_driver::{Block, PollTransport, connect::socket::Maker};
use beanstalk_proto::{Error, Instant, Lost, Segments};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::{self, Handle},
    task,
    time::{self, Sleep},
};

/// Pieces of the outbound queue for one write.
const PIECES: usize = 16;

/// A stream, and the one timer of its connection.
#[derive(Debug)]
pub struct Transport<S> {
    stream: S,
    maker: Maker,
    /// What the core's clock counts from.
    epoch: time::Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// The runtime whose clock drives the timer.
    runtime: Option<runtime::Id>,
    /// Whom the timer will wake.
    woken: Option<Waker>,
}

#[inline]
fn since(epoch: time::Instant) -> Instant {
    Instant::ZERO + epoch.elapsed()
}

impl<S> Transport<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, maker: Maker::this(), epoch: time::Instant::now(), timer: None, runtime: None, woken: None }
    }

    pub(crate) const fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> PollTransport for Transport<S> {
    type Error = io::Error;

    #[inline(always)]
    fn poll_read(&mut self, cx: &mut Context<'_>, _: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    #[inline(always)]
    fn poll_write(&mut self, cx: &mut Context<'_>, _: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        if let Some(piece) = segments.single() {
            return Pin::new(&mut self.stream).poll_write(cx, piece);
        }
        self.poll_gather(cx, segments)
    }

    #[inline(always)]
    fn poll_flush(&mut self, cx: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_inherited(&self) -> bool {
        !self.maker.is_this()
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    #[inline]
    fn now(&self) -> Instant {
        since(self.epoch)
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let epoch = self.epoch;
        move || since(epoch)
    }

    fn set_timer(&mut self, at: Instant) {
        let after = at.saturating_duration_since(Instant::ZERO);
        // Far enough that nobody will see it go off, and near enough for every clock.
        let at =
            self.epoch.checked_add(after).unwrap_or_else(|| time::Instant::now() + time::Duration::from_secs(1 << 30));
        self.woken = None;
        match &mut self.timer {
            Some(timer) if !is_elsewhere(self.runtime) => timer.as_mut().reset(at),
            _ => self.start_timer(at),
        }
    }

    #[inline(always)]
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timer) = &self.timer else { return Poll::Pending };
        // Nearly always it is the same task that waits, and that it has to be woken is known.
        if !timer.is_elapsed() && self.woken.as_ref().is_some_and(|woken| woken.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        self.poll_timer_anew(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    fn poll_gather(&mut self, cx: &mut Context<'_>, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        if let Some(pieces) = segments.line_and_body() {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, &pieces.map(IoSlice::new));
        }
        let (pieces, count) = segments.io_slices::<PIECES>();
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces.get(..count).unwrap_or_default())
    }

    fn start_timer(&mut self, at: time::Instant) {
        self.runtime = current();
        self.timer = Some(Box::pin(time::sleep_until(at)));
    }

    #[cold]
    fn poll_timer_anew(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if is_elsewhere(self.runtime) {
            if let Some(at) = self.timer.as_ref().map(|timer| timer.deadline()) {
                self.start_timer(at);
            }
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        // A task that has used up its share of time would be told to come again, and not be noted down. (So is one of which the
        // runtime takes a dump, but that is with `tokio_unstable` and its `taskdump` only.)
        let polled = Pin::new(&mut task::unconstrained(timer.as_mut())).poll(cx);
        self.woken = polled.is_pending().then(|| cx.waker().clone());
        polled
    }
}

/// The runtime that the task runs on.
fn current() -> Option<runtime::Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

/// Whether that is another one than this, which may be gone, and its timers with it, or stand still.
fn is_elsewhere(runtime: Option<runtime::Id>) -> bool {
    current().is_some_and(|current| runtime != Some(current))
}
