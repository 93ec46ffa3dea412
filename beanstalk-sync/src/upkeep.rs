//! Looking after tubes: clearing and kicking, moving and scanning jobs, waiting until a tube is empty.

use std::{fmt, iter::FusedIterator, time::Duration};

use beanstalk_driver::{
    self as driver,
    policy::{ExportedJob, FoundJob, ImportError, JobFilter, Progress, ScanOptions},
};
use beanstalk_proto::{Argument, Error, TubeArg};

use crate::{
    blocking::{Blocking, block_on},
    client::Client,
    transport::{Stream, Transport},
};

/// Deletes the jobs of a tube that match, and returns how many. The tube in use is the same afterwards.
///
/// Jobs that somebody holds stay. A tube that goes on filling is worked on for as long as it does, unless only some jobs are picked.
/// Commands are sent many at a time, within the limits of the connection.
///
/// ```no_run
/// use beanstalk_sync::{Client, JobFilter, Queue, clear_tube};
///
/// # fn main() -> Result<(), beanstalk_sync::Error> {
/// let mut client = Client::connect("localhost:11300")?;
/// println!("{} jobs deleted", clear_tube(&mut client, "mails", &Queue::ALL)?);
/// // Only some of them:
/// let bounced = JobFilter::new(&[Queue::Buried]).matching(|job| job.stats.buries > Some(3));
/// println!("{} jobs deleted", clear_tube(&mut client, "mails", bounced)?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What a command fails with, but for jobs that somebody else was faster with. What was deleted is deleted.
pub fn clear_tube<'a, 'f, T: Transport>(
    client: &mut Client<T>,
    tube: impl Argument<TubeArg<'a>>,
    filter: impl Into<JobFilter<'f>>,
) -> Result<u64, Error> {
    block_on(driver::clear_tube(&mut client.driver, tube, filter))
}

/// Makes the buried jobs of a tube that match ready, each by its id, and returns how many. The tube in use is the same afterwards.
///
/// Never a delayed job, whatever queues the filter names, as `kick` does once none is buried; and not those that are buried meanwhile, so
/// that it ends. Servers from 1.8 on.
///
/// # Errors
///
/// What a command fails with, but for jobs that somebody else was faster with. What was kicked is kicked.
pub fn kick_buried<'a, 'f, T: Transport>(
    client: &mut Client<T>,
    tube: impl Argument<TubeArg<'a>>,
    filter: impl Into<JobFilter<'f>>,
) -> Result<u64, Error> {
    block_on(driver::kick_buried(&mut client.driver, tube, filter))
}

/// Moves the jobs of a tube that match to another tube, on the same server or another, and returns how many. Servers from 1.12 on. From a
/// tube to itself it would never end.
///
/// A job keeps its priority, its ttr and what is left of its delay, and is buried if it was. Its id and its counts are new. It is put
/// before it is deleted: if a connection breaks in between, there are two of it, and never none. So it is, too, where its time to run is
/// over before it is deleted. At most 64 jobs are held at once. The tubes in use are the same afterwards.
///
/// # Errors
///
/// What a command fails with, but for jobs that somebody else was faster with. [`Error::Buried`] if a job was put but buried there, for
/// lack of memory: then it is in the first tube still. Whatever it is, jobs that could not be put are given back, as they were, before
/// this returns; what was moved is moved.
pub fn move_jobs<'a, 'b, 'f, F: Transport, T: Transport>(
    from: &mut Client<F>,
    from_tube: impl Argument<TubeArg<'a>>,
    to: &mut Client<T>,
    to_tube: impl Argument<TubeArg<'b>>,
    filter: impl Into<JobFilter<'f>>,
) -> Result<u64, Error> {
    block_on(driver::move_jobs(&mut from.driver, from_tube, &mut to.driver, to_tube, filter))
}

