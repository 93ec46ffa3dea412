//! A stream that does not block, as the driver polls it: its task waits for it instead.

use std::{
    io,
    os::fd::AsFd,
    sync::Arc,
    task::{Context, Poll},
};

use beanstalk_driver::{Block, PollTransport, connect::socket};
use beanstalk_proto::{Error, Instant, Lost, Segments};
use nix::poll::PollFlags;

use super::wait::{self, Socket};
use crate::{
    blocking::{self, Blocking},
    transport::Transport,
};

/// A stream of the task that polls it, and the one timer of its connection.
#[derive(Debug)]
pub struct Evented<T> {
    /// It never waits: its socket does not block.
    blocking: Blocking<T>,
    socket: Arc<Socket>,
}

impl<T: Transport + AsFd> Evented<T> {
    /// Makes a stream that blocked not to.
    pub(super) fn new(blocking: Blocking<T>) -> io::Result<Self> {
        socket::set_nonblocking(&blocking.transport.as_fd())?;
        let socket = Socket::of(&blocking.transport)?;
        Ok(Self { blocking, socket })
    }

    /// Does this, which returns how many bytes moved and for how many there was room; if none could, pending until that happens.
    fn attempt(
        &mut self,
        event: PollFlags,
        mut act: impl FnMut(&mut T) -> (io::Result<usize>, usize),
    ) -> Poll<io::Result<usize>> {
        loop {
            let moved = match act(&mut self.blocking.transport) {
                (Ok(n), room) if n <= room => return Poll::Ready(Ok(n)),
                (result, room) => self.blocking.after(result, room, Block::Turn, 0),
            };
            match moved {
                Some(Poll::Pending) => return self.socket.poll(event),
                Some(failed) => return failed,
                None => {}
            }
        }
    }
}

impl<T: Transport + AsFd> PollTransport for Evented<T> {
    type Error = io::Error;

    fn poll_read(&mut self, _: &mut Context<'_>, block: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        // Where nothing has happened since it was read out, only a caller that must be sure asks the system.
        if block != Block::No && !self.socket.is_ready() {
            return self.socket.poll(PollFlags::POLLIN);
        }
        let polled = self.attempt(PollFlags::POLLIN, |stream| (stream.read(buf), buf.len()));
        // A socket that gives less than there was room for has no more.
        let is_out = match polled {
            Poll::Ready(Ok(n)) => self.blocking.transport.is_socket() && n > 0 && n < buf.len(),
            _ => polled.is_pending(),
        };
        self.socket.set_ready(!is_out);
        polled
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        self.attempt(PollFlags::POLLOUT, |stream| blocking::write(stream, &segments))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
        self.attempt(PollFlags::POLLOUT, |stream| (stream.flush().map(|()| 0), 0)).map_ok(drop)
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.attempt(PollFlags::POLLOUT, |stream| (stream.shutdown_write().map(|()| 0), 0)).map_ok(drop)
    }

    fn is_inherited(&self) -> bool {
        self.blocking.is_inherited()
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Blocking::<T>::failure(error, lost)
    }

    fn now(&self) -> Instant {
        self.blocking.now()
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        self.blocking.clock()
    }

    fn set_timer(&mut self, at: Instant) {
        self.blocking.set_timer(at);
    }

    fn poll_timer(&mut self, _: &mut Context<'_>) -> Poll<()> {
        wait::poll_until(self.blocking.timer())
    }
}
