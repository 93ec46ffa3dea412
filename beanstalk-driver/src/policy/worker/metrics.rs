//! What a slot has done, as plain counters.

/// What a worker has done. Every job reserved is in exactly one of the others, or in hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Jobs that were reserved.
    pub reserved: u64,
    /// Jobs that were deleted as done.
    pub done: u64,
    /// Jobs that were released.
    pub retried: u64,
    /// Jobs that were buried: by verdict, by policy, or by a server without memory.
    pub buried: u64,
    /// Jobs whose verdict was not carried out, as far as the slot knows: the connection broke, or the ttr ran out.
    pub lost: u64,
    /// Jobs given back at the deadline of a shutdown.
    pub returned: u64,
    /// Connections after the first.
    pub reconnects: u64,
}

impl Metrics {
    /// Adds what another slot has done.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.reserved, other.reserved),
            (&mut self.done, other.done),
            (&mut self.retried, other.retried),
            (&mut self.buried, other.buried),
            (&mut self.lost, other.lost),
            (&mut self.returned, other.returned),
            (&mut self.reconnects, other.reconnects),
        ];
        for (sum, other) in pairs {
            *sum = sum.saturating_add(other);
        }
    }
}

pub(super) fn bump(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
