//! Looking after tubes, over any [`Driver`]: carries out what the [policies](crate::policy) decide, with many commands in flight.

#[cfg(feature = "std")]
mod export;
mod import;
mod lane;

use alloc::format;
use core::{ops::ControlFlow, time::Duration};

use crate::{
    driver::{Driver, PollTransport},
    policy::{
        Deed, Each, Finder, FoundJob, JobFilter, Moving, PROBE_TUBE, Progress, Range, ScanOptions, Scanning, breaks,
        is_empty,
    },
};
use beanstalk_proto::{
    Argument, ArgumentError, CommandError, Delete, Error, ListTubeUsed, Priority, Put, Stats, StatsTube, TubeArg,
    TubeName, Use, stats::ServerStats,
};
#[cfg(feature = "std")]
pub use export::{ExportError, ExportReader, ExportWriter};
pub use import::{Import, import};
use lane::{Lane, WINDOW, step_both};

/// How long to wait before a tube is looked at again: from the first of these on, twice as long each time, to the second.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// How many ids are looked at between reports where nothing is found.
const REPORTED: u64 = 1024;
/// How many ids are looked at without being asked for by their last: as many as a thousand jobs a second have used up in 35 years. A server
/// that has given ids from further on counts in another way, or answers with anything.
const FURTHEST: u64 = 1 << 40;
/// The delay of the probe: should it be left behind, no worker gets it.
const PROBE_DELAY: u32 = u32::MAX;

/// Deletes the jobs of a tube that match, and returns how many. The tube in use is the same afterwards.
///
/// Reserved jobs stay. A tube that goes on filling is worked on for as long as it does, unless only some jobs are picked.
///
/// # Cancel safety
///
/// If the future is dropped, some of the jobs are deleted, and the tube in use may be another. [`JobFilter::on_progress`] can end it in
/// order.
///
/// # Errors
///
/// What a command fails with, except for jobs that another client took first. What was deleted is deleted.
pub async fn clear_tube<T: PollTransport>(
    driver: &mut Driver<T>,
    tube: impl Argument<TubeArg<'_>>,
    filter: impl Into<JobFilter<'_>>,
) -> Result<u64, Error> {
    each(driver, tube.into_argument().to_name()?, filter.into(), Deed::Delete).await
}

/// Makes the buried jobs of a tube that match ready, each by its id, and returns how many. The tube in use is the same afterwards.
///
/// Never a delayed job, whatever queues the filter names, as `kick` does once none is buried; and not those that are buried meanwhile, so
/// that it ends. Servers from 1.8 on.
///
/// # Cancel safety
///
/// If the future is dropped, some of the jobs are kicked, and the tube in use may be another. [`JobFilter::on_progress`] can end it in
/// order.
///
/// # Errors
///
/// What a command fails with, except for jobs that another client took first. What was kicked is kicked.
pub async fn kick_buried<T: PollTransport>(
    driver: &mut Driver<T>,
    tube: impl Argument<TubeArg<'_>>,
    filter: impl Into<JobFilter<'_>>,
) -> Result<u64, Error> {
    each(driver, tube.into_argument().to_name()?, filter.into().only_buried(), Deed::Kick).await
}

