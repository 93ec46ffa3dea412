//! A [`Transport`], as the driver polls it: a poll that would be pending waits instead, for as long as the driver lets it.
//!
//! So a call's future is ready when it is polled first, or the time that something may take is over, and polling it again goes on: there is
//! nothing to be woken by, and no runtime.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::pin,
    task::{Context, Poll, Waker},
    time,
};

use beanstalk_driver::{Block, PollTransport};
use beanstalk_proto::{Error, Instant, Lost, Segments};

use crate::{
    timeout::{Timeout, is_timeout},
    transport::Transport,
};

/// Pieces of the outbound queue for one write.
const PIECES: usize = 16;

/// Runs a call to its end.
#[inline]
pub(crate) fn block_on<F: Future>(call: F) -> F::Output {
    let mut call = pin!(call);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = call.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// A transport that waits.
#[derive(Debug)]
pub(crate) struct Blocking<T> {
    transport: T,
    /// What the core's clock counts from.
    epoch: time::Instant,
    /// The transport's timeouts, unless it keeps to a deadline by itself.
    read: Timeout,
    write: Timeout,
    timer: Option<Instant>,
}

// Nothing here pins the transport.
impl<T> Unpin for Blocking<T> {}

impl<T> Blocking<T> {
    pub(crate) fn new(transport: T) -> Self {
        Self { transport, epoch: time::Instant::now(), read: Timeout::NEW, write: Timeout::NEW, timer: None }
    }

    pub(crate) const fn get_ref(&self) -> &T {
        &self.transport
    }

    /// When what may block so long has to return.
    #[inline]
    fn deadline(&self, block: Block) -> Option<time::Instant> {
        match block {
            Block::No => Some(self.epoch),
            Block::Turn => Some(time::Instant::now() + Block::TURN),
            // Later than the clock can say is as long as it takes.
            Block::Until(at) => self.epoch.checked_add(at?.saturating_duration_since(Instant::ZERO)),
        }
    }
}

/// Pending, if it found nothing in time.
#[inline]
fn unless_late<R>(result: io::Result<R>) -> Poll<io::Result<R>> {
    match result {
        Err(error) if is_timeout(&error) => Poll::Pending,
        result => Poll::Ready(result),
    }
}

/// Writes once, as many pieces as there are.
#[inline]
fn write<T: Transport>(transport: &mut T, segments: &Segments<'_>) -> io::Result<usize> {
    match segments.single() {
        Some(piece) => transport.write(piece),
        None => write_gathered(transport, segments.clone()),
    }
}

#[inline(never)]
fn write_gathered<T: Transport>(transport: &mut T, segments: Segments<'_>) -> io::Result<usize> {
    if let Some(pieces) = segments.line_and_body() {
        return transport.write_vectored(&pieces.map(IoSlice::new));
    }
    let (pieces, count) = segments.io_slices::<PIECES>();
    transport.write_vectored(pieces.get(..count).unwrap_or_default())
}

impl<T: Transport> PollTransport for Blocking<T> {
    type Error = io::Error;
    type Time = time::Instant;

    #[inline]
    fn poll_read(&mut self, _: &mut Context<'_>, block: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let deadline = self.deadline(block);
        let Self { transport, read, .. } = self;
        if transport.set_deadline(deadline) {
            return unless_late(transport.read(buf));
        }
        unless_late(read.within(deadline, transport, T::set_read_timeout, |transport| transport.read(buf)))
    }

    #[inline]
    fn poll_write(&mut self, _: &mut Context<'_>, block: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        let deadline = self.deadline(block);
        let Self { transport, write: timeout, .. } = self;
        if transport.set_deadline(deadline) {
            return unless_late(write(transport, &segments));
        }
        unless_late(timeout.within(deadline, transport, T::set_write_timeout, |transport| write(transport, &segments)))
    }

    /// As long as the write before it might have taken.
    #[inline]
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.transport.flush() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Poll::Pending,
            result => unless_late(result),
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        unless_late(self.transport.shutdown_write())
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    #[inline]
    fn clock(&self) -> time::Instant {
        time::Instant::now()
    }

    #[inline]
    fn time_of(&self, shown: time::Instant) -> Instant {
        Instant::ZERO + shown.saturating_duration_since(self.epoch)
    }

    fn set_timer(&mut self, at: Instant) {
        self.timer = Some(at);
    }

    fn poll_timer(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.timer {
            Some(at) if at <= self.now() => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}
