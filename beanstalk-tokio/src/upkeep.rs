//! Looking after tubes: clearing and kicking, moving and scanning jobs, waiting until a tube is empty.

use std::time::Duration;

use beanstalk_driver::{
    self as driver,
    policy::{JobFilter, ScanOptions},
};
use beanstalk_proto::{Argument, Error, TubeArg};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{client::Client, stream::Stream, transport::Transport};

/// Deletes the jobs of a tube that match, and returns how many. The tube in use is the same afterwards.
///
/// Jobs that somebody holds stay. A tube that goes on filling is worked on for as long as it does, unless only some jobs are picked.
/// Commands are sent many at a time, within the limits of the connection.
///
/// ```no_run
/// use beanstalk_tokio::{Client, JobFilter, Queue, clear_tube};
///
/// # async fn example() -> Result<(), beanstalk_tokio::Error> {
/// let mut client = Client::connect("localhost:11300").await?;
/// println!("{} jobs deleted", clear_tube(&mut client, "mails", &Queue::ALL).await?);
/// // Only some of them:
/// let bounced = JobFilter::new(&[Queue::Buried]).matching(|job| job.stats.buries > Some(3));
/// println!("{} jobs deleted", clear_tube(&mut client, "mails", bounced).await?);
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// If the future is dropped, some of the jobs are deleted, and the tube in use may be another. [`JobFilter::on_progress`] can end it in
/// order.
///
/// # Errors
///
/// What a command fails with, but for jobs that somebody else was faster with. What was deleted is deleted.
pub async fn clear_tube<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    tube: impl Argument<TubeArg<'_>>,
    filter: impl Into<JobFilter<'_>>,
) -> Result<u64, Error> {
    driver::clear_tube(&mut client.driver, tube, filter).await
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
/// What a command fails with, but for jobs that somebody else was faster with. What was kicked is kicked.
pub async fn kick_buried<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    tube: impl Argument<TubeArg<'_>>,
    filter: impl Into<JobFilter<'_>>,
) -> Result<u64, Error> {
    driver::kick_buried(&mut client.driver, tube, filter).await
}

/// Moves the jobs of a tube that match to another tube, on the same server or another, and returns how many. Servers from 1.12 on. From a
/// tube to itself it would never end.
///
/// A job keeps its priority, its ttr and what is left of its delay, and is buried if it was. Its id and its counts are new. It is put
/// before it is deleted: if a connection breaks in between, there are two of it, and never none. So it is, too, where its time to run is
/// over before it is deleted. At most 64 jobs are held at once. The tubes in use are the same afterwards.
///
/// # Cancel safety
///
/// If the future is dropped, some of the jobs are moved, and at most 64 may be in both tubes: held in the first, until their time to run
/// is over or the connection ends. The tubes in use may be others. [`JobFilter::on_progress`] can end it in order, with no job in both.
///
/// # Errors
///
/// What a command fails with, but for jobs that somebody else was faster with. [`Error::Buried`] if a job was put but buried there, for
/// lack of memory: then it is in the first tube still. Whatever it is, jobs that could not be put are given back, as they were, before
/// this returns; what was moved is moved.
pub async fn move_jobs<F: AsyncRead + AsyncWrite + Unpin, T: AsyncRead + AsyncWrite + Unpin>(
    from: &mut Client<F>,
    from_tube: impl Argument<TubeArg<'_>>,
    to: &mut Client<T>,
    to_tube: impl Argument<TubeArg<'_>>,
    filter: impl Into<JobFilter<'_>>,
) -> Result<u64, Error> {
    driver::move_jobs(&mut from.driver, from_tube, &mut to.driver, to_tube, filter).await
}