/// Moves the jobs of a tube that match to another tube, on the same server or another, and returns how many. Servers from 1.12 on.
///
/// A job keeps its priority, its ttr and what is left of its delay, and is buried if it was. Its id and its counts are new. It is put
/// before it is deleted: if a connection breaks in between, there are two of it, and never none. So it is, too, where its time to run is
/// over before it is deleted.
///
/// # Cancel safety
///
/// If the future is dropped, some of the jobs are moved, and at most 64 may be in both tubes: held in the first, until their time to run
/// is over or the connection ends, and ready then, also those that were buried or delayed. The tubes in use may be others.
/// [`JobFilter::on_progress`] can end it in order, with no job in both.
///
/// # Errors
///
/// [`Error::Argument`] from a tube to itself, by whichever address: it would never end. What a command fails with, but for jobs that
/// another client took first. [`Error::Buried`] if a job was put but buried there, for
/// lack of memory: then it is in the first tube still. Whatever it is, jobs that could not be put are given back, as they were, before
/// this returns; what was moved is moved.
pub async fn move_jobs<F: PollTransport, T: PollTransport>(
    from: &mut Driver<F>,
    from_tube: impl Argument<TubeArg<'_>>,
    to: &mut Driver<T>,
    to_tube: impl Argument<TubeArg<'_>>,
    filter: impl Into<JobFilter<'_>>,
) -> Result<u64, Error> {
    let (tube, to_tube) = (from_tube.into_argument().to_name()?, to_tube.into_argument().to_name()?);
    if tube == to_tube && is_same_server(from, to).await? {
        let why = format!("the jobs of tube {tube} would be moved to where they are, without end");
        return Err(ArgumentError::setting("to_tube", why).into());
    }
    let mut filter = filter.into();
    let mut reports = filter.reports.take();
    let to_used = to.call(ListTubeUsed::new()).await?;
    let (from_used, finder) = finder(from, tube, filter, u64::MAX, true).await?;
    let mut machine = Moving::new(finder, to_tube);
    {
        let (mut from, mut to) = (Lane::open(from, WINDOW).await?, Lane::open(to, WINDOW).await?);
        let mut last = Progress::default();
        while step_both(&mut from, &mut to, &mut machine).await {
            if report(&mut last, machine.progress(), &mut reports).is_break() {
                machine.stop();
            }
        }
    }
    let moved = machine.finish();
    use_again(from, from_used, &moved).await?;
    use_again(to, Some(to_used), &moved).await?;
    moved
}

/// Whether two connections are to one server, as far as it shows: by the id that it gave itself when it was started.
async fn is_same_server<F: PollTransport, T: PollTransport>(
    from: &mut Driver<F>,
    to: &mut Driver<T>,
) -> Result<bool, Error> {
    let id = |stats: Result<ServerStats, Error>| match stats {
        Err(error) if breaks(&error) => Err(error),
        stats => Ok(stats.ok().and_then(|stats| stats.id)),
    };
    let (from, to) = (id(from.call(Stats::new()).await)?, id(to.call(Stats::new()).await)?);
    Ok(from.is_some() && from == to)
}

/// Waits until a tube has nothing to be done: no job ready, held or delayed. Returns `false` if that has not come about in time.
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

/// Begins to look at every job of a tube or of a server, without reserving or touching any.
///
/// Every id is looked at, from the first to the last: which is given by [`ScanOptions::to`], or learnt from a job that is put into
/// [`PROBE_TUBE`] and deleted at once. (The server's `total-jobs` is too low once it was restarted.) The tube in use is the same
/// afterwards.
///
/// A scan is no snapshot. Each job is seen as it is at that moment: one that is put, deleted or moves to another queue meanwhile may be
/// seen as it was before or after, and once at most.
///
/// # Cancel safety
///
/// If the future is dropped, the tube in use may be another, and the probe may be left behind: delayed for 136 years, in a tube that
/// is not watched.
///
/// # Errors
///
/// What a command fails with: [`CommandError::Draining`] if the server takes no jobs, where the last id has to be given; and
/// [`Error::Argument`] if the last id is more than 2^40 from the first, where it has to be, too.
pub async fn scan<T: PollTransport>(driver: &mut Driver<T>, options: ScanOptions) -> Result<Scan<'_, T>, Error> {
    let end = match options.last() {
        Some(end) => end,
        None => last_id(driver, options.first()).await?,
    };
    let lane = Lane::open(driver, options.commands()).await?;
    Ok(Scan { lane, machine: Scanning::new(options, end) })
}

/// The jobs of a [`scan`], in the order of their ids.
///
/// Commands are sent only while [`Scan::next`] is awaited. What is in flight when it is dropped is finished by the next call on the
/// connection.
pub struct Scan<'d, T: PollTransport> {
    lane: Lane<'d, T>,
    machine: Scanning,
}

impl<T: PollTransport> Scan<'_, T> {
    /// Returns the next job; `None` at the end.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped, the next call goes on.
    ///
    /// # Errors
    ///
    /// What a command fails with, but for jobs that are gone meanwhile. It is the end; [`Progress::next`] is where another scan may go
    /// on.
    pub async fn next(&mut self) -> Option<Result<FoundJob, Error>> {
        loop {
            if let Some(job) = self.machine.take() {
                return Some(job);
            }
            if !self.lane.step(&mut self.machine).await {
                return None;
            }
        }
    }

    /// Returns how far it is: how many jobs were found and ids looked at, how many ids are ahead, and where another scan would go on.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.machine.progress()
    }
}

