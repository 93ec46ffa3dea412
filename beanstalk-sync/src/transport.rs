//! What a blocking client needs of a stream, and the streams that `connect` makes.

use std::{
    fmt,
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

#[cfg(unix)]
use std::os::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    unix::net::UnixStream,
};
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "tls")]
use beanstalk_driver::TlsSession;
use beanstalk_driver::connect::socket;

#[cfg(feature = "tls")]
use crate::timeout::is_timeout;

/// A byte stream with timeouts: a socket, or something around one, such as a TLS session.
///
/// A read or write that takes longer than its timeout fails with [`io::ErrorKind::WouldBlock`] or
/// [`io::ErrorKind::TimedOut`], not earlier, and has moved no byte.
///
/// A stream that reads and writes the stream under it once for each of its own reads and writes passes the timeouts on. One that may
/// do so several times for one, as TLS does to fill a record, also passes the deadline on, to a [`Stream`] at the bottom: without it each
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
    /// called: whoever reads or writes what is below once for each of its own reads and writes has nothing to do, as the default.
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        let _ = deadline;
    }

    /// Whether a read would have to wait, if the stream can tell without one: the shortest timeout of a socket is a tick of the kernel's
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
                self.shutdown(Shutdown::Write)
            }
        }
    };
}

socket_transport!(TcpStream);
#[cfg(unix)]
socket_transport!(UnixStream);

/// A stream that keeps to a deadline, with TLS or without: what [`Client::connect`](crate::Client::connect) connects with.
///
/// In a process that does not ignore `SIGPIPE`, a socket of one's own is best given to [`Client::from_stream`](crate::Client::from_stream)
/// as a `Stream`: what this writes to a peer that is gone fails with an error, as everywhere, while a large body written by the socket
/// itself brings the signal.
#[derive(Debug)]
pub struct Stream {
    plain: Plain,
    #[cfg(feature = "tls")]
    tls: Option<Box<TlsSession>>,
}

/// What TLS is spoken over, if it is.
#[derive(Debug)]
struct Plain {
    io: Io,
    /// Until when reads and writes may take.
    deadline: Option<Instant>,
    /// There is one, or was.
    bounded: bool,
    read: Side,
    write: Side,
}

enum Io {
    Socket(Socket),
    /// Behind a mutex that nobody locks, so that what can be sent can be shared, too.
    #[cfg(unix)]
    Boxed(Mutex<Box<dyn Boxed>>, OwnedFd),
}

/// A stream of the application's own.
#[cfg(unix)]
trait Boxed: Transport + Send {}

#[cfg(unix)]
impl<T: Transport + Send> Boxed for T {}

/// Reads, or writes.
#[derive(Debug)]
struct Side {
    /// The timeout that was asked for.
    timeout: Option<Duration>,
    /// It has been used since the deadline was set, so that less is left.
    used: bool,
    /// The socket's timeout is another by now.
    shortened: bool,
}

/// A socket that is connected.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// TCP, with `TCP_NODELAY` and keepalive set if [`Client::connect`](crate::Client::connect) made it.
    Tcp(TcpStream),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Calls the socket, whichever it is.
macro_rules! either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($stream) => $call,
            #[cfg(unix)]
            Socket::Unix($stream) => $call,
        }
    };
}

/// The descriptor of the socket, with TLS of the one below it.
#[cfg(unix)]
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.plain.as_fd()
    }
}

#[cfg(unix)]
impl AsFd for Plain {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.io {
            Io::Socket(socket) => either!(socket, stream => stream.as_fd()),
            Io::Boxed(_, fd) => fd.as_fd(),
        }
    }
}

impl Stream {
    /// Returns the socket, with TLS the one below it; `None` for a stream of the application's own.
    #[must_use]
    pub const fn socket(&self) -> Option<&Socket> {
        match &self.plain.io {
            Io::Socket(socket) => Some(socket),
            #[cfg(unix)]
            Io::Boxed(..) => None,
        }
    }

    /// Makes one of a stream of the application's own, which has a socket at its bottom.
    ///
    /// # Errors
    ///
    /// What the operating system says if there is no descriptor left for another handle of the socket.
    #[cfg(unix)]
    pub fn boxed(stream: impl Transport + AsFd + Send + 'static) -> io::Result<Self> {
        let fd = stream.as_fd().try_clone_to_owned()?;
        Ok(Self::new(Io::Boxed(Mutex::new(Box::new(stream)), fd)))
    }

