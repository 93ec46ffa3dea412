//! Looking after tubes, one command at a time: carries out what [`ClearTube`], [`KickBuried`] and [`MoveJobs`] decide.

use core::time::Duration;

use crate::driver::{Driver, PollTransport};
use crate::policy::{ClearTube, KickBuried, MoveJobs, Queue, Side, is_empty};
use beanstalk_proto::{Argument, Error, StatsTube, TubeArg};

/// How long to wait before a tube is looked at again: from the first of these on, twice as long each time, to the second.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// See [`ClearTube`]: deletes all jobs of these queues of a tube and says how many. The tube in use is the same afterwards.
///
/// # Cancel safety
///
/// If the future is dropped, some of the jobs are deleted, and the tube in use may be this one.
///
/// # Errors
///
/// What a command fails with, but for jobs that somebody else was faster with.
pub async fn clear_tube<T: PollTransport>(
    driver: &mut Driver<T>,
    tube: impl Argument<TubeArg<'_>>,
    queues: &[Queue],
) -> Result<u64, Error> {
    let (mut machine, first) = ClearTube::new(tube.into_argument().to_name()?, queues);
    let mut next = Some(first);
    while let Some(command) = next {
        next = machine.handle_reply(driver.call(command).await)?;
    }
    Ok(machine.deleted())
}

/// See [`KickBuried`]: makes the buried jobs of a tube ready, and no delayed ones, and says how many. The tube in use is the same
/// afterwards.
///
/// # Cancel safety
///
/// If the future is dropped, some of the jobs are kicked, and the tube in use may be this one.
///
/// # Errors
///
/// What a command fails with, but for jobs that somebody else was faster with.
pub async fn kick_buried<T: PollTransport>(
    driver: &mut Driver<T>,
    tube: impl Argument<TubeArg<'_>>,
) -> Result<u64, Error> {
    let (mut machine, first) = KickBuried::new(tube.into_argument().to_name()?);
    let mut next = Some(first);
    while let Some(command) = next {
        next = machine.handle_reply(driver.call(command).await)?;
    }
    Ok(machine.kicked())
}

/// See [`MoveJobs`]: moves all jobs of these queues to another tube, there or on another server, and says how many.
/// `progress` is told how many there are so far. Both connections use other tubes afterwards.
///
/// # Cancel safety
///
/// If the future is dropped, some of the jobs are moved, and one may be in both tubes: held in the first, until its time to
/// run or the connection ends.
///
/// # Errors
///
/// What a command fails with, but for jobs that somebody else was faster with; [`Error::Buried`] if a job was put but buried
/// there, for lack of memory: then it is in the first tube still.
pub async fn move_jobs<F: PollTransport, T: PollTransport>(
    from: &mut Driver<F>,
    from_tube: impl Argument<TubeArg<'_>>,
    to: &mut Driver<T>,
    to_tube: impl Argument<TubeArg<'_>>,
    queues: &[Queue],
    mut progress: impl FnMut(u64),
) -> Result<u64, Error> {
    let (mut machine, first) =
        MoveJobs::new(from_tube.into_argument().to_name()?, to_tube.into_argument().to_name()?, queues);
    let mut next = Some(first);
    let mut moved = 0;
    while let Some(side) = next {
        let result = match side {
            Side::From(command) => from.call(command).await,
            Side::To(command) => to.call(command).await,
        };
        next = machine.handle_reply(result)?;
        if machine.moved() != moved {
            moved = machine.moved();
            progress(moved);
        }
    }
    Ok(moved)
}

/// Waits until a tube has nothing to be done: no job ready, held or delayed. Says `false` if that has not come about in time.
///
/// # Cancel safety
///
/// Safe.
///
/// # Errors
///
/// What `stats-tube` fails with; a tube that is not there is empty.
pub async fn wait_until_empty<T: PollTransport>(
    driver: &mut Driver<T>,
    tube: impl Argument<TubeArg<'_>>,
    timeout: Option<Duration>,
) -> Result<bool, Error> {
    let tube = tube.into_argument().to_name()?;
    let until = timeout.map(|timeout| driver.transport().now() + timeout);
    let (mut delay, longest) = LOOKS;
    loop {
        if is_empty(driver.call(StatsTube::new(&tube)).await)? {
            return Ok(true);
        }
        let now = driver.transport().now();
        if until.is_some_and(|until| now >= until) {
            return Ok(false);
        }
        let look = now + delay;
        driver.wait_until(until.map_or(look, |until| until.min(look))).await;
        delay = delay.saturating_mul(2).min(longest);
    }
}
