//! TCP and Unix sockets behind one type, and the traits of tokio as the driver polls them.

use std::{
    io::{self, IoSlice},
    mem,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use beanstalk_driver::connect::{
    socket,
    stream::{Adapted, Duplex, PollSocket, PollStream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// The stream of a connection: a TCP or Unix socket, with TLS or without, or a stream of the application's own.
/// [`Client::connect`](crate::Client::connect) makes one.
///
/// ```no_run
/// use beanstalk_tokio::{Client, Socket, Stream};
/// use tokio::net::TcpStream;
///
/// # async fn example() -> std::io::Result<()> {
/// let socket = TcpStream::connect("localhost:11300").await?;
/// let client = Client::from_stream(Stream::from(socket));
/// // And back: which address the server sees.
/// if let Some(Socket::Tcp(socket)) = client.stream().socket() {
///     println!("connected from {}", socket.local_addr()?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// In a process that does not ignore `SIGPIPE`, a socket of one's own is best given to
/// [`Client::from_stream`](crate::Client::from_stream) as a `Stream`: what this writes to a peer that is gone fails with an error,
/// as everywhere, while a large body written by the socket itself brings the signal.
#[derive(Debug)]
pub struct Stream(pub(crate) Duplex<Socket>);

/// The socket of a [`Stream`], for what is asked of sockets: addresses, options. The example there shows how to get at it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// TCP, with `TCP_NODELAY` and keepalive set if [`Client::connect`](crate::Client::connect) made it.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
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
    /// Returns the socket, with TLS the one below it; `None` for a stream of the application's own.
    pub fn socket(&self) -> Option<&Socket> {
        self.0.socket()
    }

    /// Makes one of a stream of the application's own.
    pub fn boxed(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Duplex::boxed(Polled(stream)))
    }
}

impl From<Socket> for Stream {
    fn from(socket: Socket) -> Self {
        Self(socket.into())
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Socket::Tcp(stream).into()
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Socket::Unix(stream).into()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, stream => stream.as_fd())
    }
}

impl Socket {
    /// Reads what is here. If that does not fill the buffer there is no more, and that is reported to the runtime: as its own reads do,
    /// this saves the system call that would find nothing. But it does that only where the system signals what comes later
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

// The runtime's own way to read and write first looks whether the task has had its share of time. That is left to reads that did
// not have to wait: a task that waits lets others run. And every turn of a connection ends with a read.
impl PollSocket for Socket {
    #[inline(always)]
    fn poll_read(&self, waited: &mut bool, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut is_ready = mem::take(waited);
        loop {
            if !is_ready && either!(self, stream => stream.poll_read_ready(cx))?.is_pending() {
                *waited = true;
                return Poll::Pending;
            }
            is_ready = false;
            match self.try_read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

    #[inline(never)]
    fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.try_io(Interest::WRITABLE, || socket::send(stream, buf)))
    }

    fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, stream => stream.try_io(Interest::WRITABLE, || socket::send_vectored(stream, bufs)))
    }

    #[cold]
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_write_ready(cx))
    }
}

impl AsyncRead for Stream {
    #[inline(always)]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.0.poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    #[inline(always)]
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

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline(always)]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    /// Closes the writing half; with TLS the peer learns of it first.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close(cx)
    }
}

/// A stream of tokio's traits, as the driver polls it.
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
    #[inline(always)]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    #[inline(always)]
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    #[inline(always)]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
