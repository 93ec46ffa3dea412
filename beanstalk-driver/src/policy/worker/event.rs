//! What a worker reports.

use alloc::string::{String, ToString};
use core::{fmt, time::Duration};

use super::Event;
use crate::{connect::Endpoint, policy::rounded::rounded};
use beanstalk_proto::{JobId, Seconds, TubeName};

/// What happened to a worker.
///
/// ```
/// use std::time::Duration;
///
/// use beanstalk_driver::{policy::{JobEvent, WorkerEvent}, proto::JobId};
///
/// /// For `WorkerBuilder::on_event`: logs all but the jobs that went well.
/// fn log(event: &WorkerEvent) {
///     match event {
///         WorkerEvent::Job { event: JobEvent::Reserved | JobEvent::Done { .. }, .. } => {}
///         event => eprintln!("{event}"),
///     }
/// }
///
/// let done = JobEvent::Done { took: Duration::from_millis(12) };
/// let event = WorkerEvent::Job { server: "queue-1".parse()?, id: JobId(7), event: done };
/// assert_eq!(event.to_string(), "queue-1:11300, job 7: done in 12ms");
/// # log(&event);
/// # Ok::<(), beanstalk_driver::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
pub enum WorkerEvent {
    /// Something happened to the connection to a server. All slots of a server count as one connection: it is made when the first of
    /// them has one, and lost when the first of these breaks.
    Connection {
        /// The server.
        server: Endpoint,
        /// What happened.
        event: Event,
    },
    /// Something happened to a job.
    Job {
        /// The server.
        server: Endpoint,
        /// The job.
        id: JobId,
        /// What happened.
        event: JobEvent,
    },
    /// A slot ended without having been stopped: its task or thread panicked, or was dropped. Its job is given back, and
    /// there is no other slot in its place. Nothing that a handler does brings this about.
    SlotEnded {
        /// The server.
        server: Endpoint,
        /// Which of the connections to it, counted from 0.
        slot: usize,
    },
}

/// What happened to a job of a worker.
///
/// Every job that was reserved ends as one of `Done`, `Retried`, `Buried`, `Moved`, `Lost` and `Returned`.
///
/// ```
/// use beanstalk_driver::policy::{BuryReason, JobEvent};
///
/// /// Returns whether somebody should look at the job.
/// fn needs_attention(event: &JobEvent) -> bool {
///     use JobEvent::{Buried, Moved, Panicked};
///     matches!(event, Buried { .. } | Moved { .. } | Panicked { .. })
/// }
///
/// let event = JobEvent::Buried { reason: BuryReason::Failed { attempt: 10 } };
/// assert!(needs_attention(&event) && event.is_end());
/// assert_eq!(event.to_string(), "buried: attempt 10 failed, and it was the last");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
pub enum JobEvent {
    /// It was reserved, and its handler begins.
    Reserved,
    /// Its handler failed: what becomes of it follows.
    Failed {
        /// The handler's error, with its chain of sources.
        reason: String,
    },
    /// Its handler panicked: what becomes of it follows.
    Panicked {
        /// What it panicked with.
        reason: String,
    },
    /// Its handler had run for as long as it may, and was given up: what becomes of the job follows.
    TimedOut {
        /// How long handlers may run.
        #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
        after: Duration,
    },
    /// Its handler failed as it could not decode the body, a [`MalformedJob`](beanstalk_proto::MalformedJob): what becomes of it follows.
    Malformed {
        /// The handler's error, with its chain of sources.
        reason: String,
    },
    /// Its body is over this client's limit, so no handler gets it, and it will be buried.
    TooBig {
        /// The length of the body.
        bytes: u64,
        /// The limit in force.
        limit: usize,
    },
    /// It was deleted.
    Done {
        /// How long its handler ran.
        #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
        took: Duration,
    },
    /// It was released.
    Retried {
        /// Which attempt this was, counted from 1. Attempts whose handlers asked for another one count only where it is not
        /// remembered that they did.
        attempt: u64,
        /// When it will be ready again.
        delay: Seconds,
    },
    /// It was buried.
    Buried {
        /// Why.
        reason: BuryReason,
    },
    /// It had failed too often, and was moved to the tube for dead letters.
    Moved {
        /// The tube.
        tube: TubeName,
        /// Its id there.
        id: JobId,
    },
    /// The job is lost, so what its handler returns changes nothing: the connection broke, or its time to run was over.
    Lost,
    /// It was given back: it was held when the time of a shutdown was over, it was beyond what was wanted, or its owner has dropped it.
    Returned,
}

impl JobEvent {
    /// Returns whether the worker is done with the job.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(
            self,
            Self::Done { .. }
                | Self::Retried { .. }
                | Self::Buried { .. }
                | Self::Moved { .. }
                | Self::Lost
                | Self::Returned
        )
    }
}

