//! What a slot has done, as plain counters.

/// What a worker has done. Every job reserved is in exactly one of the others, or in hand.
///
/// # At the deadline of a shutdown
///
/// A job that is held then counts as `returned`: closing the connection gives it back, also if the server happens to
/// be frozen. It counts as `lost` if it is not held for certain: its verdict was sent and not answered, so that it may
/// have been carried out, or its connection had broken and the job was not taken back yet.
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
    /// Jobs whose verdict was not carried out, as far as the slot knows: the connection broke, the ttr ran out, or the reply
    /// to the verdict did not come before the deadline of a shutdown.
    pub lost: u64,
    /// Jobs held at the deadline of a shutdown: given back, as closing the connection does.
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
