//! Where a server is: `host:port`, `[v6]:port` or `unix:/path`.

use alloc::string::String;
use core::{fmt, str::FromStr};

use crate::error::ArgumentError;

/// The address of a server, parsed and not yet resolved.
///
/// ```
/// use beanstalk_proto::Address;
///
/// assert_eq!("queue.example:11300".parse(), Ok(Address::Tcp { host: "queue.example".into(), port: 11300 }));
/// assert_eq!("[::1]:11300".parse(), Ok(Address::Tcp { host: "::1".into(), port: 11300 }));
/// assert_eq!("unix:/run/queue.sock".parse(), Ok(Address::Unix("/run/queue.sock".into())));
/// assert!("queue.example".parse::<Address>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A host name or IP address (an IPv6 address without its brackets), and a port.
    Tcp {
        /// What to resolve.
        host: String,
        /// The port; beanstalkd listens on 11300 unless it is told otherwise.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(String),
}

impl FromStr for Address {
    type Err = ArgumentError;

    fn from_str(address: &str) -> Result<Self, ArgumentError> {
        let bad = || ArgumentError::Address(address.into());
        if let Some(path) = address.strip_prefix("unix:") {
            return if path.is_empty() { Err(bad()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.strip_suffix(']').ok_or_else(bad)?,
            // More colons would be an IPv6 address without brackets, whose end nobody can tell from the port.
            None if host.contains(':') => return Err(bad()),
            None => host,
        };
        if host.is_empty() || port.starts_with('+') {
            return Err(bad());
        }
        let port = port.parse().map_err(|_| bad())?;
        Ok(Self::Tcp { host: host.into(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_address_is_printed_as_it_is_read() {
        for text in ["localhost:11300", "127.0.0.1:1", "[fe80::1]:65535", "unix:/tmp/a b", "unix:rel"] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(text.to_string()));
        }
    }

    #[test]
    fn an_address_that_is_not_one_is_refused_with_what_was_given() {
        for text in
            ["", "localhost", "localhost:", ":1", "a:65536", "a:-1", "a:+1", "::1:11300", "[::1:11300", "[]:1", "unix:"]
        {
            assert_eq!(text.parse::<Address>(), Err(ArgumentError::Address(text.into())));
        }
    }
}
