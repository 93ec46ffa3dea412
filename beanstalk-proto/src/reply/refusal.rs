//! Error replies: those that mean the server did not do what it was asked to.

use thiserror::Error;

use super::Reply;

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
