//! The streams that `connect` makes: sockets, streams of the application's own, and TLS over either.

use std::{
    fmt,
    io::{self, IoSlice, Read, Write},
    mem,
    net::TcpStream,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use beanstalk_driver::connect::socket;

#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "tls")]
use self::tls::Tls;
use crate::transport::{Socket, Transport};

/// The stream of a connection: a TCP or Unix socket, with TLS or without, or a stream of the application's own. It keeps to deadlines.
/// [`Client::connect`](crate::Client::connect) makes one.
///
/// ```no_run
/// use std::net::TcpStream;
///
/// use beanstalk_sync::{Client, Socket, Stream};
///
/// # fn main() -> std::io::Result<()> {
/// let socket = TcpStream::connect("localhost:11300")?;
/// let client = Client::from_stream(Stream::from(socket));
/// // And back: which address the server sees.
/// if let Some(Socket::Tcp(socket)) = client.stream().socket() {
///     println!("connected from {}", socket.local_addr()?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// In a process that does not ignore `SIGPIPE`, a socket of one's own is best given to [`Client::from_stream`](crate::Client::from_stream)
/// as a `Stream`: what this writes to a peer that is gone fails with an error, as everywhere, while a large body written by the socket
/// itself brings the signal.
#[derive(Debug)]
pub struct Stream {
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
    #[cfg(feature = "tls")]
    Tls(Box<Tls>),
    /// A stream of the application's own, and its descriptor. Behind a mutex that is never locked, so that what can be sent can be shared, too.
    Boxed(Mutex<Box<dyn Transport + Send>>, OwnedFd),
}

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

/// The descriptor of the socket, with TLS of the one below it.
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.io {
            Io::Socket(socket) => socket.as_fd(),
            #[cfg(feature = "tls")]
            Io::Tls(tls) => tls.below.as_fd(),
            Io::Boxed(_, fd) => fd.as_fd(),
        }
    }
}

impl Stream {
    /// Returns the socket, with TLS the one below it; `None` for a stream of the application's own.
    #[must_use]
    pub const fn socket(&self) -> Option<&Socket> {
        match &self.io {
            Io::Socket(socket) => Some(socket),
            #[cfg(feature = "tls")]
            Io::Tls(tls) => tls.below.socket(),
            Io::Boxed(..) => None,
        }
    }

    /// Makes one of a stream of the application's own, which has a socket at its bottom.
    ///
    /// # Errors
    ///
    /// The operating system's if there is no descriptor left for another handle of the socket.
    pub fn boxed(stream: impl Transport + AsFd + Send + 'static) -> io::Result<Self> {
        let fd = stream.as_fd().try_clone_to_owned()?;
        Ok(Self::new(Io::Boxed(Mutex::new(Box::new(stream)), fd)))
    }

    const fn new(io: Io) -> Self {
        Self { io, deadline: None, bounded: false, read: Side::NEW, write: Side::NEW }
    }
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        Self::new(Io::Socket(Socket::Tcp(socket)))
    }
}

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
        let first = !mem::replace(&mut self.used, true);
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

impl Io {
    #[inline(always)]
    fn transport(&mut self) -> &mut dyn Transport {
        match self {
            Self::Socket(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => &mut **tls,
            Self::Boxed(boxed, _) => &mut **boxed.get_mut().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Stream {
    #[inline(always)]
    fn begin_write(&mut self) -> io::Result<()> {
        match &self.io {
            Io::Socket(socket) if self.bounded => self.write.begin(self.deadline, socket, Socket::set_write_timeout),
            _ => Ok(()),
        }
    }
}

impl Read for Stream {
    #[inline(always)]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let (Io::Socket(socket), true) = (&self.io, self.bounded) {
            self.read.begin(self.deadline, socket, Socket::set_read_timeout)?;
        }
        match &mut self.io {
            Io::Socket(socket) => socket.read(buf),
            io => io.transport().read(buf),
        }
    }
}

impl Write for Stream {
    #[inline(always)]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.begin_write()?;
        match &mut self.io {
            Io::Socket(socket) => socket.write(buf),
            io => io.transport().write(buf),
        }
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.begin_write()?;
        self.io.transport().write_vectored(bufs)
    }

    #[inline(always)]
    fn flush(&mut self) -> io::Result<()> {
        self.io.transport().flush()
    }
}

impl Transport for Stream {
    #[inline(always)]
    fn is_socket(&self) -> bool {
        matches!(self.io, Io::Socket(_))
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.transport().set_read_timeout(timeout)?;
        self.read.set(timeout);
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.transport().set_write_timeout(timeout)?;
        self.write.set(timeout);
        Ok(())
    }

    #[inline(always)]
    fn set_deadline(&mut self, deadline: Option<Instant>) {
        (self.deadline, self.bounded) = (deadline, true);
        (self.read.used, self.write.used) = (false, false);
        self.io.transport().set_deadline(deadline);
    }

    fn would_wait(&self) -> bool {
        // With TLS, what came may be here already.
        matches!(&self.io, Io::Socket(socket) if socket::would_wait(socket))
    }

    /// Closes the writing half; with TLS the peer learns of it first.
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.io.transport().shutdown_write()
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(socket) => socket.fmt(f),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.fmt(f),
            Self::Boxed(..) => f.write_str("Boxed"),
        }
    }
}
