//! Addresses where nobody listens, or somebody who accepts nothing.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::AsRawFd,
        unix::net::{UnixListener, UnixStream},
    },
    time::Duration,
};

use beanstalk_driver::connect::socket::dial_unix;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, UnixAddr};

use crate::temp::TempDir;

/// A port that is taken, so that no other test gets it, and refuses connections for as long as this lives.
#[derive(Debug)]
pub struct RefusingPort {
    _taken: std::net::TcpListener,
    address: SocketAddr,
}

impl RefusingPort {
    /// Takes a port.
    #[allow(clippy::new_without_default, reason = "it is made, not defaulted")]
    pub fn new() -> Self {
        let socket = socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
        let socket = socket.expect("a socket");
        socket::bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).expect("a free port");
        // A listener by its type alone: without `listen` every connection is refused.
        let taken = std::net::TcpListener::from(socket);
        let address = taken.local_addr().expect("an address");
        Self { _taken: taken, address }
    }

    /// Where nobody is.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

/// A listener whose queue is full, so that nobody who connects gets an answer.
#[derive(Debug)]
pub struct Silent {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Silent {
    /// Fills a queue.
    #[allow(clippy::new_without_default, reason = "it is made, not defaulted")]
    pub fn new() -> Self {
        let socket = socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
        let socket = socket.expect("a socket");
        socket::bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).expect("a free port");
        socket::listen(&socket, Backlog::new(0).expect("a backlog")).expect("a listener");
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().expect("an address");
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            queued.push(stream);
        }
        Self { listener, _queued: queued }
    }

    /// Where it is silent.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }
}

/// The same on a Unix socket, where whoever connects waits for room.
#[derive(Debug)]
pub struct SilentUnix {
    directory: TempDir,
    listener: UnixListener,
    queued: Vec<UnixStream>,
}

impl SilentUnix {
    /// Fills a queue.
    #[allow(clippy::new_without_default, reason = "it is made, not defaulted")]
    pub fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("silent");
        let socket = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
        let socket = socket.expect("a socket");
        socket::bind(socket.as_raw_fd(), &UnixAddr::new(&path).expect("an address")).expect("a free path");
        socket::listen(&socket, Backlog::new(0).expect("a backlog")).expect("a listener");
        let path = path.to_str().expect("a path of text");
        let queued = std::iter::from_fn(|| dial_unix(path).ok()).collect();
        Self { directory, listener: UnixListener::from(socket), queued }
    }

    /// Where it is silent.
    pub fn address(&self) -> String {
        format!("unix:{}", self.directory.path().join("silent").display())
    }

    /// Makes room, and accepts the first that comes then.
    pub fn accept(mut self) -> UnixStream {
        for _ in self.queued.drain(..) {
            self.listener.accept().expect("one of those in the queue");
        }
        self.listener.accept().expect("another").0
    }
}