/// Why a job was buried: in a [`JobEvent::Buried`].
///
/// ```
/// use beanstalk_driver::policy::{BuryReason, JobEvent};
///
/// /// Returns whether it is the job that somebody should look at, and not the server.
/// fn is_its_own_fault(event: &JobEvent) -> bool {
///     let JobEvent::Buried { reason } = event else { return false };
///     !matches!(reason, BuryReason::OutOfMemory)
/// }
///
/// assert!(is_its_own_fault(&JobEvent::Buried { reason: BuryReason::Malformed }));
/// assert_eq!(BuryReason::Malformed.to_string(), "its body is malformed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum BuryReason {
    /// Its handler chose [`Verdict::Bury`](super::Verdict::Bury).
    Handler,
    /// It failed, and the [`RetryPolicy`](crate::policy::RetryPolicy) or the function of `WorkerBuilder::on_failure` chose so.
    Failed {
        /// Which attempt this was, counted from 1.
        attempt: u64,
    },
    /// It was to be released, and the server had no memory for that.
    OutOfMemory,
    /// Its body is over this client's limit.
    TooBig,
    /// Its handler could not decode the body.
    Malformed,
}

impl fmt::Display for WorkerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection { server, event } => {
                let server = server.to_string();
                write!(f, "{server}: ")?;
                event.write_of(&server, f)
            }
            Self::Job { server, id, event } => write!(f, "{server}, job {id}: {event}"),
            Self::SlotEnded { server, slot } => {
                write!(
                    f,
                    "{server}, slot {slot}: ended without having been stopped: its thread or task panicked or was dropped"
                )
            }
        }
    }
}

impl fmt::Display for JobEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved => f.write_str("reserved"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            Self::Panicked { reason } => write!(f, "the handler panicked: {reason}"),
            Self::TimedOut { after } => write!(f, "timed out: its handler ran for {:?}", rounded(*after)),
            Self::Malformed { reason } => write!(f, "malformed: {reason}"),
            Self::TooBig { bytes, limit } => {
                write!(f, "too big: its body has {bytes} bytes, and the limit is {limit}")
            }
            Self::Done { took } => write!(f, "done in {:?}", rounded(*took)),
            Self::Retried { attempt, delay } => {
                write!(f, "released after attempt {attempt}, with a delay of {} s", delay.get())
            }
            Self::Buried { reason } => write!(f, "buried: {reason}"),
            Self::Moved { tube, id } => write!(f, "moved to the tube {tube}, as job {id}"),
            Self::Lost => f.write_str("lost: its connection broke, or its time to run was over"),
            Self::Returned => f.write_str("given back"),
        }
    }
}

impl fmt::Display for BuryReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler => f.write_str("the handler asked for it"),
            Self::Failed { attempt } => write!(f, "attempt {attempt} failed, and it was the last"),
            Self::OutOfMemory => f.write_str("the server had no memory to release it"),
            Self::TooBig => f.write_str("its body is over the limit"),
            Self::Malformed => f.write_str("its body is malformed"),
        }
    }
}

/// Which events of the slots of one server are news of the server.
///
/// ```text
///   no connection ── the first Connected ──▶ connected
///     │     ▲                                    │
///     │     └── the first Lost of a connection ──┘
///     │         of this time
///     └── Lost, Retrying: the first of each attempt
/// ```
///
/// A connection that breaks when another of the same server has broken before, and been made again, is old news.
#[derive(Debug, Default)]
pub struct Presence {
    /// Slots that have not ended.
    slots: usize,
    /// How often the connection was lost. What a slot had before that is old.
    losses: u64,
    connected: bool,
    restored: bool,
    /// Attempts that failed since the last connection, as far as reported.
    failures: u32,
    retries: u32,
    /// The server refused to be connected to.
    refused: bool,
}

/// What [`Presence`] remembers of one slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlotPresence {
    losses: u64,
    failures: u32,
}

impl Presence {
    /// Adds slots, which have no connection. A server begins without any, and what refuses them is news, also if it has refused others.
    pub fn add_slots(&mut self, slots: usize) {
        self.slots = self.slots.saturating_add(slots);
        self.refused &= slots == 0;
    }

    /// Returns whether an event of a slot is news of the server.
    pub fn is_news(&mut self, slot: &mut SlotPresence, event: &Event) -> bool {
        match event {
            Event::Connected => {
                *slot = SlotPresence { losses: self.losses, failures: 0 };
                (self.failures, self.retries) = (0, 0);
                !core::mem::replace(&mut self.connected, true)
            }
            Event::Restored => !core::mem::replace(&mut self.restored, true),
            Event::Lost { .. } => {
                slot.failures = slot.failures.saturating_add(1);
                if self.connected && slot.losses != self.losses {
                    return false;
                }
                if self.connected {
                    self.losses = self.losses.saturating_add(1);
                    (self.connected, self.restored) = (false, false);
                }
                let is_news = slot.failures > self.failures;
                self.failures = self.failures.max(slot.failures);
                is_news
            }
            Event::Retrying { attempt, .. } => {
                let is_news = !self.connected && *attempt > self.retries;
                if is_news {
                    self.retries = *attempt;
                }
                is_news
            }
            // Each slot ends with it.
            Event::Refused { .. } => !core::mem::replace(&mut self.refused, true),
            Event::Ended => self.slot_ended(),
        }
    }

    /// Returns whether it was the last.
    fn slot_ended(&mut self) -> bool {
        self.slots = self.slots.saturating_sub(1);
        self.slots == 0
    }
}

#[cfg(test)]
mod tests;
