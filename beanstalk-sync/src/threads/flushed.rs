//! The reply to what was flushed: the driver's, with a call that blocks.

use beanstalk_driver as tasks;
use beanstalk_proto::Error;

use super::wait::block_on;

/// A request that was flushed: what [`SharedClient::send`](super::SharedClient::send) and [`Producer::send`](super::Producer::send) return.
/// Dropping it abandons the request: its reply is dropped when it comes. The request is not repeated.
///
/// ```no_run
/// use beanstalk_sync::{Put, SharedClient};
///
/// # fn main() -> Result<(), beanstalk_sync::Error> {
/// let client = SharedClient::connect("localhost:11300")?;
/// // Both are written before the reply to the first is waited for.
/// let first = client.send_in("emails", Put::of("to: ann"))?;
/// let second = client.send_in("emails", Put::of("to: bob"))?;
/// first.reply()?.inserted()?;
/// second.reply()?.inserted()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "the reply is taken by `reply`, and what became of the request is not known before"]
#[derive(Debug)]
pub struct Flushed<T>(tasks::Flushed<T>);

impl<T> From<tasks::Flushed<T>> for Flushed<T> {
    fn from(reply: tasks::Flushed<T>) -> Self {
        Self(reply)
    }
}

impl<T> Flushed<T> {
    /// Waits for the reply.
    ///
    /// # Errors
    ///
    /// Those of the same request as a call. It is not repeated.
    pub fn reply(self) -> Result<T, Error> {
        block_on(self.0)
    }
}
