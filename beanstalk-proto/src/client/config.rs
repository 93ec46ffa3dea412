//! What a client connection allows itself and its peer.

use core::time::Duration;

/// Bounds on what a connection holds. Each is a number of its own; none means "unlimited".
///
/// ```
/// use beanstalk_proto::client::{Config, Limits};
///
/// // Bodies of up to 64 MiB, of which two may be unclaimed.
/// const MIB: usize = 1024 * 1024;
/// let limits =
///     Limits { reply_body: 64 * MIB, unclaimed_replies: 128 * MIB, ..Limits::default() };
/// let config = Config { limits, ..Config::default() };
/// assert_eq!(config.limits.in_flight, 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body of a reply, in bytes: 16 MiB unless changed. A longer one is discarded as it arrives, and the
    /// call fails with [`Error::ReplyTooBig`](crate::Error::ReplyTooBig).
    pub reply_body: usize,
    /// Bytes of replies that arrived and are unclaimed, parked jobs among them: 64 MiB unless changed. A body that
    /// would exceed it is treated as one over `reply_body`; the first is always accepted.
    pub unclaimed_replies: usize,
    /// Requests that have no reply yet, or an unclaimed one: 1024 unless changed. At that number,
    /// [`Error::Full`](crate::Error::Full).
    pub in_flight: usize,
    /// Bytes that wait to be written: 64 MiB unless changed. A request is refused with
    /// [`Error::Full`](crate::Error::Full) while so many are queued; a single larger request is accepted by an empty
    /// queue.
    pub queued: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self { reply_body: 16 * MIB, unclaimed_replies: 64 * MIB, in_flight: 1024, queued: 64 * MIB }
    }
}

/// A connection's timeouts and limits.
///
/// ```
/// use core::time::Duration;
///
/// use beanstalk_proto::client::{Config, Limits};
///
/// // For a server that is far away and has large jobs.
/// let config = Config {
///     limits: Limits { reply_body: 64 * 1024 * 1024, ..Limits::default() },
///     reply_timeout: Some(Duration::from_secs(30)),
///     ..Config::default()
/// };
/// assert_eq!(config.connect_timeout, Some(Duration::from_secs(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bounds on what it holds.
    pub limits: Limits,
    /// How long connecting may take: 5 s unless changed. For the adapters; a [`Connection`](super::Connection) does not
    /// connect. `None` leaves it to the operating system.
    pub connect_timeout: Option<Duration>,
    /// How long a reply may take: 5 s unless changed. It never applies to `reserve`, and is added to the timeout of
    /// `reserve_with_timeout`. `None` waits as long as it takes; with zero every request is refused with
    /// [`ArgumentError::Setting`](crate::ArgumentError::Setting).
    pub reply_timeout: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        let timeout = Some(Duration::from_secs(5));
        Self { limits: Limits::default(), connect_timeout: timeout, reply_timeout: timeout }
    }
}

/// How long the reply to one request may take.
///
/// ```
/// use beanstalk_proto::{Instant, Put, client::{Config, Connection, SendOptions, Timeout}};
/// use core::time::Duration;
///
/// let mut connection = Connection::new(Config::default());
/// let minute = SendOptions::default().timeout(Timeout::After(Duration::from_secs(60)));
/// connection.send_with(Instant::ZERO, Put::of("a large body"), minute)?;
/// # Ok::<(), beanstalk_proto::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Timeout {
    /// [`Config::reply_timeout`].
    #[default]
    Default,
    /// As long as it takes.
    None,
    /// Up to this long. A body of 16 MiB takes 7 s on a line of 20 Mbit/s: what is large needs more than what is small.
    After(Duration),
}

impl Timeout {
    /// Makes one of a duration; `None` is as long as it takes.
    pub fn of(timeout: impl Into<Option<Duration>>) -> Self {
        timeout.into().map_or(Self::None, Self::After)
    }
}

/// What one request is sent with; [`SendOptions::default`] is what [`Connection::send`](super::Connection::send) uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct SendOptions {
    /// How long its reply may take.
    pub timeout: Timeout,
    /// Whether it is queued although [`Limits::in_flight`] or [`Limits::queued`] is reached: for a request that belongs to one just sent, or
    /// that [`Connection::check_send`](super::Connection::check_send) has let pass.
    pub beyond_limits: bool,
}

impl SendOptions {
    /// Sets how long the reply may take.
    pub const fn timeout(mut self, timeout: Timeout) -> Self {
        self.timeout = timeout;
        self
    }

    /// Queues the request whatever the limits.
    pub const fn beyond_limits(mut self) -> Self {
        self.beyond_limits = true;
        self
    }
}
