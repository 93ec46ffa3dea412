//! Exported jobs put again, over any driver.

use core::fmt;

use crate::{
    driver::{Driver, PollTransport},
    policy::{ExportedJob, ImportError, Importing, Progress},
};
use beanstalk_proto::{Error, ListTubeUsed, TubeName, Use};

use super::lane::{Lane, WINDOW};

/// Begins to put jobs as they were. The tube in use is the same again after [`Import::finish`].
///
/// Priority, ttr, what was left of the delay, buried state and tube survive. Ids are new, counts and ages begin anew, and a job that
/// was reserved is ready. What has passed since the export does not shorten delays.
///
/// # Cancel safety
///
/// If the future is dropped, nothing has been done.
///
/// # Errors
///
/// What `list-tube-used` fails with.
pub async fn import<T: PollTransport>(driver: &mut Driver<T>) -> Result<Import<'_, T>, Error> {
    let used = driver.call(ListTubeUsed::new()).await?;
    Ok(Import { lane: Lane::open(driver, WINDOW).await?, machine: Importing::new(), used: Some(used) })
}

/// Jobs that are put as they were, many at a time: [`Import::push`] each, and [`Import::finish`].
///
/// A job that was buried is put with a delay of 136 years, reserved by its id and buried, so that no worker gets it in between; that takes a
/// server from 1.12 on, and on an older one such jobs are not restored. If the connection breaks meanwhile, it may stay delayed.
///
/// Each job is restored, or an error names it: then it was not, unless its [`Error::lost`] is `Unknown`, which it is only if the connection
/// broke or a reply was late. So an import that broke off is resumed with the jobs that errors named and those that were not pushed;
/// at most those whose fate is unknown, 256 of them, can be there twice.
pub struct Import<'d, T: PollTransport> {
    lane: Lane<'d, T>,
    machine: Importing,
    used: Option<TubeName>,
}

impl<T: PollTransport> Import<'_, T> {
    /// Takes a job, and waits until there is room for another: 256 are under way at once, and 16 MiB of bodies.
    ///
    /// # Cancel safety
    ///
    /// The job is taken when the future is polled first: if it is dropped after that, the job is restored by the next call.
    ///
    /// # Errors
    ///
    /// A job, this one or one before it, that was not restored. This one is taken nevertheless, and the import goes on.
    pub async fn push(&mut self, job: ExportedJob) -> Result<(), ImportError> {
        self.machine.push(job);
        while self.machine.is_full() && self.lane.step(&mut self.machine).await {}
        self.machine.take_failed().map_or(Ok(()), Err)
    }

    /// Waits until all jobs are restored, and returns how many are.
    ///
    /// # Cancel safety
    ///
    /// Safe: the next call goes on.
    ///
    /// # Errors
    ///
    /// A job that was not restored. Call it again, until it returns the number: other jobs may have failed, too.
    pub async fn finish(&mut self) -> Result<u64, ImportError> {
        while self.lane.step(&mut self.machine).await {}
        if let Some(failed) = self.machine.take_failed() {
            return Err(failed);
        }
        if let Some(used) = self.used.as_ref().filter(|_| !self.lane.driver().is_ended()) {
            // What was restored is: that this fails is for the next command to report.
            if self.lane.driver().call(Use::new(used)).await.is_ok() {
                self.used = None;
            }
        }
        Ok(self.progress().done)
    }

    /// Returns how many jobs are restored, and how many were pushed ([`Progress::looked_at`]).
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.machine.progress()
    }
}

impl<T: PollTransport> fmt::Debug for Import<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("machine", &self.machine).finish_non_exhaustive()
    }
}
