//! What happens to a worker that somebody may want to hear of.

use alloc::string::String;
use core::fmt;

use super::Event;
use crate::connect::Endpoint;
use beanstalk_proto::JobId;

/// What happened to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// Something happened to a slot's connection.
    Connection {
        /// The server.
        server: Endpoint,
        /// Which of the connections to it, counted from 0.
        slot: usize,
        /// What happened.
        event: Event,
    },
    /// A handler failed.
    Failed {
        /// The server.
        server: Endpoint,
        /// The job.
        id: JobId,
        /// The handler's error.
        reason: String,
    },
    /// A handler panicked.
    Panicked {
        /// The server.
        server: Endpoint,
        /// The job.
        id: JobId,
        /// What it panicked with.
        reason: String,
    },
}

impl fmt::Display for WorkerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection { server, slot, event } => match event {
                Event::Connected => write!(f, "{server}, slot {slot}: connected"),
                Event::Restored => write!(f, "{server}, slot {slot}: the tubes are restored"),
                Event::Lost { reason } => write!(f, "{server}, slot {slot}: lost the connection: {reason}"),
                Event::Retrying { attempt, delay } => {
                    write!(
                        f,
                        "{server}, slot {slot}: connects again in {delay:?}, after {attempt} {}",
                        if *attempt == 1 { "failure" } else { "failures" }
                    )
                }
                Event::Ended => write!(f, "{server}, slot {slot}: ended"),
            },
            Self::Failed { server, id, reason } => write!(f, "{server}, job {id}: failed: {reason}"),
            Self::Panicked { server, id, reason } => write!(f, "{server}, job {id}: the handler panicked: {reason}"),
        }
    }
}
