//! What a worker tells of itself.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use beanstalk_proto::{Address, JobId, policy::Event};

/// What happened to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// Something happened to a connection.
    Connection {
        /// The server.
        server: Address,
        /// Which of the connections to it, counted from 0.
        slot: usize,
        /// What.
        event: Event,
    },
    /// A handler returned an error; its job follows the retry policy.
    Failed {
        /// The server.
        server: Address,
        /// The job.
        id: JobId,
        /// The error.
        reason: String,
    },
    /// A handler panicked; its job follows the retry policy.
    Panicked {
        /// The server.
        server: Address,
        /// The job.
        id: JobId,
        /// What the panic said.
        reason: String,
    },
}

impl fmt::Display for WorkerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection { server, slot, event } => write!(f, "connection {slot} to {server}: {}", Told(event)),
            Self::Failed { server, id, reason } => write!(f, "job {id} of {server} failed: {reason}"),
            Self::Panicked { server, id, reason } => {
                write!(f, "the handler of job {id} of {server} panicked: {reason}")
            }
        }
    }
}

/// An event, in words.
pub(crate) struct Told<'a>(pub(crate) &'a Event);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Connected => f.write_str("connected"),
            Event::Restored => f.write_str("ready"),
            Event::Lost { reason } => write!(f, "lost: {reason}"),
            Event::Retrying { attempt, delay } => write!(f, "attempt {attempt} to connect is made in {delay:?}"),
            Event::Ended => f.write_str("ended"),
        }
    }
}

/// Who is told.
#[derive(Default)]
pub(crate) struct Listener(pub(crate) Option<Tell>);

type Tell = Box<dyn Fn(&WorkerEvent) + Send + Sync>;

impl Listener {
    pub(crate) fn tell(&self, event: &WorkerEvent) {
        #[cfg(feature = "tracing")]
        trace(event);
        if let Some(listener) = &self.0 {
            // A listener that panics would end the slot, and nobody would know.
            let _told = catch_unwind(AssertUnwindSafe(|| listener(event)));
        }
    }
}

#[cfg(feature = "tracing")]
fn trace(event: &WorkerEvent) {
    match event {
        WorkerEvent::Connection { server, slot, event: Event::Lost { reason } } => {
            tracing::warn!(%server, slot, %reason, "connection lost");
        }
        WorkerEvent::Connection { server, slot, event } => tracing::debug!(%server, slot, "{}", Told(event)),
        WorkerEvent::Failed { server, id, reason } => tracing::warn!(%server, %id, %reason, "job failed"),
        WorkerEvent::Panicked { server, id, reason } => tracing::error!(%server, %id, %reason, "handler panicked"),
    }
}
