//! Why there is no connection.

use std::{
    boxed::Box,
    fmt, io,
    net::SocketAddr,
    string::{String, ToString},
    time::Duration,
    vec::Vec,
};

use beanstalk_proto::{Error, NotConnected, TlsError};

/// No connection to an endpoint could be made: everything that was tried, and how it failed. There is at
/// least one attempt.
///
/// The text names the first node that failed, the address that was tried, what was being done, and how many others failed as well:
///
/// ```text
/// connect 10.0.0.7:11300: connection refused
/// connect mq:11300 at 10.0.0.7:11300: timed out after 1666 ms; 2 other addresses failed as well
/// connect queue-1:11300: looking up the name: failed to lookup address information: …
/// ```
#[derive(Debug)]
pub struct ConnectError {
    first: ConnectAttempt,
    others: Vec<ConnectAttempt>,
}

/// One attempt of a [`ConnectError`].
///
/// ```
/// use beanstalk_driver::{ConnectError, ConnectPhase, proto::Error};
///
/// /// For a log: every address that was tried, and whether it was the name that failed.
/// fn log(error: &Error) {
///     for attempt in ConnectError::of(error).into_iter().flat_map(ConnectError::attempts) {
///         match attempt.phase {
///             ConnectPhase::Resolve => eprintln!("{} is not a known name", attempt.node),
///             _ => eprintln!("{attempt}"),
///         }
///     }
/// }
/// # log(&Error::ReserveWaiting);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectAttempt {
    /// The node, as it is printed.
    pub node: Box<str>,
    /// The address that the node's host name stands for; `None` while that was looked up, and for a Unix socket.
    pub address: Option<SocketAddr>,
    /// What was being done.
    pub phase: ConnectPhase,
    /// How long it was allowed to take; `None` is as long as the operating system lets it.
    pub within: Option<Duration>,
    /// What it failed with: of kind [`TimedOut`](io::ErrorKind::TimedOut) if the time was up.
    pub error: io::Error,
}

impl ConnectAttempt {
    /// Makes an attempt that failed, of no known address, and without a limit of time.
    #[must_use]
    pub fn new(node: &str, phase: ConnectPhase, error: io::Error) -> Self {
        Self { node: node.into(), address: None, phase, within: None, error }
    }
}

/// What is done on the way to a connection: what a [`ConnectAttempt`] was about when it failed.
///
/// ```
/// use beanstalk_driver::{ConnectAttempt, ConnectPhase};
/// use std::io::ErrorKind::TimedOut;
///
/// let attempt = ConnectAttempt::new("queue-1:11300", ConnectPhase::Tls, TimedOut.into());
/// assert_eq!(attempt.to_string(), "queue-1:11300: TLS: timed out");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectPhase {
    /// Looking up which addresses a host name stands for.
    Resolve,
    /// Connecting to one of them, or to a Unix socket.
    Connect,
    /// Shaking hands for TLS.
    Tls,
    /// Sending what the connect options have as a greeting, and waiting for the reply.
    Greeting,
    /// Waiting for room in the queue of connections that the server of a Unix socket has not accepted yet.
    Queue,
}

impl ConnectError {
    /// Makes the error of one attempt and those behind it.
    #[must_use]
    pub fn new(first: ConnectAttempt, others: Vec<ConnectAttempt>) -> Self {
        Self { first, others }
    }

    /// Returns why there is no connection, if that is what a call failed with.
    ///
    /// ```
    /// use beanstalk_driver::{ConnectAttempt, ConnectError, ConnectPhase, proto::Error};
    /// use std::io::ErrorKind::ConnectionRefused;
    ///
    /// let phase = ConnectPhase::Connect;
    /// let attempt = ConnectAttempt::new("10.0.0.7:11300", phase, ConnectionRefused.into());
    /// let error = Error::from(ConnectError::new(attempt, Vec::new()));
    /// assert_eq!(ConnectError::of(&error).map(ConnectError::kind), Some(ConnectionRefused));
    /// ```
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        why(error)
    }

    /// Returns everything that was tried, in order.
    pub fn attempts(&self) -> impl Iterator<Item = &ConnectAttempt> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns whether every attempt was refused, so that another would be too: see [`Error::is_refusal`].
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.attempts().all(|attempt| TlsError::of(&attempt.error).is_some_and(TlsError::is_refusal))
    }

    /// Returns what the first attempt failed with.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.first.error.kind()
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connect {}", self.first)?;
        match self.others.len() {
            0 => Ok(()),
            1 => f.write_str("; another address failed as well"),
            others => write!(f, "; {others} other addresses failed as well"),
        }
    }
}

/// Its source is what the first attempt failed with.
impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.first.error)
    }
}

/// A request of the greeting was refused. There is no connection, and nothing else was sent.
///
/// Of the command only the first word is here, as the rest may be a secret.
///
/// ```
/// use beanstalk_driver::{GreetingError, proto::Error};
///
/// /// Of a client with `ConnectOptions::token`: is it the token?
/// fn is_bad_token(error: &Error) -> bool {
///     GreetingError::of(error).is_some_and(|refused| &*refused.command == "auth")
/// }
///
/// let (node, answer) = ("queue-1:11300".into(), "UNAUTHORIZED".into());
/// let refused = GreetingError { node, command: "auth".into(), answer };
/// assert!(is_bad_token(&refused.into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connect {node}: the greeting {command:?} was answered {answer}; it is sent again with the next connection")]
pub struct GreetingError {
    /// The node, as it is printed.
    pub node: Box<str>,
    /// The first word of the command.
    pub command: Box<str>,
    /// The first word of the reply.
    pub answer: Box<str>,
}

impl GreetingError {
    /// Returns which request of the greeting was refused, if that is what a call failed with.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        why(error)
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        let refused = error.is_refusal();
        NotConnected::new(error, refused).into()
    }
}

impl From<GreetingError> for Error {
    fn from(error: GreetingError) -> Self {
        NotConnected::new(error, true).into()
    }
}

fn why<T: std::error::Error + 'static>(error: &Error) -> Option<&T> {
    if let Error::Connect(not_connected) = error { not_connected.why().downcast_ref() } else { None }
}

impl fmt::Display for ConnectAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.node)?;
        if let Some(address) = self.address.map(|address| address.to_string()).filter(|address| **address != *self.node)
        {
            write!(f, " at {address}")?;
        }
        f.write_str(match self.phase {
            ConnectPhase::Resolve => ": looking up the name: ",
            ConnectPhase::Connect => ": ",
            ConnectPhase::Tls => ": TLS: ",
            ConnectPhase::Greeting => ": greeting: ",
            ConnectPhase::Queue => ": the server accepts no connections and its queue is full: ",
        })?;
        self.write_error(f)?;
        match (self.error.kind(), TlsError::of(&self.error)) {
            // How far it came.
            (io::ErrorKind::TimedOut, Some(progress)) => write!(f, ": {progress}"),
            _ => Ok(()),
        }
    }
}

impl ConnectAttempt {
    fn write_error(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.error.kind(), self.within) {
            (io::ErrorKind::TimedOut, Some(within)) => write!(f, "timed out after {} ms", rounded(within)),
            (io::ErrorKind::TimedOut, None) => f.write_str("timed out"),
            (io::ErrorKind::ConnectionRefused, _) => f.write_str("connection refused"),
            _ => f.write_str(&first_line(&self.error)),
        }
    }
}

/// In whole milliseconds, of which what came before has taken none worth counting.
fn rounded(within: Duration) -> u128 {
    within.as_micros().div_ceil(1000)
}

/// What is wrong, in one line.
fn first_line(error: &io::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().into()
}
