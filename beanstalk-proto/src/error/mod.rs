//! The error taxonomy: invalid arguments, error replies, and what breaks the stream.
//!
//! | type | meaning | connection afterwards |
//! |---|---|---|
//! | [`ArgumentError`] | an invalid argument, nothing was sent | usable |
//! | [`CommandError`] | an error reply | usable |
//! | [`ProtocolError`] | the stream no longer makes sense | desynchronised: the same error from then on |
//! | [`Error`] | all of these and what an adapter adds: one type for every call | usable unless [`Error::is_fatal`] |

mod connect;
mod decode;
mod send;
#[cfg(feature = "std")]
mod tls;

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
};
use core::{fmt, time::Duration};

use thiserror::Error;

#[cfg(feature = "std")]
pub use self::tls::TlsError;
pub use self::{
    connect::NotConnected,
    decode::DecodeError,
    send::{Full, TicketError},
};
use crate::{
    reply::Reply,
    stats::StatsError,
    types::{Buried, Bytes, JobId, TubeName},
};
pub use crate::{
    reply::{CommandError, ProtocolError},
    types::{ArgumentError, Excerpt, Subject, TubeNameError, TubeNameRule},
};

/// What can have become of a request that got no answer.
///
/// [`Error::lost`] returns it. Whether a call can be repeated without doing anything twice:
///
/// ```
/// use beanstalk_proto::{Error, Lost};
///
/// fn can_be_repeated(error: &Error) -> bool {
///     error.lost() == Some(Lost::NotSent)
/// }
///
/// assert!(can_be_repeated(&Error::Closed { lost: Lost::NotSent }));
/// assert!(!can_be_repeated(&Error::Closed { lost: Lost::Unknown }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
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