impl<T: PollTransport> core::fmt::Debug for Scan<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Scan").field("machine", &self.machine).finish_non_exhaustive()
    }
}

/// Does one thing with each job that matches.
async fn each<T: PollTransport>(
    driver: &mut Driver<T>,
    tube: TubeName,
    mut filter: JobFilter<'_>,
    deed: Deed,
) -> Result<u64, Error> {
    let mut reports = filter.reports.take();
    let at_most = match deed {
        Deed::Kick if !filter.needs_range() => buried(driver, &tube).await?,
        _ => u64::MAX,
    };
    let (used, finder) = finder(driver, tube, filter, at_most, false).await?;
    let mut machine = Each::new(finder, deed);
    {
        let mut lane = Lane::open(driver, WINDOW).await?;
        let mut last = Progress::default();
        while lane.step(&mut machine).await {
            if report(&mut last, machine.progress(), &mut reports).is_break() {
                machine.stop();
            }
        }
    }
    let done = machine.finish();
    use_again(driver, used, &done).await?;
    done
}

/// Reports what is new.
fn report(
    last: &mut Progress,
    progress: Progress,
    reports: &mut Option<impl FnMut(Progress) -> ControlFlow<()>>,
) -> ControlFlow<()> {
    let Some(reports) = reports else { return ControlFlow::Continue(()) };
    if progress.done == last.done && progress.looked_at < last.looked_at.saturating_add(REPORTED) {
        return ControlFlow::Continue(());
    }
    *last = progress;
    reports(progress)
}

/// What finds the jobs of a tube that match. If it goes by what queues begin with, the tube is in use from now on: gives the one that was.
async fn finder<'f, T: PollTransport>(
    driver: &mut Driver<T>,
    tube: TubeName,
    filter: JobFilter<'f>,
    at_most: u64,
    needs_stats: bool,
) -> Result<(Option<TubeName>, Finder<'f>), Error> {
    if filter.needs_range() {
        let range = match &filter.range {
            Some(ids) => Range { next: (*ids.start()).max(1), end: *ids.end() },
            None => Range { next: 1, end: last_id(driver, 1).await? },
        };
        return Ok((None, Finder::range(Some(tube), filter, needs_stats, range)));
    }
    let used = driver.call(ListTubeUsed::new()).await?;
    driver.call(Use::new(&tube)).await?;
    Ok((Some(used), Finder::walk(tube, filter, needs_stats, at_most)))
}

/// Uses the tube again that was in use, unless the connection is of no use. The result of what was done before matters more than what this fails with.
async fn use_again<T: PollTransport>(
    driver: &mut Driver<T>,
    used: Option<TubeName>,
    done: &Result<u64, Error>,
) -> Result<(), Error> {
    let Some(used) = used.filter(|_| !driver.is_ended()) else { return Ok(()) };
    let again = driver.call(Use::new(used)).await;
    if done.is_ok() { again } else { Ok(()) }
}

/// How many jobs of a tube are buried.
async fn buried<T: PollTransport>(driver: &mut Driver<T>, tube: &TubeName) -> Result<u64, Error> {
    match driver.call(StatsTube::new(tube)).await {
        Err(error) if error.command_error() == Some(CommandError::NotFound) => Ok(0),
        stats => Ok(stats?.current_jobs_buried.unwrap_or(u64::MAX)),
    }
}

/// The last id that was given before this: by that of a job that is put, and deleted. Fails if that is further from `first` than can be
/// looked at.
async fn last_id<T: PollTransport>(driver: &mut Driver<T>, first: u64) -> Result<u64, Error> {
    let used = driver.call(ListTubeUsed::new()).await?;
    driver.call(Use::new(PROBE_TUBE)).await?;
    let put = driver.call(Put::new(Priority::LEAST_URGENT, PROBE_DELAY, 1_u32, "")).await;
    let again = driver.call(Use::new(used)).await;
    let id = put?.id();
    match driver.call(Delete::new(id)).await {
        Err(error) if error.command_error() != Some(CommandError::NotFound) => return Err(error),
        _ => again?,
    }
    let last = id.0.saturating_sub(1);
    if last.saturating_sub(first) > FURTHEST {
        let why = format!(
            "the server's ids have come to {last}, and every one from {first} on would be looked at, which has no end in practice: \
             give the range of ids"
        );
        return Err(ArgumentError::setting("range", why).into());
    }
    Ok(last)
}