/// Waits until a tube has nothing to be done: no job ready, held or delayed. Returns `false` if that has not come about in time.
///
/// The server can only be asked again and again: after a hundredth of a second at first, and then less often, at most a second apart.
///
/// # Errors
///
/// What `stats-tube` fails with; a tube that is not there is empty.
pub fn wait_until_empty<'a, T: Transport>(
    client: &mut Client<T>,
    tube: impl Argument<TubeArg<'a>>,
    timeout: Option<Duration>,
) -> Result<bool, Error> {
    block_on(driver::wait_until_empty(&mut client.driver, tube, timeout))
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
/// use beanstalk_sync::{Client, ExportWriter, ExportedJob, ScanOptions, scan};
///
/// # fn export(path: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let mut client = Client::connect("localhost:11300")?;
/// let mut writer = ExportWriter::new(BufWriter::new(File::create(path)?))?;
/// let mut jobs = scan(&mut client, ScanOptions::new())?;
/// while let Some(job) = jobs.next() {
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
/// use beanstalk_sync::{Client, ScanOptions, scan};
///
/// # fn main() -> Result<(), beanstalk_sync::Error> {
/// let mut client = Client::connect("localhost:11300")?;
/// let mut jobs = scan(&mut client, ScanOptions::new().tube("mails")?)?;
/// while let Some(job) = jobs.next() {
///     let job = job?;
///     println!("{} is {} and {:?} old", job.id, job.state, job.stats.age);
///     println!("{:?} ids ahead", jobs.progress().ahead);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What a command fails with: `DRAINING` if the server takes no jobs, where the last id has to be given.
pub fn scan<T: Transport>(client: &mut Client<T>, options: ScanOptions) -> Result<Scan<'_, T>, Error> {
    block_on(driver::scan(&mut client.driver, options)).map(Scan)
}

/// The jobs of a [`scan`], in the order of their ids. After an error there is nothing more.
///
/// Commands are sent only by [`Iterator::next`]. What is in flight when it is dropped is finished by the next call on the connection.
pub struct Scan<'c, T: Transport = Stream>(driver::Scan<'c, Blocking<T>>);

impl<T: Transport> Scan<'_, T> {
    /// Returns how far it is: how many jobs were found and ids looked at, how many ids are ahead, and where another scan would go on.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.0.progress()
    }
}

impl<T: Transport> Iterator for Scan<'_, T> {
    type Item = Result<FoundJob, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.0.next())
    }
}

impl<T: Transport> FusedIterator for Scan<'_, T> {}

impl<T: Transport> fmt::Debug for Scan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scan").field(&self.0).finish()
    }
}

/// Begins to put jobs of an export again, as they were. The tube in use is the same again once it is finished.
///
/// Priority, ttr, what was left of the delay, buried state and tube survive. Ids are new, counts and ages begin anew, and a job that
/// somebody held is ready. What has passed since the export does not shorten delays.
///
/// ```no_run
/// use std::{fs::File, io::BufReader};
/// use beanstalk_sync::{Client, ExportReader, import};
///
/// # fn restore(path: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let mut client = Client::connect("localhost:11300")?;
/// let mut import = import(&mut client)?;
/// for job in ExportReader::new(BufReader::new(File::open(path)?)) {
///     import.push(job?)?;
/// }
/// println!("{} jobs restored", import.finish()?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// What `list-tube-used` fails with.
pub fn import<T: Transport>(client: &mut Client<T>) -> Result<Import<'_, T>, Error> {
    block_on(driver::import(&mut client.driver)).map(Import)
}

/// Jobs of an export that are put again, many at a time: [`Import::push`] each, and [`Import::finish`].
///
/// A job that was buried is put with a delay of 136 years, reserved by its id and buried, so that nobody gets it in between; that takes a
/// server from 1.12 on, and on an older one such jobs are not restored. If the connection breaks meanwhile, it may stay delayed.
///
/// Each job is restored, or an error names it: then it was not, unless its [`Error::lost`] is `Unknown`, which it is only if the connection
/// broke or a reply was late. So an import that broke off is resumed with the jobs that errors named and those that were not pushed;
/// at most those whose fate is unknown, 256 of them, can be there twice.
pub struct Import<'c, T: Transport = Stream>(driver::Import<'c, Blocking<T>>);

impl<T: Transport> Import<'_, T> {
    /// Takes a job, and waits until there is room for another: 256 are under way at once, and 16 MiB of bodies.
    ///
    /// # Errors
    ///
    /// A job, this one or one before it, that was not restored. This one is taken nevertheless, and the import goes on.
    pub fn push(&mut self, job: ExportedJob) -> Result<(), ImportError> {
        block_on(self.0.push(job))
    }

    /// Waits until all jobs are restored, and returns how many are.
    ///
    /// # Errors
    ///
    /// A job that was not restored. Call it again, until it returns the number: other jobs may have failed, too.
    pub fn finish(&mut self) -> Result<u64, ImportError> {
        block_on(self.0.finish())
    }

    /// Returns how many jobs are restored, and how many were pushed ([`Progress::looked_at`]).
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.0.progress()
    }
}

impl<T: Transport> fmt::Debug for Import<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Import").field(&self.0).finish()
    }
}