/// Everything a call can fail with.
///
/// Two questions sort them: what the server has answered, and if it has not, whether the request can have run.
///
/// ```
/// use beanstalk_proto::{CommandError, Error, Lost};
///
/// fn advice(error: &Error) -> &'static str {
///     match (error.command_error(), error.lost()) {
///         (Some(CommandError::NotFound), _) => "the job is gone",
///         (Some(CommandError::Draining), _) => "put it on another server",
///         (Some(_), _) => "the server refuses it",
///         (None, Some(Lost::NotSent)) => "nothing was sent: a retry duplicates nothing",
///         (None, Some(Lost::Unknown)) => "it may have run",
///         (None, None) => "it has run, and something about its reply is wrong",
///     }
/// }
/// # assert_eq!(advice(&Error::ReserveWaiting), "nothing was sent: a retry duplicates nothing");
/// # assert_eq!(advice(&Error::Closed { lost: Lost::Unknown }), "it may have run");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An invalid argument; nothing was sent.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// The server answered with an error reply. The connection stays usable.
    #[error("{command}{subject}: {}", refusal(subject, *error))]
    Command {
        /// The command, as it is called on the wire.
        command: &'static str,
        /// What it was about.
        subject: Subject,
        /// The error reply.
        #[source]
        error: CommandError,
    },
    /// A job was buried for lack of memory, and its outcome was asked to make that an error
    /// ([`PutOutcome::inserted`](crate::PutOutcome::inserted)). The job exists; the connection stays usable.
    #[error(transparent)]
    Buried(#[from] Buried),
    /// The body of the reply is over a limit of this client. It was discarded as it arrived; the connection stays
    /// usable, and a job that was reserved so is held: `bury` or `release` it.
    #[error("{command}: {}", too_big(*id, *bytes, *limit))]
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
    #[error("{command}{subject}: {error}")]
    Stats {
        /// The command, as it is called on the wire.
        command: &'static str,
        /// What it was about.
        subject: Subject,
        /// What is wrong with them: boxed, as every call returns an `Error` or moves room for one.
        #[source]
        error: Box<StatsError>,
    },
    /// The `use` that was sent ahead of this command got an error reply, so the command ran in the tube that stayed in use. Only
    /// on a connection that tasks share.
    #[error("use {tube}: {error}; the command behind it ran in tube {ran_in}, and the answer was {reply:?}")]
    UseRefused {
        /// The tube that was asked for.
        tube: TubeName,
        /// The error reply to `use`.
        #[source]
        error: CommandError,
        /// The tube that the command ran in.
        ran_in: TubeName,
        /// The reply to the command: of a `put`, the job's id.
        reply: Box<Reply>,
    },
    /// A `reserve` without a timeout waits on this connection, and the server would not read what is sent behind it.
    /// Use `reserve_with_timeout` if the connection must do other work meanwhile.
    #[error("a reserve is waiting on this connection, and the server reads no other command until it is answered")]
    ReserveWaiting,
    /// The connection that reserved this job is gone, and the server has it back. Nothing was sent.
    #[error("job {id} is no longer held: the connection that reserved it is gone")]
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
        #[source]
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
    /// No reply in time. The connection stays in sync: a reply that comes later is dropped. A request that was not written yet is still
    /// written, and may run, unless the connection is dropped.
    #[error("{command}{subject}: no reply in {waited:?}; {lost}")]
    TimedOut {
        /// The command, as it is called on the wire.
        command: &'static str,
        /// What it was about.
        subject: Subject,
        /// How long was waited: the reply timeout, and as long as the server may wait on purpose before it answers.
        waited: Duration,
        /// What can have become of this request.
        lost: Lost,
    },
    /// There is no connection, so nothing was sent.
    #[error(transparent)]
    Connect(#[from] NotConnected),
    /// The transport failed. The connection is of no further use.
    #[cfg(feature = "std")]
    #[error("{error}; {lost}")]
    Io {
        /// The error of the transport.
        #[source]
        error: std::io::Error,
        /// What can have become of this request.
        lost: Lost,
    },
}

impl Error {
    /// Returns whether the connection is of no further use.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Protocol { .. } | Self::Closed { .. } | Self::Connect { .. } => true,
            #[cfg(feature = "std")]
            Self::Io { .. } => true,
            _ => false,
        }
    }

    /// Returns whether a request that got no answer can have run; `None` if the server answered it.
    #[must_use]
    pub fn lost(&self) -> Option<Lost> {
        match self {
            Self::Protocol { lost, .. } | Self::Closed { lost } | Self::TimedOut { lost, .. } => Some(*lost),
            #[cfg(feature = "std")]
            Self::Io { lost, .. } => Some(*lost),
            Self::Argument(_) | Self::ReserveWaiting | Self::NotHeld { .. } | Self::Full(_) | Self::Connect { .. } => {
                Some(Lost::NotSent)
            }
            _ => None,
        }
    }

    /// Returns whether there is no connection because one side refuses the other, or cannot understand it: a greeting or a certificate
    /// that is not accepted, TLS on one side only. Connecting again would fail in the same way until something is changed, so
    /// sessions, producers and workers do not treat it as an outage.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Protocol { error, .. } => *error == ProtocolError::Tls,
            Self::Connect(why) => why.is_refusal(),
            #[cfg(feature = "std")]
            Self::Io { error, .. } => TlsError::of(error).is_some_and(TlsError::is_refusal),
            _ => false,
        }
    }

    /// Returns the server's error reply, if that is what this is.
    ///
    /// ```
    /// use beanstalk_proto::{CommandError, Error, JobId, Subject};
    ///
    /// let subject = Subject::Job(JobId(4711));
    /// let error = Error::Command { command: "delete", subject, error: CommandError::NotFound };
    /// assert_eq!(error.command_error(), Some(CommandError::NotFound));
    /// assert!(error.to_string().starts_with("delete 4711: NOT_FOUND: "));
    /// ```
    #[must_use]
    pub fn command_error(&self) -> Option<CommandError> {
        match self {
            Self::Command { error, .. } => Some(*error),
            _ => None,
        }
    }

    /// Returns the same error for a request with another fate, for example one behind it that was not sent because of it.
    #[must_use]
    pub fn with_lost(mut self, now: Lost) -> Self {
        match &mut self {
            Self::Protocol { lost, .. } | Self::Closed { lost } | Self::TimedOut { lost, .. } => *lost = now,
            #[cfg(feature = "std")]
            Self::Io { lost, .. } => *lost = now,
            _ => {}
        }
        self
    }

    /// Makes the error of a request out of why its reply could not be decoded: for code that decodes an
    /// [untyped](crate::client::Ticket::untyped) reply by [`Request::decode`](crate::Request::decode). The request's
    /// [`Expect`](crate::Expect) has its name and its subject.
    #[must_use]
    #[cold]
    pub fn from_decode(command: &'static str, subject: Subject, error: DecodeError) -> Self {
        match error {
            DecodeError::Command(error) => Self::Command { command, subject, error },
            DecodeError::Stats(error) => Self::Stats { command, subject, error },
        }
    }
}

/// A reply over a limit of this client.
fn too_big(id: Option<JobId>, bytes: u64, limit: usize) -> String {
    let (bytes, limit) = (Bytes(bytes), Bytes::of(limit));
    match id {
        Some(id) => format!("job {id} has {bytes}, and this client's limit is {limit}"),
        None => format!("a reply of {bytes} is over this client's limit of {limit}"),
    }
}

/// The server's error reply, and the size of a body that it did not accept.
fn refusal(subject: &Subject, error: CommandError) -> String {
    match (subject, error) {
        (&Subject::Body(bytes), CommandError::JobTooBig) => format!(
            "JOB_TOO_BIG: {} are over the server's max-job-size, which is set by beanstalkd's -z (65,535 by default)",
            Bytes::of(bytes)
        ),
        (&Subject::Body(bytes), CommandError::OutOfMemory) => {
            format!("OUT_OF_MEMORY: the server has no memory for a body of {}", Bytes::of(bytes))
        }
        (_, error) => error.to_string(),
    }
}

impl From<TubeNameError> for Error {
    fn from(error: TubeNameError) -> Self {
        Self::Argument(error.into())
    }
}
