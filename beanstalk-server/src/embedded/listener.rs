//! What accepts connections, and the addresses it is known by.

#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::{
    fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
};

#[cfg(unix)]
use mio::net::UnixListener;
use mio::{Interest, Registry, Token, event::Source, net::TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::net::Stream;
#[cfg(unix)]
use super::socket_file::SocketFile;

/// Connections that may wait to be accepted, as with beanstalkd, if the system allows as many.
const BACKLOG: i32 = 1024;

/// What accepts connections.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    /// The file goes first, while its socket still keeps another from being given its inode.
    #[cfg(unix)]
    Unix(SocketFile, UnixListener),
    /// A Unix socket that another process made, and whose file belongs to it.
    #[cfg(unix)]
    Foreign(UnixListener),
}

/// Where a server is to get its listener from. Clones are the same socket.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Address(String),
    Tcp(Arc<std::net::TcpListener>),
    #[cfg(unix)]
    Unix(Arc<std::os::unix::net::UnixListener>),
}

impl Listener {
    pub(super) fn open(place: &Place) -> io::Result<Self> {
        Ok(match place {
            Place::Address(address) => Self::bind(address)?,
            Place::Tcp(listener) => {
                let listener = listener.try_clone()?;
                listener.set_nonblocking(true)?;
                Self::Tcp(TcpListener::from_std(listener))
            }
            #[cfg(unix)]
            Place::Unix(listener) => {
                let listener = listener.try_clone()?;
                listener.set_nonblocking(true)?;
                Self::Foreign(UnixListener::from_std(listener))
            }
        })
    }

    /// Listens on `host:port`, `[v6]:port` or `unix:path`. A socket file without a listener is replaced.
    fn bind(address: &str) -> io::Result<Self> {
        if let Some(path) = address.strip_prefix("unix:") {
            return Self::bind_unix(path);
        }
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
        for address in address.to_socket_addrs()? {
            match bind_tcp(address) {
                Ok(listener) => return Ok(Self::Tcp(listener)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    #[cfg(unix)]
    fn bind_unix(path: &str) -> io::Result<Self> {
        let path = Path::new(path);
        SocketFile::make_room(path)?;
        let listener = UnixListener::bind(path)?;
        Ok(Self::Unix(SocketFile::of(path)?, listener))
    }

    #[cfg(not(unix))]
    fn bind_unix(_: &str) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this platform has no Unix sockets"))
    }

    /// The address to connect to, with the port that was chosen.
    pub(super) fn address(&self) -> io::Result<Address> {
        Ok(match self {
            Self::Tcp(listener) => Address::Tcp(listener.local_addr()?),
            #[cfg(unix)]
            Self::Unix(file, _) => Address::Unix(file.path().to_owned()),
            // One without a path has no address that could be given to a client.
            #[cfg(unix)]
            Self::Foreign(listener) => {
                Address::Unix(listener.local_addr()?.as_pathname().map(Path::to_owned).unwrap_or_default())
            }
        })
    }

    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // Replies are small and awaited. A peer that is gone already will be noticed when it is read from.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            #[cfg(unix)]
            Self::Unix(_, listener) | Self::Foreign(listener) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.register(registry, token, Interest::READABLE),
            #[cfg(unix)]
            Self::Unix(_, listener) | Self::Foreign(listener) => listener.register(registry, token, Interest::READABLE),
        }
    }
}

/// As mio's own `bind` does it, but with room for as many connections as beanstalkd, where mio and the standard library
/// have 128. A Unix socket has what the system allows.
fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows that would take the port from a server that listens there.
    socket.set_reuse_address(cfg!(not(windows)))?;
    // Accepted connections inherit it. A peer whose host has vanished does not wait for a job without end.
    socket.set_keepalive(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;

    use super::*;

    #[test]
    fn connections_are_kept_alive() {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let Listener::Tcp(tcp) = &listener else { panic!("{listener:?}") };
        let _client = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        let Stream::Tcp(stream) = listener.accept().unwrap() else { panic!("a Unix socket") };
        assert!(SockRef::from(&stream).keepalive().unwrap());
    }
}
