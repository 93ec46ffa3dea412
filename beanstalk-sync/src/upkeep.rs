//! Looking after tubes: emptying one, moving jobs elsewhere, waiting until one is empty.

use std::time::Duration;

use beanstalk_driver::{self as driver, policy::Queue};
use beanstalk_proto::{Argument, Error, TubeArg};

use crate::{blocking::block_on, client::Client, transport::Transport};

/// Deletes all jobs of these queues of a tube, and tells how many. The connection uses the same tube as before afterwards.
///
/// Jobs that somebody holds stay. A tube that goes on filling is worked on for as long as it does.
///
/// ```no_run
/// use beanstalk_sync::{Client, Queue, clear_tube};
///
/// # fn main() -> Result<(), beanstalk_sync::Error> {
/// let mut client = Client::connect("localhost:11300")?;
/// println!("{} jobs deleted", clear_tube(&mut client, "mails", &Queue::ALL)?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The first that a command failed with; what was deleted is deleted.
pub fn clear_tube<'a, T: Transport>(
    client: &mut Client<T>,
    tube: impl Argument<TubeArg<'a>>,
    queues: &[Queue],
) -> Result<u64, Error> {
    block_on(driver::clear_tube(&mut client.driver, tube, queues))
}

/// Makes the buried jobs of a tube ready, each by its id, and tells how many. The connection uses the same tube as before
/// afterwards.
///
/// Never a delayed job, as `kick` does once none is buried; and none that is buried meanwhile, so that it ends. Servers from
/// 1.8 on.
///
/// # Errors
///
/// The first that a command failed with; what was kicked is kicked.
pub fn kick_buried<'a, T: Transport>(client: &mut Client<T>, tube: impl Argument<TubeArg<'a>>) -> Result<u64, Error> {
    block_on(driver::kick_buried(&mut client.driver, tube))
}

/// Moves the jobs of these queues of a tube to another tube, on the same server or another, over two connections, and
/// tells how many. The number so far is told after each. Both connections use other tubes afterwards.
///
/// A job is put before it is deleted: if something breaks in between, there are two of it, and never none. It keeps its
/// priority, its time to run and what is left of its delay; its id is new, and one that was buried is ready. Servers from
/// 1.12 on.
///
/// # Errors
///
/// The first that a command failed with; what was moved is moved. [`Error::Buried`] if a job was put but buried there, for
/// lack of memory: then it is in the first tube still.
pub fn move_jobs<'a, 'b, F: Transport, T: Transport>(
    from: &mut Client<F>,
    from_tube: impl Argument<TubeArg<'a>>,
    to: &mut Client<T>,
    to_tube: impl Argument<TubeArg<'b>>,
    queues: &[Queue],
    progress: impl FnMut(u64),
) -> Result<u64, Error> {
    block_on(driver::move_jobs(&mut from.driver, from_tube, &mut to.driver, to_tube, queues, progress))
}

/// Waits until a tube has nothing to be done: no job is ready, held or delayed. `false` if that did not come about in time.
///
/// The server can only be asked again and again: after a hundredth of a second at first, and then less often, at most a second
/// apart.
///
/// # Errors
///
/// What asking failed with.
pub fn wait_until_empty<'a, T: Transport>(
    client: &mut Client<T>,
    tube: impl Argument<TubeArg<'a>>,
    timeout: Option<Duration>,
) -> Result<bool, Error> {
    block_on(driver::wait_until_empty(&mut client.driver, tube, timeout))
}
