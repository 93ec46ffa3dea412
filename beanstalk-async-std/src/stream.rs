//! TCP and Unix sockets behind one type.

use std::{
    io,
    net::{Shutdown, TcpStream},
    pin::Pin,
    task::{Context, Poll, ready},
};

#[cfg(unix)]
use std::os::unix::net::UnixStream;

use async_io::Async;
use beanstalk_driver::connect::socket;
use futures_io::{AsyncRead, AsyncWrite};

/// A socket that [`Client::connect`](crate::Client::connect) has connected, or that is [made](TryFrom) of one of async-std's.
///
/// Closing one of async-std's own sockets does not tell the peer so, and writing a large body to one whose peer is gone brings the
/// signal `SIGPIPE` to a process that does not ignore it. Neither is so with this, so an async-std socket that was connected
/// elsewhere is best given to [`Client::from_stream`](crate::Client::from_stream) as a `Stream`.
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
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

impl From<Async<TcpStream>> for Stream {
    fn from(stream: Async<TcpStream>) -> Self {
        Self { socket: Socket::Tcp(stream) }
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
        Self { socket: Socket::Unix(stream) }
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

impl Socket {
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_writable(cx))
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        either!(&mut self.socket, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match either!(&self.socket, stream => socket::send(stream, buf)) {
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
            match either!(&self.socket, stream => socket::send_vectored(stream, bufs)) {
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
        Poll::Ready(either!(&self.socket, stream => stream.get_ref().shutdown(Shutdown::Write)))
    }
}