/// Waits until a tube has nothing to be done: no job ready, held or delayed. Returns `false` if that has not come about in time.
///
/// The server can only be asked again and again: after a hundredth of a second at first, and then less often, at most a second apart.
///
/// # Cancel safety
///
/// Safe.
///
/// # Errors
///
/// What `stats-tube` fails with; a tube that is not there is empty.
pub async fn wait_until_empty<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    tube: impl Argument<TubeArg<'_>>,
    timeout: Option<Duration>,
) -> Result<bool, Error> {
    driver::wait_until_empty(&mut client.driver, tube, timeout).await
}

/// Begins to look at every job of a tube or of a server, without reserving or touching any.
///
/// Every id is looked at, from the first to the last: which is given by [`ScanOptions::to`], or learnt from a job that is put into the tube
/// `beanstalk.probe` and deleted at once. (The server's `total-jobs` is too low once it was restarted.) The tube in use is the same
/// afterwards.
///
/// A scan is no snapshot. Each job is seen as it is at that moment: one that is put, deleted or moves to another queue meanwhile may be
/// seen as it was before or after, and once at most.
///
/// An export is a scan whose jobs are written down, and so is no snapshot either:
///
/// ```no_run
/// use std::{fs::File, io::BufWriter};
/// use beanstalk_tokio::{Client, ExportWriter, ExportedJob, ScanOptions, scan};
///
/// # async fn export(path: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let mut client = Client::connect("localhost:11300").await?;
/// let mut writer = ExportWriter::new(BufWriter::new(File::create(path)?))?;
/// let mut jobs = scan(&mut client, ScanOptions::new()).await?;
/// while let Some(job) = jobs.next().await {
///     if let Some(job) = ExportedJob::new(job?) {
///         writer.write(&job)?;
///     }
/// }
/// writer.finish()?;
/// # Ok(())
/// # }
/// ```
///
/// ```no_run
/// use beanstalk_tokio::{Client, ScanOptions, scan};
///
/// # async fn example() -> Result<(), beanstalk_tokio::Error> {
/// let mut client = Client::connect("localhost:11300").await?;
/// let mut jobs = scan(&mut client, ScanOptions::new().tube("mails")?).await?;
/// while let Some(job) = jobs.next().await {
///     let job = job?;
///     println!("{} is {} and {:?} old", job.id, job.state, job.stats.age);
///     println!("{:?} ids ahead", jobs.progress().ahead);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// If the future is dropped, the tube in use may be another, and the probe may be left behind: delayed for 136 years, in a tube that
/// nobody watches.
///
/// # Errors
///
/// What a command fails with: `DRAINING` if the server takes no jobs, where the last id has to be given.
pub async fn scan<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    options: ScanOptions,
) -> Result<Scan<'_, S>, Error> {
    driver::scan(&mut client.driver, options).await
}

/// The jobs of a [`scan`], in the order of their ids: `next`, and `progress`.
pub type Scan<'c, S = Stream> = driver::Scan<'c, Transport<S>>;

/// Begins to put jobs of an export again, as they were. The tube in use is the same again once it is finished.
///
/// Priority, ttr, what was left of the delay, buried state and tube survive. Ids are new, counts and ages begin anew, and a job that
/// somebody held is ready. What has passed since the export does not shorten delays.
///
/// ```no_run
/// use std::{fs::File, io::BufReader};
/// use beanstalk_tokio::{Client, ExportReader, import};
///
/// # async fn restore(path: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let mut client = Client::connect("localhost:11300").await?;
/// let mut import = import(&mut client).await?;
/// for job in ExportReader::new(BufReader::new(File::open(path)?)) {
///     import.push(job?).await?;
/// }
/// println!("{} jobs restored", import.finish().await?);
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// If the future is dropped, nothing has been done.
///
/// # Errors
///
/// What `list-tube-used` fails with.
pub async fn import<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> Result<Import<'_, S>, Error> {
    driver::import(&mut client.driver).await
}

/// Jobs of an export that are put again: `push` each, and `finish`.
pub type Import<'c, S = Stream> = driver::Import<'c, Transport<S>>;
