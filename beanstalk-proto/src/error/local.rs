//! What this side refuses: nothing was sent.

use alloc::boxed::Box;

use thiserror::Error;

use super::ProtocolError;

/// Which rule a tube name breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum TubeNameError {
    /// A name has at least one byte.
    #[error("a tube name cannot be empty")]
    Empty,
    /// A name has at most 200 bytes.
    #[error("a tube name has at most 200 bytes, this one has {bytes}")]
    TooLong {
        /// How long the name is.
        bytes: usize,
    },
    /// A name does not start with `-`.
    #[error("a tube name cannot start with '-'")]
    LeadingHyphen,
    /// A name is made of `A-Z a-z 0-9 - + / ; . $ _ ( )`.
    #[error("a tube name cannot contain {:?} (byte {at})", char::from(*.byte))]
    BadByte {
        /// The byte that is not allowed.
        byte: u8,
        /// Where it stands, from 0.
        at: usize,
    },
}

/// A value that cannot be said in the protocol. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// Not a tube name.
    #[error(transparent)]
    Tube(#[from] TubeNameError),
    /// A body longer than any server can be set to take (2^30 bytes).
    #[error("a body of {bytes} bytes is over the protocol's limit of {limit}")]
    BodyTooLong {
        /// How long the body is.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A duration longer than the command can say.
    #[error("{seconds} seconds are over this command's limit of {limit}")]
    TooManySeconds {
        /// The duration, in whole seconds.
        seconds: u64,
        /// The limit: 2^32-1 for delay, ttr and pause, 2^31-1 for a reserve timeout.
        limit: u64,
    },
    /// A number that is too large for what it is converted to.
    #[error("{number} is too large for {what}: the limit is {limit}")]
    TooLarge {
        /// What it would have been.
        what: &'static str,
        /// The number.
        number: u64,
        /// The limit.
        limit: u64,
    },
    /// A raw line, a word or a name with a byte that would end or split it.
    #[error("byte {at} ({:?}) cannot stand in a command line", char::from(*.byte))]
    BadByte {
        /// The byte that is not allowed.
        byte: u8,
        /// Where it stands, from 0.
        at: usize,
    },
    /// A command line longer than the server reads.
    #[error("a command line of {bytes} bytes is over the server's limit of {limit} (with its CRLF)")]
    LineTooLong {
        /// How long the line would be, CRLF included.
        bytes: usize,
        /// The limit, CRLF included.
        limit: usize,
    },
    /// Not an address: neither `host:port` nor `[v6]:port` nor `unix:/path`.
    #[error("{0:?} is not an address: use host:port, [v6]:port or unix:/path")]
    Address(Box<str>),
    /// A request that waits, or depends on the connection's tubes, on a connection that tasks share.
    #[error("{command} cannot be sent on a shared connection: it waits, or depends on the connection's tubes")]
    NotShareable {
        /// The command, as it is called on the wire.
        command: &'static str,
    },
    /// A request that wrote nothing, a body twice, or something after its body.
    #[error("a request is one word, its arguments and at most one body: {0}")]
    Shape(&'static str),
}

/// A bound of this client that a request would exceed. Take replies, or let the transport catch up, and try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Full {
    /// Too many requests whose replies were not taken yet.
    #[error("{limit} requests are in flight already")]
    InFlight {
        /// The limit, in requests.
        limit: usize,
    },
    /// Too many bytes wait to be written.
    #[error("{bytes} bytes are queued already (limit {limit})")]
    Queued {
        /// What is queued now.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Why a request was not queued. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// A value the protocol cannot say.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// A `reserve` without a timeout waits on this connection; the server would not read what is sent behind it.
    #[error("a reserve waits on this connection, and the server reads nothing until it has its job")]
    ReserveWaiting,
    /// A limit is reached for the moment.
    #[error(transparent)]
    Full(#[from] Full),
    /// The connection has been poisoned.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The connection has ended, or `quit` was sent.
    #[error("the connection is closed")]
    Closed,
}

/// A ticket that this connection cannot answer. A mistake of the caller, not of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum TicketError {
    /// The ticket was made by another connection.
    #[error("the ticket belongs to another connection")]
    Foreign,
    /// Its reply was already taken.
    #[error("the ticket's reply was already taken")]
    Spent,
}
