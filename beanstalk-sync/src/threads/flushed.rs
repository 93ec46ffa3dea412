//! The reply to what was flushed.

use std::{fmt, future::Future, pin::Pin};

use beanstalk_proto::Error;

use super::wait::block_on;

/// A request that was flushed: what [`SharedClient::send`](super::SharedClient::send) and [`Producer::send`](super::Producer::send) return.
/// Dropping it abandons the request: its reply is dropped when it comes.
#[must_use = "the reply is taken by `reply`, and what became of the request is not known before"]
pub struct Flushed<T>(Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>);

impl<T> Flushed<T> {
    pub(super) fn new(reply: impl Future<Output = Result<T, Error>> + Send + 'static) -> Self {
        Self(Box::pin(reply))
    }

    /// Waits for the reply.
    ///
    /// # Errors
    ///
    /// Those of the same request as a call. It is not repeated.
    pub fn reply(self) -> Result<T, Error> {
        block_on(self.0)
    }
}

impl<T> fmt::Debug for Flushed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flushed").finish_non_exhaustive()
    }
}
