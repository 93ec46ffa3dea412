//! A [`Transport`], as the driver polls it: a poll that would be pending waits instead, for as long as the driver lets it.
//!
//! So a call's future is ready when it is polled first, or the time that something may take is over, and polling it again goes on: there is
//! nothing to be woken by, and no runtime.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, Waker},
    time::{self, Duration},
};

use beanstalk_driver::{Block, PollTransport, connect::socket::Maker};
use beanstalk_proto::{Error, Instant, Lost, Segments};
use nix::time::{ClockId, clock_gettime};

use crate::{
    timeout::{ENDLESS, Timeout, is_timeout},
    transport::Transport,
};

/// Pieces of the outbound queue for one write.
const PIECES: usize = 16;

/// Runs a call to its end.
#[inline(always)]
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
    pub(crate) transport: T,
    /// What the clock shows, if that was just asked and nothing has waited since for longer than a turn; else 0.
    now: AtomicU64,
    read: Timeout,
    write: Timeout,
    timer: Option<Instant>,
    maker: Maker,
}

// Nothing here pins the transport.
impl<T> Unpin for Blocking<T> {}

impl<T> Blocking<T> {
    pub(crate) fn new(transport: T) -> Self {
        let (read, write) = (Timeout::default(), Timeout::default());
        Self { transport, now: AtomicU64::new(0), read, write, timer: None, maker: Maker::this() }
    }

    /// Returns when the timer goes off, as [`std_time`].
    #[cfg(feature = "threads")]
    pub(crate) fn timer(&self) -> Option<time::Instant> {
        std_time(self.timer?)
    }

    pub(crate) const fn stream(&self) -> &T {
        &self.transport
    }

    #[inline(always)]
    fn now_nanos(&self) -> u64 {
        let now = monotonic();
        self.now.store(now, Ordering::Relaxed);
        now
    }

    #[inline(always)]
    fn recent_nanos(&self) -> u64 {
        match self.now.load(Ordering::Relaxed) {
            0 => self.now_nanos(),
            now => now,
        }
    }

    /// How long something may take, and when it has to be over.
    #[inline(always)]
    fn limits(&self, block: Block) -> (u64, u64) {
        match block {
            Block::Until(Some(at)) => (at.as_nanos().saturating_sub(self.recent_nanos()), at.as_nanos()),
            Block::Until(None) => (ENDLESS, ENDLESS),
            Block::Turn => (TURN, ENDLESS),
            Block::No => (0, 0),
        }
    }

    /// What becomes of a read or write that did not go well: `None` if it is to be done again.
    #[cold]
    pub(crate) fn after(
        &self,
        result: io::Result<usize>,
        room: usize,
        block: Block,
        until: u64,
    ) -> Option<Poll<io::Result<usize>>> {
        match result {
            Ok(n) => Some(Poll::Ready(Err(too_many(n, room)))),
            // That of a turn need not be looked at: it is over.
            Err(error) if is_timeout(&error) && block == Block::Turn => Some(Poll::Pending),
            Err(error) if is_timeout(&error) => (until <= monotonic()).then_some(Poll::Pending),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) => Some(Poll::Ready(Err(error))),
        }
    }
}

impl<T: Transport> Blocking<T> {
    /// Lets writes take no longer than this.
    #[inline(always)]
    fn limit_writes(&mut self, left: u64) -> io::Result<()> {
        limit(&mut self.transport, &mut self.write, left, T::set_write_timeout)
    }

    /// After something that may have waited for longer than a turn.
    #[inline(always)]
    fn waited(&mut self, block: Block) {
        if block != Block::Turn {
            *self.now.get_mut() = 0;
        }
    }
}

/// Lets what follows take no longer than this: by the timeout of reads, or that of writes, and by the deadline.
#[inline(always)]
fn limit<T: Transport>(
    transport: &mut T,
    timeout: &mut Timeout,
    left: u64,
    set: fn(&mut T, Option<Duration>) -> io::Result<()>,
) -> io::Result<()> {
    if !timeout.suits(left) {
        timeout.set(left, |timeout| set(transport, timeout))?;
    }
    if !transport.is_socket() {
        // Later than the clock can express is as long as it takes.
        let left = if left == ENDLESS { None } else { Some(Duration::from_nanos(left)) };
        transport.set_deadline(left.and_then(|left| time::Instant::now().checked_add(left)));
    }
    Ok(())
}

