//! What a slot has done, as plain counters.

use super::event::{BuryReason, JobEvent};

/// What a worker has done. Every job reserved is in exactly one of `done`, `retried`, `buried`, `moved`, `lost` and `returned`, or
/// in hand.
///
/// # At the deadline of a shutdown
///
/// A job that is held then counts as `returned`: closing the connection gives it back, also if the server happens to
/// be frozen. It counts as `lost` if it is not held for certain: its verdict was sent and not answered, so that it may
/// have been carried out, or its connection had broken and the job was not taken back yet.
///
/// # Example
///
/// ```
/// use beanstalk_driver::policy::Metrics;
///
/// # let mut of_one = Metrics::default();
/// # (of_one.done, of_one.failed) = (21, 1);
/// # let of_workers = [of_one; 2];
/// // Of several workers together.
/// let mut all = Metrics::default();
/// for metrics in &of_workers {
///     all.merge(metrics);
/// }
/// println!("{} jobs done, {} handlers failed, {} panicked", all.done, all.failed, all.panicked);
/// # assert_eq!((all.done, all.failed, all.panicked), (42, 2, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Metrics {
    /// Jobs that were reserved.
    pub reserved: u64,
    /// Jobs that were deleted as done.
    pub done: u64,
    /// Jobs that were released.
    pub retried: u64,
    /// Jobs that were buried, for whatever reason.
    pub buried: u64,
    /// Jobs that were buried as they had failed, and were not to be tried again. Counted in `buried`, too.
    pub buried_failed: u64,
    /// Jobs that were buried by a server that had no memory to release them. Counted in `buried`, too.
    pub buried_out_of_memory: u64,
    /// Jobs that were moved to the tube for dead letters.
    pub moved: u64,
    /// Jobs whose verdict was not carried out, as far as the slot could see: the connection broke, the ttr ran out, or the reply
    /// to the verdict did not come before the deadline of a shutdown.
    pub lost: u64,
    /// Jobs given back by closing the connection: held at the deadline of a shutdown, beyond what was wanted, or dropped by their owner.
    pub returned: u64,
    /// Handlers that failed, panicked or timed out.
    pub failed: u64,
    /// Handlers that panicked. Counted in `failed`, too.
    pub panicked: u64,
    /// Handlers that ran for longer than they may. Counted in `failed`, too.
    pub timed_out: u64,
    /// Handlers that failed as the body was malformed. Counted in `failed`, too.
    pub malformed: u64,
    /// Jobs whose body was over the client's limit: buried.
    pub too_big: u64,
    /// Connections after the first.
    pub reconnects: u64,
}

impl Metrics {
    /// Adds what another worker has done.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.reserved, other.reserved),
            (&mut self.done, other.done),
            (&mut self.retried, other.retried),
            (&mut self.buried, other.buried),
            (&mut self.buried_failed, other.buried_failed),
            (&mut self.buried_out_of_memory, other.buried_out_of_memory),
            (&mut self.moved, other.moved),
            (&mut self.lost, other.lost),
            (&mut self.returned, other.returned),
            (&mut self.failed, other.failed),
            (&mut self.panicked, other.panicked),
            (&mut self.timed_out, other.timed_out),
            (&mut self.malformed, other.malformed),
            (&mut self.too_big, other.too_big),
            (&mut self.reconnects, other.reconnects),
        ];
        for (sum, other) in pairs {
            *sum = sum.saturating_add(other);
        }
    }

    /// Counts what happened to a job.
    pub(super) fn count(&mut self, event: &JobEvent) {
        match event {
            JobEvent::Reserved => bump(&mut self.reserved),
            JobEvent::Failed { .. } => bump(&mut self.failed),
            JobEvent::Panicked { .. } => {
                bump(&mut self.failed);
                bump(&mut self.panicked);
            }
            JobEvent::TimedOut { .. } => {
                bump(&mut self.failed);
                bump(&mut self.timed_out);
            }
            JobEvent::Malformed { .. } => {
                bump(&mut self.failed);
                bump(&mut self.malformed);
            }
            JobEvent::TooBig { .. } => bump(&mut self.too_big),
            JobEvent::Done { .. } => bump(&mut self.done),
            JobEvent::Retried { .. } => bump(&mut self.retried),
            JobEvent::Buried { reason } => {
                bump(&mut self.buried);
                match reason {
                    BuryReason::Failed { .. } => bump(&mut self.buried_failed),
                    BuryReason::OutOfMemory => bump(&mut self.buried_out_of_memory),
                    BuryReason::Handler | BuryReason::TooBig | BuryReason::Malformed => {}
                }
            }
            JobEvent::Moved { .. } => bump(&mut self.moved),
            JobEvent::Lost => bump(&mut self.lost),
            JobEvent::Returned => bump(&mut self.returned),
        }
    }
}

fn bump(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slots_have_done_is_added_up() {
        let of = |n| Metrics {
            reserved: n,
            done: 2 * n,
            retried: 3 * n,
            buried: 4 * n,
            buried_failed: 5 * n,
            buried_out_of_memory: 6 * n,
            moved: 7 * n,
            lost: 8 * n,
            returned: 9 * n,
            failed: 10 * n,
            panicked: 11 * n,
            timed_out: 12 * n,
            malformed: 13 * n,
            too_big: 14 * n,
            reconnects: 15 * n,
        };
        let mut sum = of(1);
        sum.merge(&of(2));
        assert_eq!(sum, of(3));
    }
}
