//! TCP and Unix sockets behind one type, and the traits of futures-io as the driver polls them.

use std::{
    io::{self, IoSlice},
    net::TcpStream,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    pin::Pin,
    task::{Context, Poll},
};

use async_io::Async;
use beanstalk_driver::connect::stream::{Adapted, Duplex, PollSocket, PollStream};
use futures_io::{AsyncRead, AsyncWrite};

/// The stream of a connection: a TCP or Unix socket, with TLS or without, or a stream of the application's own.
/// [`Client::connect`](crate::Client::connect) makes one, and it is [made](TryFrom) of a socket of async-std.
///
/// ```no_run
/// use async_std::net::TcpStream;
/// use beanstalk_async_std::{Client, Stream};
///
/// # async fn example() -> std::io::Result<()> {
/// let socket = TcpStream::connect("localhost:11300").await?;
/// let client = Client::from_stream(Stream::try_from(socket)?);
/// // And back: its descriptor.
/// println!("{:?}", client.stream().fd());
/// # Ok(())
/// # }
/// ```
///
/// Closing one of async-std's own sockets does not end the stream for the peer, and writing a large body to one whose peer is gone brings the
/// signal `SIGPIPE` to a process that does not ignore it. Neither is so with this, so an async-std socket that was connected
/// elsewhere is best given to [`Client::from_stream`](crate::Client::from_stream) as a `Stream`.
#[derive(Debug)]
pub struct Stream(pub(crate) Duplex<Socket>);

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(Async<TcpStream>),
    Unix(Async<UnixStream>),
}

macro_rules! either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($stream) => $call,
            Socket::Unix($stream) => $call,
        }
    };
}

impl Stream {
    /// Returns the descriptor of the socket, with TLS of the one below it; `None` for a stream of the application's own.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.socket().map(AsFd::as_fd)
    }

    /// Makes one of a stream of the application's own.
    pub fn boxed(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Duplex::boxed(Polled(stream)))
    }
}

impl From<Async<TcpStream>> for Stream {
    fn from(stream: Async<TcpStream>) -> Self {
        Self(Socket::Tcp(stream).into())
    }
}

impl From<Async<UnixStream>> for Stream {
    fn from(stream: Async<UnixStream>) -> Self {
        Self(Socket::Unix(stream).into())
    }
}

/// Fails if there are clones of the socket.
impl TryFrom<async_std::net::TcpStream> for Stream {
    type Error = io::Error;

    fn try_from(stream: async_std::net::TcpStream) -> io::Result<Self> {
        Ok(Async::new(TcpStream::try_from(stream)?)?.into())
    }
}

/// Fails if there are clones of the socket.
impl TryFrom<async_std::os::unix::net::UnixStream> for Stream {
    type Error = io::Error;

    fn try_from(stream: async_std::os::unix::net::UnixStream) -> io::Result<Self> {
        Ok(Async::new(UnixStream::try_from(stream)?)?.into())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, stream => stream.as_fd())
    }
}

impl PollSocket for Socket {
    fn poll_read(&self, _: &mut bool, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(&mut &*stream).poll_read(cx, buf))
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_writable(cx))
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    /// Closes the writing half, which async-std's own sockets leave open; with TLS the peer learns of it first.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close(cx)
    }
}

/// A stream of the traits of futures-io, as the driver polls it.
#[derive(Debug)]
pub struct Polled<S>(S);

impl<S> From<S> for Polled<S> {
    fn from(stream: S) -> Self {
        Self(stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Adapted for Polled<S> {
    type Stream = S;

    fn stream(&self) -> &S {
        &self.0
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> PollStream for Polled<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
