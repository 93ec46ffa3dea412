//! What the bindings ask of the operating system's sockets.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    net::{Shutdown, SocketAddr, ToSocketAddrs},
    os::{
        fd::{AsFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    process,
    time::Duration,
    vec::Vec,
};

use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};

/// How often the operating system asks again whether the peer is still there, while there is no answer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// With this a write to a peer that is gone is an error, and not a signal that ends a process which does not ignore it.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: i32 = nix::libc::MSG_NOSIGNAL;
/// There it is a property of the socket, which it is made with.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: i32 = 0;

/// Sets what a connection over TCP has: `TCP_NODELAY`, since requests are written whole, and keepalive after so long.
///
/// # Errors
///
/// The operating system's.
pub fn tune(stream: &impl AsFd, keepalive: Option<Duration>) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    match keepalive {
        // The operating system counts in seconds, and has no zero.
        Some(idle) => {
            let idle = idle.max(Duration::from_secs(1));
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(KEEPALIVE_INTERVAL))
        }
        None => socket.set_keepalive(false),
    }
}

/// Writes once. A peer that is gone is an error and no signal.
///
/// # Errors
///
/// The operating system's.
#[inline]
pub fn send(stream: &impl AsFd, buf: &[u8]) -> io::Result<usize> {
    SockRef::from(stream).send_with_flags(buf, NO_SIGNAL)
}

/// As [`send`], for several pieces.
///
/// # Errors
///
/// The operating system's.
#[inline]
pub fn send_vectored(stream: &impl AsFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    SockRef::from(stream).send_vectored_with_flags(bufs, NO_SIGNAL)
}

/// Returns whether a read would have to wait. Waits for nothing and reads nothing, at the cost of one system call.
pub fn would_wait(stream: &impl AsFd) -> bool {
    let flags = nix::libc::MSG_PEEK | nix::libc::MSG_DONTWAIT;
    let peeked = SockRef::from(stream).recv_with_flags(&mut [MaybeUninit::uninit()], flags);
    peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Sets a socket so that it never waits.
///
/// # Errors
///
/// The operating system's.
pub fn set_nonblocking(stream: &impl AsFd) -> io::Result<()> {
    SockRef::from(stream).set_nonblocking(true)
}

/// Closes the writing half.
///
/// # Errors
///
/// The operating system's.
pub fn shutdown_write(stream: &impl AsFd) -> io::Result<()> {
    SockRef::from(stream).shutdown(Shutdown::Write)
}

/// Connects to a Unix socket without waiting, and leaves the socket so that it never waits.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] if the server's queue is full, and any other error of the operating system.
pub fn dial_unix(path: &str) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(OwnedFd::from(socket).into())
}

/// Looks up the addresses of a host, and takes as long as the operating system does.
///
/// # Errors
///
/// The operating system's.
pub fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    #[cfg(feature = "test-names")]
    if let Some(addresses) = names::find(host, port) {
        return addresses;
    }
    Ok((host, port).to_socket_addrs()?.collect())
}

/// The process that made a connection. One that is forked from it has the same connection, and must leave it alone: what it sent
/// would come between the requests of the other, and `quit` would end it for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maker(u32);

impl Maker {
    /// Returns this process.
    #[must_use]
    pub fn this() -> Self {
        Self(process::id())
    }

    /// Returns whether this process made the connection. It asks the operating system each time.
    #[must_use]
    pub fn is_this(self) -> bool {
        self == Self::this()
    }
}

/// Closes a descriptor that a forked process has inherited, and does nothing else: the event queue that it is registered with is
/// shared with the process that it was forked from, and taking it out there would take it out for both. What owns the
/// descriptor must be forgotten.
pub fn close_inherited(fd: RawFd) {
    // It can only fail if it is closed already.
    let _closed = nix::unistd::close(fd);
}

/// Names that a test gives addresses to.
#[cfg(feature = "test-names")]
pub mod names {
    use std::{
        collections::BTreeMap,
        io,
        net::SocketAddr,
        string::String,
        sync::{Mutex, MutexGuard, PoisonError},
        thread,
        time::Duration,
        vec::Vec,
    };

    /// What a name stands for, and the port that was last asked for.
    struct Name {
        takes: Duration,
        addresses: Vec<SocketAddr>,
        port: Option<u16>,
    }

    static NAMES: Mutex<BTreeMap<String, Name>> = Mutex::new(BTreeMap::new());

    fn names() -> MutexGuard<'static, BTreeMap<String, Name>> {
        NAMES.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a host name stand for these addresses, whatever port is asked for, and looking it up take so long.
    pub fn set(host: &str, takes: Duration, addresses: Vec<SocketAddr>) {
        names().insert(host.into(), Name { takes, addresses, port: None });
    }

    /// Returns the port that was asked for when this name was last looked up.
    pub fn asked(host: &str) -> Option<u16> {
        names().get(host)?.port
    }

    pub(super) fn find(host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        let (takes, addresses) = {
            let mut names = names();
            let name = names.get_mut(host)?;
            name.port = Some(port);
            (name.takes, name.addresses.clone())
        };
        thread::sleep(takes);
        Some(Ok(addresses))
    }
}
