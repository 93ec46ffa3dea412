//! Connecting: TCP and Unix sockets behind one type.

use std::{
    future::Future,
    io,
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

#[cfg(unix)]
use async_std::os::unix::net::UnixStream;
use async_std::{future, net::TcpStream};
use beanstalk_driver::Address;
use beanstalk_proto::{Error, Lost};
use futures_io::{AsyncRead, AsyncWrite};

/// A socket that [`Client::connect`](crate::Client::connect) has connected.
///
/// Closing one of async-std's own sockets does not tell the peer so; closing this does. So an async-std socket that was
/// connected elsewhere is best given to [`Client::from_stream`](crate::Client::from_stream) as a `Stream`.
#[derive(Debug)]
pub enum Stream {
    /// TCP, with `TCP_NODELAY` set.
    Tcp(TcpStream),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    pub(crate) async fn connect(address: &str, timeout: Option<Duration>) -> Result<Self, Error> {
        let address = address.parse()?;
        within(timeout, Self::open(address)).await.map_err(|error| Error::Io { error, lost: Lost::NotSent })
    }

    async fn open(address: Address) -> io::Result<Self> {
        match address {
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), port)).await?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
            #[cfg(unix)]
            Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn either(self: Pin<&mut Self>) -> Pin<&mut (dyn Socket + Send)> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::<&mut TcpStream>::new(stream),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::<&mut UnixStream>::new(stream),
        }
    }
}

async fn within<T>(timeout: Option<Duration>, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout {
        Some(timeout) => future::timeout(timeout, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => work.await,
    }
}

trait Socket: AsyncRead + AsyncWrite {}

impl<S: AsyncRead + AsyncWrite> Socket for S {}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.either().poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.either().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.either().poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.either().poll_flush(cx)
    }

    /// Closes the writing half, which async-std's own sockets leave open.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().either().poll_close(cx))?;
        Poll::Ready(match &*self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        })
    }
}
