//! TCP and Unix sockets behind one type.

#[cfg(feature = "tls")]
use std::future::poll_fn;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::{
    fmt, io, mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

#[cfg(feature = "tls")]
use beanstalk_driver::TlsSession;
use beanstalk_driver::connect::socket::{self, Maker};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// What [`Client::connect`](crate::Client::connect) has connected.
///
/// In a process that does not ignore `SIGPIPE`, a socket of one's own is best given to
/// [`Client::from_stream`](crate::Client::from_stream) as a `Stream`: what this writes to a peer that is gone fails with an error,
/// as everywhere, while a large body written by the socket itself brings the signal.
pub struct Stream {
    io: Io,
    #[cfg(feature = "tls")]
    tls: Option<Box<TlsSession>>,
}

enum Io {
    Socket(Owned),
    /// Behind a mutex that nobody locks, so that what can be sent can be shared, too.
    Boxed(Mutex<Box<dyn Duplex>>),
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A socket that is closed with this, by the process that made it.
#[derive(Debug)]
struct Owned {
    /// Shared with nobody, unless it must not be dropped.
    socket: Arc<Socket>,
    maker: Maker,
    /// Whether the last look for something to read was in vain.
    waited: bool,
}

macro_rules! either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($stream) => $call,
            #[cfg(unix)]
            Socket::Unix($stream) => $call,
        }
    };
}

/// A socket that is connected.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Returns the socket, with TLS the one below it; `None` for a stream of the application's own.
    pub fn socket(&self) -> Option<&Socket> {
        match &self.io {
            Io::Socket(owned) => Some(&owned.socket),
            Io::Boxed(_) => None,
        }
    }

    /// Makes one of a stream of the application's own.
    pub fn boxed(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::new(Io::Boxed(Mutex::new(Box::new(stream))))
    }

    fn new(io: Io) -> Self {
        Self {
            io,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Shakes hands, and speaks TLS from then on.
    #[cfg(feature = "tls")]
    pub(crate) async fn secure(mut self, session: TlsSession) -> io::Result<Self> {
        let mut session = Box::new(session);
        let io = &mut self.io;
        poll_fn(|cx| tls::polled(session.handshake(&mut tls::Polled { io, cx }))).await?;
        self.tls = Some(session);
        Ok(self)
    }
}

impl From<Socket> for Stream {
    fn from(socket: Socket) -> Self {
        Self::new(Io::Socket(Owned { socket: Arc::new(socket), maker: Maker::this(), waited: false }))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("socket", &self.socket()).finish_non_exhaustive()
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Socket::Tcp(stream).into()
    }
}

#[cfg(unix)]
impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Socket::Unix(stream).into()
    }
}

#[cfg(unix)]
impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, stream => stream.as_fd())
    }
}

/// In a process that was forked from the one that connected, only closes the descriptor.
#[cfg(unix)]
impl Drop for Owned {
    fn drop(&mut self) {
        if !self.maker.is_this() {
            socket::close_inherited(self.socket.as_fd().as_raw_fd());
            mem::forget(Arc::clone(&self.socket));
        }
    }
}

impl Socket {
    #[inline(never)]
    fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.try_io(Interest::WRITABLE, || socket::send(stream, buf)))
    }

    fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        either!(self, stream => stream.try_io(Interest::WRITABLE, || socket::send_vectored(stream, bufs)))
    }

    /// Ready when there may be something to read.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read_ready(cx))
    }

    /// Ready when there may be room again.
    #[cold]
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_write_ready(cx))
    }

    /// Reads what is here. If that does not fill the buffer there is no more, and the runtime is told so: as its own reads do,
    /// this saves the system call that would find nothing. But it does that only where the system tells of what comes later
    /// whether or not a read has found nothing before, as `epoll` does.
    #[inline(never)]
    fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut read = Err(io::ErrorKind::WouldBlock.into());
        let _drained = either!(self, stream => stream.try_io(Interest::READABLE, || {
            read = stream.try_read(buf);
            match read {
                Ok(n) if n > 0 && n < buf.len() && cfg!(target_os = "linux") => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        }));
        read
    }
}

