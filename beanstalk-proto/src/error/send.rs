//! Why a request was not queued, and why a ticket has no answer.

use thiserror::Error;

use crate::{
    reply::ProtocolError,
    types::{ArgumentError, Bytes},
};

/// A bound of this client that a request would exceed. Take replies, or let the transport catch up, and try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Full {
    /// Too many requests whose replies were not taken yet.
    #[error("{limit} requests are in flight already")]
    InFlight {
        /// The limit, in requests.
        limit: usize,
    },
    /// Too many bytes wait to be written.
    #[error("{} are queued already, and the limit is {}", Bytes::of(*.bytes), Bytes::of(*.limit))]
    Queued {
        /// What is queued now.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Too many calls wait for a connection, or for their turn on it, on a client that tasks share.
    #[error("{limit} calls wait for the connection already")]
    Waiting {
        /// The limit, in calls.
        limit: usize,
    },
    /// The bodies of the calls that wait for a connection, or for their turn on it, are too many bytes.
    #[error("calls with {} wait for the connection already, and the limit is {}", Bytes::of(*.bytes), Bytes::of(*.limit))]
    WaitingBytes {
        /// What waits now.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Why a request was not queued. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// A value that the protocol cannot express.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// A `reserve` without a timeout waits on this connection; the server would not read what is sent behind it.
    #[error("a reserve waits on this connection, and the server reads nothing until it has its job")]
    ReserveWaiting,
    /// A limit is reached for the moment.
    #[error(transparent)]
    Full(#[from] Full),
    /// The connection is desynchronised.
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
