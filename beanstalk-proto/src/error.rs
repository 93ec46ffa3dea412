//! The error taxonomy: what was refused here, what the server refused, and what broke the stream.
//!
//! | type | meaning | connection afterwards |
//! |---|---|---|
//! | [`ArgumentError`] | refused locally, nothing was sent | usable |
//! | [`CommandError`] | the server said no | usable |
//! | [`ProtocolError`] | the stream no longer makes sense | poisoned: the same error for ever |
//! | [`Error`] | all of these and what an adapter adds: one type for every call | [`Error::is_fatal`] tells |

use alloc::{boxed::Box, format, string::String};
use core::fmt;

use thiserror::Error;

use crate::{
    reply::Reply,
    stats::StatsError,
    types::{JobId, TubeName},
};

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

/// The server's refusal, one variant for each reply word. The connection stays usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// `NOT_FOUND`: no such job or tube, or not in a state (or not held by this connection) that the command needs.
    #[error("NOT_FOUND: there is no such job or tube, or not in a state this command applies to")]
    NotFound,
    /// `NOT_IGNORED`: a connection watches at least one tube.
    #[error("NOT_IGNORED: it is the only tube on the watch list")]
    NotIgnored,
    /// `DRAINING`: the server takes no new jobs; put it on another server.
    #[error("DRAINING: the server takes no new jobs")]
    Draining,
    /// `JOB_TOO_BIG`: the body is over the server's `max-job-size`.
    #[error("JOB_TOO_BIG: the body is over the server's max-job-size")]
    JobTooBig,
    /// `OUT_OF_MEMORY`: the server has no memory for it.
    #[error("OUT_OF_MEMORY: the server has no memory for this")]
    OutOfMemory,
    /// `INTERNAL_ERROR`: a bug in the server.
    #[error("INTERNAL_ERROR: the server has a bug")]
    InternalError,
    /// `BAD_FORMAT`: the server could not read the line.
    #[error("BAD_FORMAT: the server could not read the command line")]
    BadFormat,
    /// `UNKNOWN_COMMAND`: an older server, or not beanstalkd.
    #[error("UNKNOWN_COMMAND: the server does not know this command")]
    UnknownCommand,
    /// `EXPECTED_CRLF`: the body was not as long as announced.
    #[error("EXPECTED_CRLF: the body was not followed by CR LF")]
    ExpectedCrlf,
    /// A reply that the request's decoder does not know what to do with.
    #[error("a reply that this request does not take")]
    Unexpected,
}

impl From<&Reply> for CommandError {
    fn from(reply: &Reply) -> Self {
        match reply {
            Reply::NotFound => Self::NotFound,
            Reply::NotIgnored => Self::NotIgnored,
            Reply::Draining => Self::Draining,
            Reply::JobTooBig => Self::JobTooBig,
            Reply::OutOfMemory => Self::OutOfMemory,
            Reply::InternalError => Self::InternalError,
            Reply::BadFormat => Self::BadFormat,
            Reply::UnknownCommand => Self::UnknownCommand,
            Reply::ExpectedCrlf => Self::ExpectedCrlf,
            _ => Self::Unexpected,
        }
    }
}

/// Why a reply could not be turned into what the request promises; what [`Request::decode`] fails with.
///
/// [`Request::decode`]: crate::Request::decode
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The server said no.
    #[error(transparent)]
    Command(CommandError),
    /// The body is not the statistics it should be.
    #[error(transparent)]
    Stats(#[from] StatsError),
}

impl From<Reply> for DecodeError {
    fn from(reply: Reply) -> Self {
        Self::Command(CommandError::from(&reply))
    }
}

/// The peer sent what the protocol does not allow. The connection is poisoned: it repeats this error for ever.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reply that no request asked for.
    #[error("the server sent {line} although nothing was asked")]
    Unsolicited {
        /// The line, shortened.
        line: Excerpt,
    },
    /// A reply that cannot answer the request whose turn it is.
    #[error("the server answered {command} with {line}")]
    WrongReply {
        /// The request whose turn it was.
        command: &'static str,
        /// The line, shortened.
        line: Excerpt,
    },
    /// A reply of the right kind about another job or tube.
    #[error("the server answered {command} with {line}, which is about another job or tube")]
    WrongEcho {
        /// The request whose turn it was.
        command: &'static str,
        /// The line, shortened.
        line: Excerpt,
    },
    /// A known word with arguments that are missing, too many, or not numbers in range.
    #[error("malformed line {line}")]
    Malformed {
        /// The line, shortened.
        line: Excerpt,
    },
    /// A line longer than any line of the protocol.
    #[error("a line of more than {limit} bytes, beginning with {line}")]
    LineTooLong {
        /// The beginning of the line.
        line: Excerpt,
        /// The limit, CRLF included.
        limit: usize,
    },
    /// A body that is not followed by CR LF where its announced length ends.
    #[error("the body that answers {command} is not followed by CR LF after its {bytes} bytes")]
    MissingCrlf {
        /// The request whose turn it was.
        command: &'static str,
        /// The announced length.
        bytes: u64,
    },
    /// `BAD_FORMAT`, `UNKNOWN_COMMAND` or `EXPECTED_CRLF` for a request with a body: the server now reads the body as
    /// commands, or has read commands as the body.
    #[error("the server answered {command} with {error}; it no longer reads bodies and commands as we send them")]
    BodyRefused {
        /// The request that carried the body.
        command: &'static str,
        /// What the server answered.
        error: CommandError,
    },
}

