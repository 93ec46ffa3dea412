//! An address where nobody listens.

use std::{net::SocketAddr, os::fd::AsRawFd};

use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn};

/// A port that is taken, so that no other test gets it, and refuses connections for as long as this lives.
#[derive(Debug)]
pub struct Nobody {
    _taken: std::net::TcpListener,
    address: SocketAddr,
}

impl Nobody {
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