fn would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

// The runtime's own way to read and write first looks whether the task has had its share of time. That is left to reads that did
// not have to wait: a task that waits lets others run. And every turn of a connection ends with a read.
impl AsyncRead for Owned {
    #[inline(always)]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if mem::take(&mut self.waited) {
            let read = self.socket.try_read(buf.initialize_unfilled());
            if !would_block(&read) {
                return Poll::Ready(read.map(|n| buf.advance(n)));
            }
        }
        loop {
            if self.socket.poll_readable(cx)?.is_pending() {
                self.waited = true;
                return Poll::Pending;
            }
            let read = self.socket.try_read(buf.initialize_unfilled());
            if !would_block(&read) {
                return Poll::Ready(read.map(|n| buf.advance(n)));
            }
        }
    }
}

impl AsyncWrite for Owned {
    #[inline(always)]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let written = self.socket.try_write(buf);
            if !would_block(&written) {
                return Poll::Ready(written);
            }
            ready!(self.socket.poll_writable(cx))?;
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let written = self.socket.try_write_vectored(bufs);
            if !would_block(&written) {
                return Poll::Ready(written);
            }
            ready!(self.socket.poll_writable(cx))?;
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline(always)]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(either!(&*self.socket, stream => socket::shutdown_write(stream)))
    }
}

/// Calls the stream, whichever it is.
macro_rules! io {
    ($io:expr, $stream:ident => $call:expr) => {
        match $io {
            Io::Socket(socket) => {
                let $stream = Pin::new(socket);
                $call
            }
            Io::Boxed(boxed) => {
                let $stream = Pin::new(boxed.get_mut().unwrap_or_else(PoisonError::into_inner));
                $call
            }
        }
    };
}

impl AsyncRead for Io {
    #[inline(always)]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        io!(self.get_mut(), stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Io {
    #[inline(always)]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        io!(self.get_mut(), stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        io!(self.get_mut(), stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline(always)]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io!(self.get_mut(), stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io!(self.get_mut(), stream => stream.poll_shutdown(cx))
    }
}

impl AsyncRead for Stream {
    #[inline(always)]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut this.tls {
            let read = tls.read(&mut tls::Polled { io: &mut this.io, cx }, buf.initialize_unfilled());
            return tls::polled(read.map(|n| buf.advance(n)));
        }
        Pin::new(&mut this.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    #[inline(always)]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut this.tls {
            return tls::polled(tls.write(&mut tls::Polled { io: &mut this.io, cx }, &[io::IoSlice::new(buf)]));
        }
        Pin::new(&mut this.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut this.tls {
            return tls::polled(tls.write(&mut tls::Polled { io: &mut this.io, cx }, bufs));
        }
        Pin::new(&mut this.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline(always)]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut this.tls {
            return tls::polled(tls.flush(&mut tls::Polled { io: &mut this.io, cx }));
        }
        Pin::new(&mut this.io).poll_flush(cx)
    }

    /// Closes the writing half; with TLS the peer is told so first.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut this.tls {
            ready!(tls::polled(tls.close(&mut tls::Polled { io: &mut this.io, cx })))?;
        }
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

#[cfg(feature = "tls")]
mod tls {
    //! The stream under TLS, as its state reads and writes it.

    use super::*;

    pub(super) struct Polled<'i, 'c, 'w> {
        pub(super) io: &'i mut Io,
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

    impl io::Read for Polled<'_, '_, '_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let mut buf = ReadBuf::new(buf);
            ready(Pin::new(&mut *self.io).poll_read(self.cx, &mut buf))?;
            Ok(buf.filled().len())
        }
    }

    impl io::Write for Polled<'_, '_, '_> {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            ready(Pin::new(&mut *self.io).poll_write(self.cx, buf))
        }

        fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
            ready(Pin::new(&mut *self.io).poll_write_vectored(self.cx, bufs))
        }

        fn flush(&mut self) -> io::Result<()> {
            ready(Pin::new(&mut *self.io).poll_flush(self.cx))
        }
    }
}
