//! What a slot is at, and what it may do, where that depends on others: see [`Demand`](super::Demand).

use super::{Awaited, Worker, event::JobEvent, held::Hold};
use beanstalk_proto::Instant;

/// What a slot is at, as far as it concerns the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has no job, or is finishing one.
    Free {
        /// It can reserve at once: it is connected, and its tubes are watched.
        connected: bool,
    },
    /// It has sent a reserve.
    Asking,
    /// It has a job that has not begun.
    Holding,
    /// The handler of its job runs.
    Running,
}

/// What a slot may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Reserve, or let the job begin.
    Go,
    /// Neither, until it is woken or until then.
    Wait(Option<Instant>),
    /// The job is not wanted: close the connection.
    GiveBack,
}

impl Permit {
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Self::Wait(until) => until,
            Self::Go | Self::GiveBack => None,
        }
    }
}

impl Worker {
    /// Returns what it is at.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match &self.held {
            Some(held) if held.is_not_begun() => Stage::Holding,
            Some(held) if held.is_running() => Stage::Running,
            // Its job is finished without it.
            _ if self.left_running => Stage::Running,
            _ if [self.awaited, self.then].contains(&Some(Awaited::Reserve)) => Stage::Asking,
            _ => Stage::Free { connected: self.session.is_up() },
        }
    }

    /// Sets what it may do from now on. It may do all of it unless this is called.
    pub const fn handle_permit(&mut self, permit: Permit) {
        self.permit = permit;
    }

    /// Gives the job in hand back by closing the connection.
    pub(super) fn give_back(&mut self, now: Instant) {
        let Some(held) = self.held.take() else { return };
        match held.hold {
            Hold::Ours => self.happened(held.id(), JobEvent::Returned),
            Hold::Missing => self.happened(held.id(), JobEvent::Lost),
            Hold::Lost => return,
        }
        // What is awaited may be a reply that takes the job back.
        if self.awaited != Some(Awaited::Connection) {
            self.closing = true;
            (self.awaited, self.then) = (None, None);
            self.session.handle_closed(now);
        }
    }
}
