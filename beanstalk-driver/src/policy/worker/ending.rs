//! How a slot stops, and what becomes of the job in hand then.

use super::{
    Worker,
    action::Awaited,
    event::JobEvent,
    held::{Held, Hold},
    metrics::Metrics,
};
use beanstalk_proto::{Instant, JobId};

impl Worker {
    /// Stops: no further job is reserved, what is in hand may be finished until the deadline. Of several deadlines the
    /// earliest counts.
    pub fn handle_shutdown(&mut self, deadline: Instant) {
        self.shutdown = Some(self.shutdown.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    /// Returns whether it ends, or has ended, since the server refused to be connected to: see [`Error::is_refusal`](beanstalk_proto::Error::is_refusal).
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.refused
    }

    /// Returns what it has done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics { reconnects: self.session.connections().saturating_sub(1), ..self.metrics }
    }

    /// Returns the metrics as if it had to stop now: what is in hand is returned or lost. For callers that cannot wait until a slot
    /// has stopped.
    #[must_use]
    pub fn metrics_if_stopped(&self) -> Metrics {
        let mut metrics = self.metrics();
        if let Some((_, event)) = self.end_in_hand() {
            metrics.count(&event);
        }
        metrics
    }

    /// Whether a shutdown has nothing left to wait for.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let is_idle = || !self.left_running && self.held.as_ref().is_none_or(Held::is_not_begun);
        self.is_past_deadline(now) || self.shutdown.is_some() && is_idle()
    }

    pub(super) fn is_past_deadline(&self, now: Instant) -> bool {
        self.shutdown.is_some_and(|deadline| now >= deadline)
    }

    /// During a shutdown a connection is only made for a job that is worth it.
    pub(super) fn is_idle_until_the_handler_ends(&self) -> bool {
        self.shutdown.is_some() && (self.is_job_lost() || self.left_running && self.held.is_none())
    }

    pub(super) fn stop(&mut self) {
        if let Some((id, event)) = self.end_in_hand().filter(|_| !self.stopped) {
            self.happened(id, event);
        }
        self.stopped = true;
        self.held = None;
        (self.awaited, self.then) = (None, None);
        self.session.end();
    }

    /// What becomes of the job in hand when the connection is closed.
    fn end_in_hand(&self) -> Option<(JobId, JobEvent)> {
        let held = self.held.as_ref()?;
        match held.hold {
            Hold::Ours if self.awaited != Some(Awaited::Verdict) => Some((held.id(), JobEvent::Returned)),
            Hold::Ours | Hold::Missing => Some((held.id(), JobEvent::Lost)),
            Hold::Lost => None,
        }
    }
}
