//! A stream that does not block, as the driver polls it: its task is polled again when something happens to it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
    task::{Context, Poll},
    time,
};

use beanstalk_driver::{
    Block, PollTransport,
    connect::socket::{self, Maker},
};
use beanstalk_proto::{Error, Instant, Lost, Segments};

use super::{task::Core, wait};
use crate::{
    blocking::{self, Blocking},
    transport::Transport,
};

/// A stream of the task that polls it, and the one timer of its connection.
#[derive(Debug)]
pub struct Evented<T> {
    stream: T,
    /// The task that polls it, and the turn in which it began to.
    task: Option<(Arc<Core>, u64)>,
    /// The turn in which there was nothing more to read.
    read_out: Option<u64>,
    /// What the core's clock counts from.
    epoch: time::Instant,
    timer: Option<time::Instant>,
    maker: Maker,
}

// Nothing here pins the stream.
impl<T> Unpin for Evented<T> {}

impl<T: Transport + AsFd> Evented<T> {
    /// Makes a stream that blocked not to.
    pub(super) fn new(blocking: Blocking<T>) -> io::Result<Self> {
        let (stream, epoch) = blocking.into_parts();
        socket::set_nonblocking(&stream.as_fd())?;
        Ok(Self { stream, task: None, read_out: None, epoch, timer: None, maker: Maker::this() })
    }

    /// Sees to it that the task that polls this is polled again when something happens to the stream. Returns what is the same for as long
    /// as nothing can have come, if that is known.
    fn join(&mut self) -> io::Result<Option<u64>> {
        let joined = self.task.as_ref().filter(|(task, _)| task.is_polled_here());
        if let Some((task, since)) = joined {
            return Ok(task.turn(*since));
        }
        let socket = self.stream.as_fd().as_raw_fd();
        if let Some((before, _)) = self.task.take() {
            before.deregister(socket);
        }
        let task = Core::current()?;
        let since = task.register(socket)?;
        self.task = Some((task, since));
        Ok(None)
    }

    /// What came of a read or write; `None` if it is to be done again.
    fn moved(result: io::Result<usize>, room: usize) -> Option<Poll<io::Result<usize>>> {
        match result {
            Ok(n) if n <= room => Some(Poll::Ready(Ok(n))),
            Ok(n) => Some(Poll::Ready(Err(blocking::too_many(n, room)))),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Some(Poll::Pending),
                io::ErrorKind::Interrupted => None,
                _ => Some(Poll::Ready(Err(error))),
            },
        }
    }
}

impl<T: Transport + AsFd> PollTransport for Evented<T> {
    type Error = io::Error;

    fn poll_read(&mut self, _: &mut Context<'_>, block: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let turn = self.join()?;
        // Where nothing has happened since it was read out, only whoever must know asks the system.
        if block != Block::No && turn.is_some() && self.read_out == turn {
            return Poll::Pending;
        }
        loop {
            let result = self.stream.read(buf);
            // A socket that gives less than there was room for has no more.
            let is_out = result.as_ref().map_or(true, |n| self.stream.is_socket() && *n > 0 && *n < buf.len());
            if let Some(moved) = Self::moved(result, buf.len()) {
                self.read_out = turn.filter(|_| is_out);
                return moved;
            }
        }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        self.join()?;
        loop {
            let (result, room) = blocking::write(&mut self.stream, &segments);
            if let Some(moved) = Self::moved(result, room) {
                return moved;
            }
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
        self.join()?;
        loop {
            if let Some(flushed) = Self::moved(self.stream.flush().map(|()| 0), 0) {
                return flushed.map_ok(drop);
            }
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Self::moved(self.stream.shutdown_write().map(|()| 0), 0) {
            Some(closed) => closed.map_ok(drop),
            None => Poll::Ready(Ok(())),
        }
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
        // Later than the clock can show is never.
        self.timer = self.epoch.checked_add(at.saturating_duration_since(Instant::ZERO));
    }

    fn poll_timer(&mut self, _: &mut Context<'_>) -> Poll<()> {
        wait::poll_until(self.timer)
    }
}
