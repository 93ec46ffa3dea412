//! What a peer may not send.

use alloc::{format, string::String};

use thiserror::Error;

use super::CommandError;
use crate::types::{Excerpt, JobId};

/// The peer sent what the protocol does not allow. The connection is desynchronised: every later call fails with this error
/// too.
///
/// A call fails with it as an [`Error::Protocol`](crate::Error::Protocol). Mostly the peer is no beanstalkd:
///
/// ```
/// use beanstalk_proto::{Error, ProtocolError};
///
/// /// What a person should look at.
/// fn advice(error: &Error) -> Option<&'static str> {
///     let Error::Protocol { error, .. } = error else { return None };
///     Some(match error {
///         ProtocolError::Tls => "write beanstalks:// before the address",
///         ProtocolError::Overreported { .. } => "the stream is at fault, not the server",
///         _ => "is that address really a beanstalkd?",
///     })
/// }
/// # let (error, lost) = (ProtocolError::Tls, beanstalk_proto::Lost::Unknown);
/// # assert_eq!(advice(&Error::Protocol { error, lost }), Some("write beanstalks:// before the address"));
/// ```
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
    /// A record of TLS where a reply should be: the server speaks TLS there, and the client does not.
    #[error("the server speaks TLS: use a beanstalks:// endpoint")]
    Tls,
    /// A line longer than any line of the protocol.
    #[error("a line of more than {limit} bytes, beginning with {line}")]
    LineTooLong {
        /// The beginning of the line.
        line: Excerpt,
        /// The limit, CRLF included.
        limit: usize,
    },
    /// A body that is not followed by CR LF where its announced length ends. A beanstalkd that was killed while it wrote a job to its
    /// binlog comes back with such a one: delete that job by its id, over another connection.
    #[error("the body{} that answers {command} is not followed by CR LF after its {bytes} bytes", of_job(*id))]
    MissingCrlf {
        /// The request whose turn it was.
        command: &'static str,
        /// The job, where the reply was one.
        id: Option<JobId>,
        /// The announced length.
        bytes: u64,
    },
    /// A reply before all of its request was written, which cannot be true.
    #[error("the server answered {command} with {line} before the last {missing} bytes of the request were written")]
    EarlyReply {
        /// The request whose turn it was.
        command: &'static str,
        /// The line, shortened.
        line: Excerpt,
        /// How much of the request was not written.
        missing: u64,
    },
    /// The transport reported more bytes read or written than it was given room for, or the same twice: what was read or written is
    /// unknown. A mistake on this side, not the peer's.
    #[error("the transport reported {bytes} bytes where it was given {room}")]
    Overreported {
        /// What was reported.
        bytes: usize,
        /// What was lent, or waited to be written.
        room: usize,
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

/// The job that a body belongs to.
fn of_job(id: Option<JobId>) -> String {
    id.map_or_else(String::new, |id| format!(" of job {id}"))
}
