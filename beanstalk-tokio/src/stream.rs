//! TCP and Unix sockets behind one type.

use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use beanstalk_driver::connect::socket;
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
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
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
    /// The socket.
    pub const fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl From<Socket> for Stream {
    fn from(socket: Socket) -> Self {
        Self { socket, waited: false }
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

impl Socket {
    #[inline(never)]
    fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.try_io(Interest::WRITABLE, || socket::send(stream, buf)))
    }

    fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        either!(self, stream => stream.try_io(Interest::WRITABLE, || socket::send_vectored(stream, bufs)))
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
impl AsyncRead for Stream {
    #[inline(always)]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if mem::take(&mut self.waited) {
            let read = self.socket.try_read(buf.initialize_unfilled());
            if !would_block(&read) {
                return Poll::Ready(read.map(|n| buf.advance(n)));
            }
        }
        let read = either!(&mut self.socket, stream => Pin::new(stream).poll_read(cx, buf));
        self.waited = read.is_pending();
        read
    }
}

impl AsyncWrite for Stream {
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

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.socket, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
