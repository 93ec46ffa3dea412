//! TCP and Unix sockets behind one type.

#[cfg(feature = "tls")]
use std::future::poll_fn;
use std::{
    fmt, io, mem,
    net::{Shutdown, TcpStream},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

#[cfg(unix)]
use std::os::{
    fd::{AsFd, AsRawFd, BorrowedFd},
    unix::net::UnixStream,
};

use async_io::Async;
#[cfg(feature = "tls")]
use beanstalk_driver::TlsSession;
use beanstalk_driver::connect::socket::{self, Maker};
use futures_io::{AsyncRead, AsyncWrite};

/// A socket that [`Client::connect`](crate::Client::connect) has connected, or that is [made](TryFrom) of one of async-std's.
///
/// Closing one of async-std's own sockets does not tell the peer so, and writing a large body to one whose peer is gone brings the
/// signal `SIGPIPE` to a process that does not ignore it. Neither is so with this, so an async-std socket that was connected
/// elsewhere is best given to [`Client::from_stream`](crate::Client::from_stream) as a `Stream`.
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
}

#[derive(Debug)]
enum Socket {
    Tcp(Async<TcpStream>),
    #[cfg(unix)]
    Unix(Async<UnixStream>),
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

impl Stream {
    /// Returns the descriptor of the socket, with TLS of the one below it; `None` for a stream of the application's own.
    #[cfg(unix)]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.io {
            Io::Socket(owned) => Some(owned.as_fd()),
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
        Self::new(Io::Socket(Owned { socket: Arc::new(socket), maker: Maker::this() }))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owned = match &self.io {
            Io::Socket(owned) => Some(owned),
            Io::Boxed(_) => None,
        };
        f.debug_struct("Stream").field("socket", &owned).finish_non_exhaustive()
    }
}

impl From<Async<TcpStream>> for Stream {
    fn from(stream: Async<TcpStream>) -> Self {
        Socket::Tcp(stream).into()
    }
}

/// Fails if there are clones of the socket.
impl TryFrom<async_std::net::TcpStream> for Stream {
    type Error = io::Error;

    fn try_from(stream: async_std::net::TcpStream) -> io::Result<Self> {
        Ok(Async::new(TcpStream::try_from(stream)?)?.into())
    }
}

#[cfg(unix)]
impl From<Async<UnixStream>> for Stream {
    fn from(stream: Async<UnixStream>) -> Self {
        Socket::Unix(stream).into()
    }
}

/// Fails if there are clones of the socket.
#[cfg(unix)]
impl TryFrom<async_std::os::unix::net::UnixStream> for Stream {
    type Error = io::Error;

    fn try_from(stream: async_std::os::unix::net::UnixStream) -> io::Result<Self> {
        Ok(Async::new(UnixStream::try_from(stream)?)?.into())
    }
}

#[cfg(unix)]
impl AsFd for Owned {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(&*self.socket, stream => stream.as_fd())
    }
}

/// In a process that was forked from the one that connected, only closes the descriptor.
#[cfg(unix)]
impl Drop for Owned {
    fn drop(&mut self) {
        if !self.maker.is_this() {
            socket::close_inherited(self.as_fd().as_raw_fd());
            mem::forget(Arc::clone(&self.socket));
        }
    }
}

impl Socket {
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_writable(cx))
    }
}

impl AsyncRead for Owned {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        either!(&*self.socket, stream => Pin::new(&mut &*stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Owned {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match either!(&*self.socket, stream => socket::send(stream, buf)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
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
            match either!(&*self.socket, stream => socket::send_vectored(stream, bufs)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
            ready!(self.socket.poll_writable(cx))?;
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Poll::Ready(Ok(()))
    }

    /// Closes the writing half, which async-std's own sockets leave open.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(either!(&*self.socket, stream => stream.get_ref().shutdown(Shutdown::Write)))
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
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        io!(self.get_mut(), stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Io {
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

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io!(self.get_mut(), stream => stream.poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io!(self.get_mut(), stream => stream.poll_close(cx))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut this.tls {
            return tls::polled(tls.read(&mut tls::Polled { io: &mut this.io, cx }, buf));
        }
        Pin::new(&mut this.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
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

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut this.tls {
            return tls::polled(tls.flush(&mut tls::Polled { io: &mut this.io, cx }));
        }
        Pin::new(&mut this.io).poll_flush(cx)
    }

    /// Closes the writing half; with TLS the peer is told so first.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut this.tls {
            ready!(tls::polled(tls.close(&mut tls::Polled { io: &mut this.io, cx })))?;
        }
        Pin::new(&mut this.io).poll_close(cx)
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
            ready(Pin::new(&mut *self.io).poll_read(self.cx, buf))
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