/// A piece of what the peer sent, escaped and shortened for a message.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    /// Bytes shown at most.
    const SHOWN: usize = 64;

    pub(crate) fn new(bytes: &[u8]) -> Self {
        let text: String = match bytes.get(..Self::SHOWN) {
            Some(start) if bytes.len() > Self::SHOWN => format!("\"{}…\"", start.escape_ascii()),
            _ => format!("\"{}\"", bytes.escape_ascii()),
        };
        Self(text.into())
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What can have become of a request that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// It was not handed to the transport to its last byte, so it cannot have run: a retry duplicates nothing.
    NotSent,
    /// It may have run.
    Unknown,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "the request was not sent",
            Self::Unknown => "the request may have run",
        })
    }
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

/// Everything a call can fail with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Refused locally; nothing was sent.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// The server said no. The connection stays usable.
    #[error("{command}: {error}")]
    Command {
        /// The command, as it is called on the wire.
        command: &'static str,
        /// What the server said.
        error: CommandError,
    },
    /// The body of the reply is over a limit of this client. It was discarded as it arrived; the connection stays
    /// usable, and a job that was reserved so is held: `bury` or `release` it.
    #[error("{command}: a reply of {bytes} bytes is over this client's limit of {limit}")]
    ReplyTooBig {
        /// The command, as it is called on the wire.
        command: &'static str,
        /// The job, where the reply was one.
        id: Option<JobId>,
        /// The announced length.
        bytes: u64,
        /// The limit in force.
        limit: usize,
    },
    /// The statistics could not be read. The connection stays usable.
    #[error("{command}: {error}")]
    Stats {
        /// The command, as it is called on the wire.
        command: &'static str,
        /// What is wrong with them.
        error: StatsError,
    },
    /// The `use` that was sent ahead of this command was refused, so the command ran in the tube that stayed in use. Only
    /// on a connection that tasks share.
    #[error("use {tube}: {error}; the command behind it ran in tube {ran_in}, and the answer was {reply:?}")]
    UseRefused {
        /// The tube that was asked for.
        tube: TubeName,
        /// What the server said to `use`.
        error: CommandError,
        /// The tube that the command ran in.
        ran_in: TubeName,
        /// What the server said to the command: of a `put`, the job's id.
        reply: Box<Reply>,
    },
    /// A `reserve` without a timeout waits on this connection, and the server would not read what is sent behind it.
    /// Use `reserve_with_timeout` if the connection must do other work meanwhile.
    #[error("a reserve waits on this connection, and the server reads nothing until it has its job")]
    ReserveWaiting,
    /// The connection that reserved this job is gone, and the server has it back. Nothing was sent.
    #[error("job {id} is held no more: the connection that reserved it is gone")]
    NotHeld {
        /// The job.
        id: JobId,
    },
    /// A limit of this client is reached for the moment; nothing was sent.
    #[error(transparent)]
    Full(#[from] Full),
    /// A ticket that this connection cannot answer.
    #[error(transparent)]
    Ticket(#[from] TicketError),
    /// The stream no longer makes sense. The connection is of no further use.
    #[error("{error}; {lost}")]
    Protocol {
        /// What the peer did.
        error: ProtocolError,
        /// What can have become of this request.
        lost: Lost,
    },
    /// The connection ended before the reply.
    #[error("the connection is closed; {lost}")]
    Closed {
        /// What can have become of this request.
        lost: Lost,
    },
    /// No reply in time. The connection stays in step: the reply is dropped when it comes. So does the request, if it was
    /// not written yet: it may run for as long as the connection is not dropped.
    #[error("no reply in time; {lost}")]
    TimedOut {
        /// What can have become of this request.
        lost: Lost,
    },
    /// The transport failed. The connection is of no further use.
    #[cfg(feature = "std")]
    #[error("{error}; {lost}")]
    Io {
        /// What the transport said.
        error: std::io::Error,
        /// What can have become of this request.
        lost: Lost,
    },
}

impl Error {
    /// Whether the connection is of no further use.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Protocol { .. } | Self::Closed { .. } => true,
            #[cfg(feature = "std")]
            Self::Io { .. } => true,
            _ => false,
        }
    }

    /// For a request that got no answer, whether it can have run; `None` if the server answered it.
    #[must_use]
    pub fn lost(&self) -> Option<Lost> {
        match self {
            Self::Argument(_) | Self::ReserveWaiting | Self::NotHeld { .. } | Self::Full(_) => Some(Lost::NotSent),
            Self::Protocol { lost, .. } | Self::Closed { lost } | Self::TimedOut { lost } => Some(*lost),
            #[cfg(feature = "std")]
            Self::Io { lost, .. } => Some(*lost),
            Self::Command { .. } | Self::ReplyTooBig { .. } | Self::Stats { .. } => None,
            Self::UseRefused { .. } | Self::Ticket(_) => None,
        }
    }

    /// The server's refusal, if that is what this is.
    ///
    /// ```
    /// use beanstalk_proto::{CommandError, Error};
    ///
    /// let error = Error::Command { command: "delete", error: CommandError::NotFound };
    /// assert_eq!(error.command_error(), Some(CommandError::NotFound));
    /// ```
    #[must_use]
    pub fn command_error(&self) -> Option<CommandError> {
        match self {
            Self::Command { error, .. } => Some(*error),
            _ => None,
        }
    }

    pub(crate) fn from_decode(command: &'static str, error: DecodeError) -> Self {
        match error {
            DecodeError::Command(error) => Self::Command { command, error },
            DecodeError::Stats(error) => Self::Stats { command, error },
        }
    }
}

impl From<TubeNameError> for Error {
    fn from(error: TubeNameError) -> Self {
        Self::Argument(error.into())
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Argument(error) => Self::Argument(error),
            SendError::ReserveWaiting => Self::ReserveWaiting,
            SendError::Full(full) => Self::Full(full),
            SendError::Protocol(error) => Self::Protocol { error, lost: Lost::NotSent },
            SendError::Closed => Self::Closed { lost: Lost::NotSent },
        }
    }
}