/// What becomes of a read or write that reports more than can be.
#[cold]
pub(crate) fn too_many(moved: usize, room: usize) -> io::Error {
    io::Error::other(format!("the transport reports {moved} bytes moved where there was room for {room}"))
}

const TURN: u64 = Block::TURN.as_nanos() as u64;

/// The clock that every deadline here is of, in nanoseconds: that of the standard library, which shows only differences, and takes
/// longer to make them. It does not fail.
#[inline(always)]
fn monotonic() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| {
        let now = Duration::from(now);
        now.as_secs().saturating_mul(1_000_000_000).saturating_add(now.subsec_nanos().into())
    })
}

/// What that clock shows.
pub(crate) fn now() -> Instant {
    Instant::from_nanos(monotonic())
}

/// The same time by the standard library's clock; `None` if it is later than that can show.
#[cfg(feature = "threads")]
pub(crate) fn std_time(at: Instant) -> Option<time::Instant> {
    time::Instant::now().checked_add(at.saturating_duration_since(now()))
}

/// Writes once, as many pieces as there are: how much, and how much it might have been at most.
#[inline(always)]
pub(crate) fn write<T: Transport>(transport: &mut T, segments: &Segments<'_>) -> (io::Result<usize>, usize) {
    match segments.single() {
        Some(piece) => (transport.write(piece), piece.len()),
        None => write_gathered(transport, segments.clone()),
    }
}

#[inline(never)]
fn write_gathered<T: Transport>(transport: &mut T, segments: Segments<'_>) -> (io::Result<usize>, usize) {
    if let Some(pieces) = segments.line_and_body() {
        let room = pieces.iter().map(|piece| piece.len()).sum();
        return (transport.write_vectored(&pieces.map(IoSlice::new)), room);
    }
    let (pieces, count) = segments.io_slices::<PIECES>();
    let pieces = pieces.get(..count).unwrap_or_default();
    (transport.write_vectored(pieces), pieces.iter().map(|piece| piece.len()).sum())
}

impl<T: Transport> PollTransport for Blocking<T> {
    type Error = io::Error;

    #[inline(always)]
    fn poll_read(&mut self, _: &mut Context<'_>, block: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if block == Block::No && self.transport.would_wait() {
            return Poll::Pending;
        }
        loop {
            let (left, until) = self.limits(block);
            limit(&mut self.transport, &mut self.read, left, T::set_read_timeout)?;
            *self.now.get_mut() = 0;
            match self.transport.read(buf) {
                Ok(n) if n <= buf.len() => return Poll::Ready(Ok(n)),
                result => {
                    if let Some(result) = self.after(result, buf.len(), block, until) {
                        return result;
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn poll_write(&mut self, _: &mut Context<'_>, block: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        loop {
            let (left, until) = self.limits(block);
            self.limit_writes(left)?;
            self.waited(block);
            match write(&mut self.transport, &segments) {
                (Ok(n), room) if n <= room => return Poll::Ready(Ok(n)),
                (result, room) => {
                    if let Some(result) = self.after(result, room, block, until) {
                        return result;
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn poll_flush(&mut self, _: &mut Context<'_>, block: Block) -> Poll<io::Result<()>> {
        if self.transport.is_socket() {
            return Poll::Ready(Ok(()));
        }
        let (left, _) = self.limits(block);
        self.limit_writes(left)?;
        self.waited(block);
        match self.transport.flush() {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.transport.shutdown_write() {
            Err(error) if is_timeout(&error) => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn is_inherited(&self) -> bool {
        !self.maker.is_this()
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    #[inline(always)]
    fn now(&self) -> Instant {
        Instant::from_nanos(self.now_nanos())
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        now
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
