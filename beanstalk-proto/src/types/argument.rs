//! Invalid arguments: values that the protocol cannot express, and names that break the rules of tube names.

use alloc::boxed::Box;

use thiserror::Error;

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

/// A value that the protocol cannot express. Nothing was sent.
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
    /// A duration longer than the command can carry.
    #[error("{seconds} seconds are over this command's limit of {limit}")]
    TooManySeconds {
        /// The duration, in whole seconds.
        seconds: u64,
        /// The limit: 2^32-1 for delay, ttr and pause, 2^31-1 for a reserve timeout.
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
    /// Not an endpoint that this client can connect to.
    #[error("{text:?} is not an endpoint: {problem}")]
    Endpoint {
        /// What was given.
        text: Box<str>,
        /// What is wrong with it.
        problem: Box<str>,
    },
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
