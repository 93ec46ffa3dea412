//! Which bound keeps a request from being queued, and why a ticket has no answer.

use thiserror::Error;

use crate::types::Bytes;

/// A bound of this client that a request would exceed. Take replies, or let the transport catch up, and try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Full {
    /// Too many requests whose replies were not taken yet.
    #[error("{limit} requests are already in flight")]
    InFlight {
        /// The limit, in requests.
        limit: usize,
    },
    /// Too many bytes wait to be written.
    #[error("{} are already queued, and the limit is {}", Bytes::of(*.bytes), Bytes::of(*.limit))]
    Queued {
        /// What is queued now.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Too many calls wait for a connection, or for their turn on it, on a client that tasks share.
    #[error("{limit} calls are already waiting for the connection")]
    Waiting {
        /// The limit, in calls.
        limit: usize,
    },
    /// The bodies of the calls that wait for a connection, or for their turn on it, are too many bytes.
    #[error("calls with {} are already waiting for the connection, and the limit is {}", Bytes::of(*.bytes), Bytes::of(*.limit))]
    WaitingBytes {
        /// What waits now.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
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
