//! How much may wait for a server at once: during an outage waiting longer is of no use, so what is beyond fails at once.

use beanstalk_proto::Full;

/// Calls that wait, and the bytes of their bodies, against their bounds.
#[derive(Clone, Debug)]
pub struct Waiting {
    calls: usize,
    bytes: usize,
    limit: usize,
    bytes_limit: usize,
}

impl Waiting {
    /// Makes a queue without calls, with room for so many with so many bytes of bodies.
    #[must_use]
    pub const fn new(limit: usize, bytes_limit: usize) -> Self {
        Self { calls: 0, bytes: 0, limit, bytes_limit }
    }

    /// Lets a call wait that has a body of so many bytes; then [`Waiting::leave`]. One with a body may always wait if no other does.
    ///
    /// # Errors
    ///
    /// [`Full::Waiting`] and [`Full::WaitingBytes`].
    pub const fn enter(&mut self, body: usize) -> Result<(), Full> {
        if self.calls >= self.limit {
            return Err(Full::Waiting { limit: self.limit });
        }
        let bytes = self.bytes.saturating_add(body);
        if body > 0 && bytes > self.bytes_limit && self.bytes > 0 {
            return Err(Full::WaitingBytes { bytes: self.bytes, limit: self.bytes_limit });
        }
        (self.calls, self.bytes) = (self.calls.saturating_add(1), bytes);
        Ok(())
    }

    /// Takes note that a call waits no more.
    pub const fn leave(&mut self, body: usize) {
        self.calls = self.calls.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(body);
    }
}
