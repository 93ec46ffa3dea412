//! Streams and sockets as they are polled, and a transport of one: what the asynchronous bindings have in common.
//!
//! ```text
//!   PolledTransport: a clock, a timer
//!         ├── a stream of the application's own
//!         └── Duplex, with TLS or without
//!               ├── a socket
//!               └── a stream of the application's own
//! ```

#[cfg(feature = "tls")]
use std::future::poll_fn;
use std::{
    boxed::Box,
    fmt, io,
    io::IoSlice,
    mem,
    os::fd::{AsFd, AsRawFd},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use super::socket::{self, Maker};
#[cfg(feature = "tls")]
use super::tls::TlsSession;

mod polled;

pub use polled::{Adapted, PolledTransport, Timer};

/// A stream of bytes, polled. What is pending has the task woken.
pub trait PollStream {
    /// Reads what is here.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes several pieces.
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Sends what a write has kept back.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Closes the writing half.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A runtime's socket.
pub trait PollSocket: AsFd + Sized {
    /// Reads what is here. `waited` belongs to the socket: whether the last read was in vain, for a runtime to which that makes a difference.
    fn poll_read(&self, waited: &mut bool, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes without waiting.
    #[inline(always)]
    fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        socket::send(self, buf)
    }

    /// Writes several pieces without waiting.
    fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        socket::send_vectored(self, bufs)
    }

    /// Ready when there may be room again.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A socket, or a stream of the application's own, with TLS or without.
pub struct Duplex<S: PollSocket> {
    io: Io<S>,
    #[cfg(feature = "tls")]
    tls: Option<Box<TlsSession>>,
}

enum Io<S: PollSocket> {
    Socket(Owned<S>),
    /// Behind a mutex that is never locked, so that what can be sent can be shared, too.
    Boxed(Mutex<Box<dyn PollStream + Send>>),
}

/// A socket that is closed with this, by the process that made it.
struct Owned<S: PollSocket> {
    /// Not shared, unless it must not be dropped.
    socket: Arc<S>,
    maker: Maker,
    waited: bool,
}

impl<S: PollSocket> Duplex<S> {
    /// Returns the socket, with TLS the one below it; `None` for a stream of the application's own.
    pub fn socket(&self) -> Option<&S> {
        match &self.io {
            Io::Socket(owned) => Some(&owned.socket),
            Io::Boxed(_) => None,
        }
    }

    /// Makes one of a stream of the application's own.
    pub fn boxed(stream: impl PollStream + Send + 'static) -> Self {
        Self::new(Io::Boxed(Mutex::new(Box::new(stream))))
    }

    fn new(io: Io<S>) -> Self {
        Self {
            io,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Shakes hands, and speaks TLS from then on.
    ///
    /// # Errors
    ///
    /// What the handshake fails with.
    #[cfg(feature = "tls")]
    pub async fn secure(mut self, session: TlsSession) -> io::Result<Self> {
        let mut session = Box::new(session);
        let io = &mut self.io;
        poll_fn(|cx| tls::polled(session.handshake(&mut tls::Polled { io, cx }))).await?;
        self.tls = Some(session);
        Ok(self)
    }
}

impl<S: PollSocket> From<S> for Duplex<S> {
    fn from(socket: S) -> Self {
        Self::new(Io::Socket(Owned { socket: Arc::new(socket), maker: Maker::this(), waited: false }))
    }
}

impl<S: PollSocket + fmt::Debug> fmt::Debug for Duplex<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("socket", &self.socket()).finish_non_exhaustive()
    }
}

/// In a process that was forked from the one that connected, only closes the descriptor.
impl<S: PollSocket> Drop for Owned<S> {
    fn drop(&mut self) {
        if !self.maker.is_this() {
            socket::close_inherited(self.socket.as_fd().as_raw_fd());
            mem::forget(Arc::clone(&self.socket));
        }
    }
}

impl<S: PollSocket> Owned<S> {
    /// Writes as soon as there is room.
    #[inline(always)]
    fn poll(&self, cx: &mut Context<'_>, mut write: impl FnMut(&S) -> io::Result<usize>) -> Poll<io::Result<usize>> {
        loop {
            match write(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.socket.poll_writable(cx))?,
                written => return Poll::Ready(written),
            }
        }
    }
}

/// Polls the stream, whichever it is.
macro_rules! io {
    ($io:expr, $stream:ident => $call:expr) => {
        match $io {
            Io::Socket($stream) => $call,
            Io::Boxed(boxed) => {
                let $stream = boxed.get_mut().unwrap_or_else(PoisonError::into_inner);
                $call
            }
        }
    };
}

impl<S: PollSocket> PollStream for Owned<S> {
    #[inline(always)]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.socket.poll_read(&mut self.waited, cx, buf)
    }

    #[inline(always)]
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, |socket| socket.try_write(buf))
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll(cx, |socket| socket.try_write_vectored(bufs))
    }

    #[inline(always)]
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket::shutdown_write(&*self.socket))
    }
}

impl<S: PollSocket> PollStream for Io<S> {
    #[inline(always)]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        io!(self, stream => stream.poll_read(cx, buf))
    }

    #[inline(always)]
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        io!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        io!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    #[inline(always)]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io!(self, stream => stream.poll_flush(cx))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io!(self, stream => stream.poll_close(cx))
    }
}

/// Gives the call to TLS, if that is spoken.
macro_rules! by_tls {
    ($this:ident, $cx:ident, $tls:ident($stream:ident) => $call:expr) => {
        #[cfg(feature = "tls")]
        if let Some($tls) = &mut $this.tls {
            let $stream = &mut tls::Polled { io: &mut $this.io, cx: $cx };
            return tls::polled($call);
        }
    };
}

impl<S: PollSocket> PollStream for Duplex<S> {
    #[inline(always)]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        by_tls!(self, cx, tls(stream) => tls.read(stream, buf));
        self.io.poll_read(cx, buf)
    }

    #[inline(always)]
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        by_tls!(self, cx, tls(stream) => tls.write(stream, &[IoSlice::new(buf)]));
        self.io.poll_write(cx, buf)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        by_tls!(self, cx, tls(stream) => tls.write(stream, bufs));
        self.io.poll_write_vectored(cx, bufs)
    }

    #[inline(always)]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        by_tls!(self, cx, tls(stream) => tls.flush(stream));
        self.io.poll_flush(cx)
    }

    /// Closes the writing half; with TLS the peer learns of it first.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            ready!(tls::polled(tls.close(&mut tls::Polled { io: &mut self.io, cx })))?;
        }
        self.io.poll_close(cx)
    }
}

#[cfg(feature = "tls")]
mod tls {
    //! The stream under TLS, as its state reads and writes it.

    use super::*;

    pub(super) struct Polled<'i, 'c, 'w, I> {
        pub(super) io: &'i mut I,
        pub(super) cx: &'c mut Context<'w>,
    }

    fn ready<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
        match polled {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Pending if the stream was.
    pub(super) fn polled<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    impl<I: PollStream> io::Read for Polled<'_, '_, '_, I> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            ready(self.io.poll_read(self.cx, buf))
        }
    }

    impl<I: PollStream> io::Write for Polled<'_, '_, '_, I> {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            ready(self.io.poll_write(self.cx, buf))
        }

        fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            ready(self.io.poll_write_vectored(self.cx, bufs))
        }

        fn flush(&mut self) -> io::Result<()> {
            ready(self.io.poll_flush(self.cx))
        }
    }
}
