//! What a runtime must offer, and the one timer.

use core::{
    task::{Context, Poll, ready},
    time::Duration,
};

use beanstalk_proto::{Error, Instant, Lost, Segments};

/// How long a read or a write may block its thread.
///
/// The driver decides, from when the reply is late and whether bytes may move the other way. A transport that never blocks ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Not at all.
    No,
    /// For about 2 ms: bytes may move in the other direction, too.
    Turn,
    /// Until then; `None` is as long as it takes.
    Until(Option<Instant>),
}

impl Block {
    /// How long a [`Block::Turn`] is.
    pub const TURN: Duration = Duration::from_millis(2);
}

/// A stream and a timer, as a runtime offers them.
///
/// A `poll_` method that returns [`Poll::Pending`] has arranged for the task to be woken. But a transport that blocks its thread returns it
/// from [`PollTransport::poll_read`], `poll_write` and `poll_flush` only once the time that they may block is over: code that polls
/// the driver over one polls it again at once then, and needs no waker.
pub trait PollTransport: Unpin {
    /// What the stream fails with.
    type Error: Send;

    /// Reads once into `buf`; 0 is the end of the stream. Returns no more than `buf` has room for.
    fn poll_read(&mut self, cx: &mut Context<'_>, block: Block, buf: &mut [u8]) -> Poll<Result<usize, Self::Error>>;

    /// Writes once, from the start of the first segment; there is at least one. 0 is the end of the stream. Returns no more than the
    /// segments hold.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        block: Block,
        segments: Segments<'_>,
    ) -> Poll<Result<usize, Self::Error>>;

    /// Flushes what the stream has taken and kept.
    fn poll_flush(&mut self, cx: &mut Context<'_>, block: Block) -> Poll<Result<(), Self::Error>>;

    /// Closes the writing half.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Returns whether another process made this connection, of which this one is a fork: it must leave the connection alone, which goes on
    /// there. Asked when a connection is to be ended in order.
    fn is_inherited(&self) -> bool {
        false
    }

    /// Makes the error of the request that a failure of the stream has hit.
    fn failure(error: Self::Error, lost: Lost) -> Error;

    /// Returns what time it is.
    fn now(&self) -> Instant;

    /// Returns a clock that shows the same time, for code that does not have the transport.
    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static;

    /// Sets the one timer to go off at `at`, whatever it was set to.
    fn set_timer(&mut self, at: Instant);

    /// Ready once the timer has gone off. Polled only after it was set, and not again before it is set anew.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// One timer for many deadlines. It is set to the first, and when it goes off to the one that counts by then: calls
/// that are answered in time, which is nearly all, cost no timer operation each.
#[derive(Debug, Default)]
pub(super) struct Timer {
    set_to: Option<Instant>,
}

impl Timer {
    /// Ready once it is `at`.
    #[inline]
    pub(super) fn poll<T: PollTransport>(&mut self, transport: &mut T, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self.set_to {
            // Nearly always it has been set for a call before this one, and goes off early or not at all.
            Some(set_to) if set_to <= at && transport.poll_timer(cx).is_pending() => Poll::Pending,
            _ => self.poll_anew(transport, at, cx),
        }
    }

    /// As [`Timer::poll`], for a timer that is not set, goes off too late, or has gone off.
    #[cold]
    fn poll_anew<T: PollTransport>(&mut self, transport: &mut T, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        while at > transport.now() {
            transport.set_timer(at);
            self.set_to = Some(at);
            ready!(transport.poll_timer(cx));
        }
        self.set_to = None;
        Poll::Ready(())
    }
}
