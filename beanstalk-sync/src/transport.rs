//! What a blocking client needs of a stream, and the streams that `connect` makes.

use std::{
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

#[cfg(unix)]
use std::os::{
    fd::{AsFd, BorrowedFd},
    unix::net::UnixStream,
};

use beanstalk_driver::connect::socket;

/// A byte stream with timeouts: a socket, or something around one, such as a TLS session.
///
/// A read or write that takes longer than its timeout fails with [`io::ErrorKind::WouldBlock`] or
/// [`io::ErrorKind::TimedOut`], not earlier, and has moved no byte. A wrapper passes the timeouts on to the socket it wraps:
///
/// ```
/// use std::{io::{self, Read, Write}, net::TcpStream, time::Duration};
/// use beanstalk_sync::Transport;
///
/// struct Counting { inner: TcpStream, bytes_read: usize }
///
/// impl Read for Counting {
///     fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
///         let n = self.inner.read(buf)?;
///         self.bytes_read += n;
///         Ok(n)
///     }
/// }
///
/// impl Write for Counting {
///     fn write(&mut self, buf: &[u8]) -> io::Result<usize> { self.inner.write(buf) }
///     fn flush(&mut self) -> io::Result<()> { self.inner.flush() }
/// }
///
/// impl Transport for Counting {
///     fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
///         self.inner.set_read_timeout(timeout)
///     }
///     fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
///         self.inner.set_write_timeout(timeout)
///     }
/// }
/// ```
pub trait Transport: Read + Write {
    /// How long a read may wait for the first byte; never zero, `None` for as long as it takes.
    ///
    /// # Errors
    ///
    /// Whatever the stream says.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// How long a write may wait until the stream takes a byte; never zero, `None` for as long as it takes.
    ///
    /// # Errors
    ///
    /// Whatever the stream says.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Closes the writing half, if the stream can. The default does nothing.
    ///
    /// # Errors
    ///
    /// Whatever the stream says.
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

macro_rules! socket_transport {
    ($socket:ty) => {
        impl Transport for $socket {
            fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                <$socket>::set_read_timeout(self, timeout)
            }

            fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                <$socket>::set_write_timeout(self, timeout)
            }

            fn shutdown_write(&mut self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }
        }
    };
}

socket_transport!(TcpStream);
#[cfg(unix)]
socket_transport!(UnixStream);

/// What [`Client::connect`](crate::Client::connect) connects with.
///
/// In a process that does not ignore `SIGPIPE`, a socket of one's own is best given to [`Client::from_stream`](crate::Client::from_stream)
/// as a `Stream`: what this writes to a peer that is gone fails with an error, as everywhere, while a large body written by the socket
/// itself brings the signal.
#[derive(Debug)]
pub enum Stream {
    /// TCP, with `TCP_NODELAY` and keepalive set.
    Tcp(TcpStream),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Calls the stream, whichever it is.
macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self {
            Stream::Tcp($stream) => $call,
            #[cfg(unix)]
            Stream::Unix($stream) => $call,
        }
    };
}

#[cfg(unix)]
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, stream => stream.as_fd())
    }
}

/// For whoever has to break off what another thread waits for, or was away.
impl Stream {
    /// Whether the peer has ended the connection.
    pub(crate) fn has_ended(&self) -> bool {
        either!(self, stream => socket::has_ended(stream))
    }

    /// Another handle of the same socket. It is only closed with both.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
        }
    }

    /// Ends the connection: reads and writes return at once, waiting ones too.
    pub(crate) fn shutdown(&self) {
        // It can only fail if the connection has ended already.
        let _ended = either!(self, stream => stream.shutdown(Shutdown::Both));
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.read(buf))
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        either!(self, stream => socket::send(stream, buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, stream => socket::send_vectored(stream, bufs))
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        either!(self, stream => stream.flush())
    }
}

impl Transport for Stream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, stream => Transport::set_read_timeout(stream, timeout))
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, stream => Transport::set_write_timeout(stream, timeout))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        either!(self, stream => stream.shutdown_write())
    }
}
