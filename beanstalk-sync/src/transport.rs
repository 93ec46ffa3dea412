//! What a blocking client needs of a stream, and sockets.

use std::{
    io::{self, IoSlice, Read, Write},
    net::TcpStream,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use beanstalk_driver::connect::socket;

/// A byte stream with timeouts: a socket, or something around one, such as a TLS session.
///
/// A read or write that takes longer than its timeout fails with [`io::ErrorKind::WouldBlock`] or
/// [`io::ErrorKind::TimedOut`], not earlier, and has moved no byte.
///
/// A stream that reads and writes the stream under it once for each of its own reads and writes passes the timeouts on. One that may
/// do so several times for one, as TLS does to fill a record, also passes the deadline on, to a [`Stream`](crate::Stream) at the bottom: without it each
/// of the inner reads may take the whole timeout, and a peer that sends a byte at a time keeps the call waiting for as long as it likes.
///
/// ```
/// use std::{io::{self, Read, Write}, time::{Duration, Instant}};
/// use beanstalk_sync::{Stream, Transport};
///
/// struct Counting { inner: Stream, bytes_read: usize }
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
///     fn set_deadline(&mut self, deadline: Option<Instant>) {
///         self.inner.set_deadline(deadline);
///     }
/// }
/// ```
pub trait Transport: Read + Write {
    /// Returns whether each read and write is one of a socket's, and flushing does nothing, so that the timeouts are all that is needed,
    /// and [`Transport::set_deadline`] is not called.
    #[inline(always)]
    fn is_socket(&self) -> bool {
        false
    }

    /// Sets how long a read may wait for the first byte; never zero, `None` for as long as it takes.
    ///
    /// # Errors
    ///
    /// What setting it failed with.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Sets how long a write may wait until the stream takes a byte; never zero, `None` for as long as it takes.
    ///
    /// # Errors
    ///
    /// What setting it failed with.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Sets until when each read, write and flush that follows may take, however many bytes move meanwhile. `None` is as long as it
    /// takes; one that has passed means to try once, without waiting. The timeouts are set as well, and are no longer than that when this is
    /// called: a stream that reads or writes what is below it once for each of its own reads and writes can do nothing, as the default does.
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        let _ = deadline;
    }

    /// Returns whether a read would have to wait, if the stream can find out without one: the shortest timeout of a socket is a tick of the kernel's
    /// clock. The default is `false`, and it is read to find out.
    fn would_wait(&self) -> bool {
        false
    }

    /// Closes the writing half, if the stream can. The default does nothing.
    ///
    /// # Errors
    ///
    /// What closing it failed with.
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

macro_rules! socket_transport {
    ($socket:ty) => {
        impl Transport for $socket {
            #[inline(always)]
            fn is_socket(&self) -> bool {
                true
            }

            fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                <$socket>::set_read_timeout(self, timeout)
            }

            fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                <$socket>::set_write_timeout(self, timeout)
            }

            fn would_wait(&self) -> bool {
                socket::would_wait(self)
            }

            fn shutdown_write(&mut self) -> io::Result<()> {
                socket::shutdown_write(self)
            }
        }
    };
}

socket_transport!(TcpStream);
socket_transport!(UnixStream);
socket_transport!(Socket);

/// The socket of a [`Stream`](crate::Stream), for what is asked of sockets: addresses, options. The example there shows how to get at it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// TCP, with `TCP_NODELAY` and keepalive set if [`Client::connect`](crate::Client::connect) made it.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

/// Calls the socket, whichever it is.
macro_rules! either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($stream) => $call,
            Socket::Unix($stream) => $call,
        }
    };
}

impl Socket {
    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, stream => stream.set_read_timeout(timeout))
    }

    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, stream => stream.set_write_timeout(timeout))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, stream => stream.as_fd())
    }
}

impl Read for Socket {
    #[inline(always)]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.read(buf))
    }
}

impl Write for Socket {
    #[inline(always)]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        either!(self, stream => socket::send(stream, buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, stream => socket::send_vectored(stream, bufs))
    }

    #[inline(always)]
    fn flush(&mut self) -> io::Result<()> {
        // It keeps nothing back.
        Ok(())
    }
}
