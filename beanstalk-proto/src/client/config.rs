//! What a client connection allows itself and its peer.

use core::time::Duration;

/// Bounds on what a connection holds. Each is a number of its own; none means "unlimited".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body of a reply, in bytes: 16 MiB unless changed. A longer one is discarded as it arrives, and the
    /// call fails with [`Error::ReplyTooBig`](crate::Error::ReplyTooBig).
    pub reply_body: usize,
    /// Bytes of replies that arrived and were not taken yet, parked jobs among them: 64 MiB unless changed. A body that
    /// would exceed it is treated as one over `reply_body`; the first is always accepted.
    pub untaken_replies: usize,
    /// Requests whose replies were not taken yet: 1024 unless changed. Above it,
    /// [`Error::Full`](crate::Error::Full). Reserves that the connection has to send again on its own may add as many.
    pub in_flight: usize,
    /// Bytes that wait to be written: 64 MiB unless changed. A request is refused with
    /// [`Error::Full`](crate::Error::Full) while so many are queued; a single larger request is accepted by an empty
    /// queue.
    pub queued: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self { reply_body: 16 * MIB, untaken_replies: 64 * MIB, in_flight: 1024, queued: 64 * MIB }
    }
}

/// How a connection behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bounds on what it holds.
    pub limits: Limits,
    /// How long connecting may take: 5 s unless changed. For the adapters; a [`Connection`](super::Connection) does not
    /// connect. `None` leaves it to the operating system.
    pub connect_timeout: Option<Duration>,
    /// How long a reply may take: 5 s unless changed. It never applies to `reserve`, and is added to the timeout of
    /// `reserve_with_timeout`. `None` waits for ever.
    pub reply_timeout: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        let timeout = Some(Duration::from_secs(5));
        Self { limits: Limits::default(), connect_timeout: timeout, reply_timeout: timeout }
    }
}
