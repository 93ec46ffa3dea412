//! Which bound keeps a request from being queued, and why a ticket has no answer.

use thiserror::Error;

use crate::types::Bytes;

/// A bound of this client that a request would exceed: nothing was sent. Take replies, or let the transport catch up, and try again.
///
/// A call fails with it as an [`Error::Full`](crate::Error::Full).
///
/// ```
/// use beanstalk_proto::{Error, Full, Lost};
///
/// /// The status that a web service answers with.
/// fn status(error: &Error) -> u16 {
///     match error {
///         // The queue is away, and enough calls wait for it already.
///         Error::Full(Full::Waiting { .. } | Full::WaitingBytes { .. }) => 503,
///         _ => 500,
///     }
/// }
///
/// let error = Error::from(Full::Waiting { limit: 1024 });
/// assert_eq!(error.to_string(), "1024 calls are already waiting for the connection");
/// assert_eq!((status(&error), error.lost()), (503, Some(Lost::NotSent)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Full {
    /// Too many requests whose replies were not taken yet: [`Limits::in_flight`](crate::client::Limits::in_flight).
    #[error("{limit} requests are already in flight")]
    InFlight {
        /// The limit, in requests.
        limit: usize,
    },
    /// Too many bytes wait to be written: [`Limits::queued`](crate::client::Limits::queued).
    #[error("{} are already queued, and the limit is {}", Bytes::of(*.bytes), Bytes::of(*.limit))]
    Queued {
        /// What is queued now.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Too many calls wait for a connection, or for their turn on it, on a client that tasks share: `SharedConfig::waiting`.
    #[error("{limit} calls are already waiting for the connection")]
    Waiting {
        /// The limit, in calls.
        limit: usize,
    },
    /// The bodies of the calls that wait for a connection, or for their turn on it, are too many bytes: `SharedConfig::waiting_bytes`.
    #[error("calls with {} are already waiting for the connection, and the limit is {}", Bytes::of(*.bytes), Bytes::of(*.limit))]
    WaitingBytes {
        /// What waits now.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
}

/// A ticket that this connection cannot answer. A mistake of the caller, not of the peer.
///
/// A call fails with it as an [`Error::Ticket`](crate::Error::Ticket). With debug assertions a ticket of another connection panics where it
/// is given.
///
/// ```
/// use beanstalk_proto::{Error, TicketError};
///
/// let error = Error::from(TicketError::Foreign);
/// assert_eq!(error.to_string(), "the ticket belongs to another connection");
/// assert!(!error.is_fatal());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum TicketError {
    /// The ticket was made by another connection.
    #[error("the ticket belongs to another connection")]
    Foreign,
    /// Its reply was already taken.
    #[error("the ticket's reply was already taken")]
    Spent,
}