    const fn new(io: Io) -> Self {
        Self {
            plain: Plain { io, deadline: None, bounded: false, read: Side::NEW, write: Side::NEW },
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Shakes hands within this time, and speaks TLS from then on.
    #[cfg(feature = "tls")]
    pub(crate) fn secure(mut self, session: TlsSession, within: Option<Duration>) -> io::Result<Self> {
        let mut session = Box::new(session);
        let deadline = within.and_then(|within| Instant::now().checked_add(within));
        let timeout = within.map(|within| within.max(Duration::from_millis(1)));
        self.plain.set_read_timeout(timeout)?;
        self.plain.set_write_timeout(timeout)?;
        self.plain.set_deadline(deadline);
        loop {
            match session.handshake(&mut self.plain) {
                Ok(()) => break,
                Err(error) if is_timeout(&error) => {
                    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // The client's own idea of the timeouts is that there are none yet.
        self.plain.set_read_timeout(None)?;
        self.plain.set_write_timeout(None)?;
        self.plain.set_deadline(None);
        self.tls = Some(session);
        Ok(self)
    }
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        Self::new(Io::Socket(Socket::Tcp(socket)))
    }
}

#[cfg(unix)]
impl From<UnixStream> for Stream {
    fn from(socket: UnixStream) -> Self {
        Self::new(Io::Socket(Socket::Unix(socket)))
    }
}

impl Side {
    const NEW: Self = Self { timeout: None, used: false, shortened: false };

    /// Before a read or write: does what has to be done to the socket's timeout, if something.
    fn begin(
        &mut self,
        deadline: Option<Instant>,
        socket: &Socket,
        set: fn(&Socket, Option<Duration>) -> io::Result<()>,
    ) -> io::Result<()> {
        let first = !std::mem::replace(&mut self.used, true);
        if !self.shortened && (first || deadline.is_none()) {
            return Ok(());
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = match left {
            Some(Duration::ZERO) if !first => return Err(io::ErrorKind::TimedOut.into()),
            Some(left) if !first => Some(self.timeout.map_or(left, |timeout| timeout.min(left))),
            _ => self.timeout,
        };
        self.shortened = timeout != self.timeout;
        set(socket, timeout)
    }

    fn set(&mut self, timeout: Option<Duration>) {
        (self.timeout, self.shortened) = (timeout, false);
    }
}

impl Socket {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, stream => stream.set_read_timeout(timeout))
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, stream => stream.set_write_timeout(timeout))
    }
}

impl Plain {
    #[cfg(unix)]
    fn boxed(boxed: &mut Mutex<Box<dyn Boxed>>) -> &mut dyn Boxed {
        &mut **boxed.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Plain {
    #[inline(always)]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.io {
            Io::Socket(socket) => {
                if self.bounded {
                    self.read.begin(self.deadline, socket, Socket::set_read_timeout)?;
                }
                either!(socket, stream => stream.read(buf))
            }
            #[cfg(unix)]
            Io::Boxed(boxed, _) => Self::boxed(boxed).read(buf),
        }
    }
}

impl Write for Plain {
    #[inline(always)]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.io {
            Io::Socket(socket) => {
                if self.bounded {
                    self.write.begin(self.deadline, socket, Socket::set_write_timeout)?;
                }
                either!(socket, stream => socket::send(stream, buf))
            }
            #[cfg(unix)]
            Io::Boxed(boxed, _) => Self::boxed(boxed).write(buf),
        }
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.io {
            Io::Socket(socket) => {
                if self.bounded {
                    self.write.begin(self.deadline, socket, Socket::set_write_timeout)?;
                }
                either!(socket, stream => socket::send_vectored(stream, bufs))
            }
            #[cfg(unix)]
            Io::Boxed(boxed, _) => Self::boxed(boxed).write_vectored(bufs),
        }
    }

    #[inline(always)]
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.io {
            // A socket keeps nothing back.
            Io::Socket(_) => Ok(()),
            #[cfg(unix)]
            Io::Boxed(boxed, _) => Self::boxed(boxed).flush(),
        }
    }
}

impl Transport for Plain {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match &mut self.io {
            Io::Socket(socket) => socket.set_read_timeout(timeout)?,
            #[cfg(unix)]
            Io::Boxed(boxed, _) => Self::boxed(boxed).set_read_timeout(timeout)?,
        }
        self.read.set(timeout);
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match &mut self.io {
            Io::Socket(socket) => socket.set_write_timeout(timeout)?,
            #[cfg(unix)]
            Io::Boxed(boxed, _) => Self::boxed(boxed).set_write_timeout(timeout)?,
        }
        self.write.set(timeout);
        Ok(())
    }

    #[inline(always)]
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        (self.deadline, self.bounded) = (deadline, true);
        (self.read.used, self.write.used) = (false, false);
        #[cfg(unix)]
        if let Io::Boxed(boxed, _) = &mut self.io {
            Self::boxed(boxed).set_deadline(deadline);
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match &mut self.io {
            Io::Socket(socket) => either!(socket, stream => stream.shutdown(Shutdown::Write)),
            #[cfg(unix)]
            Io::Boxed(boxed, _) => Self::boxed(boxed).shutdown_write(),
        }
    }
}

impl Read for Stream {
    #[inline(always)]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.read(&mut self.plain, buf);
        }
        self.plain.read(buf)
    }
}

impl Write for Stream {
    #[inline(always)]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.write(&mut self.plain, &[IoSlice::new(buf)]);
        }
        self.plain.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.write(&mut self.plain, bufs);
        }
        self.plain.write_vectored(bufs)
    }

    #[inline(always)]
    fn flush(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.flush(&mut self.plain);
        }
        self.plain.flush()
    }
}

impl Transport for Stream {
    #[inline(always)]
    fn is_socket(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return false;
        }
        matches!(self.plain.io, Io::Socket(_))
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.plain.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.plain.set_write_timeout(timeout)
    }

    #[inline(always)]
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.plain.set_deadline(deadline);
    }

    fn would_wait(&self) -> bool {
        match &self.plain.io {
            #[cfg(feature = "tls")]
            // What came may be here already.
            _ if self.tls.is_some() => false,
            Io::Socket(socket) => either!(socket, stream => socket::would_wait(stream)),
            #[cfg(unix)]
            Io::Boxed(..) => false,
        }
    }

    /// Closes the writing half; with TLS the peer is told so first.
    fn shutdown_write(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.plain)?;
        }
        self.plain.shutdown_write()
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(socket) => socket.fmt(f),
            #[cfg(unix)]
            Self::Boxed(..) => f.write_str("Boxed"),
        }
    }
}
