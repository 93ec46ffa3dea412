//! Jobs as text and bytes, to be kept in a file and put again.
//!
//! ```text
//! beanstalk-export 1
//! job 17 delayed 1024 3600 60 mails 5
//! hello
//! job 19 buried 0 0 120 mails 3
//! abc
//! end 2
//! ```
//!
//! Every line ends with one line feed. The first names the format and its version. A job is a line (id, state, priority, what is left of its
//! delay in seconds, ttr in seconds, tube, length of the body in bytes) and behind it the body, byte for byte, and a line feed. The last
//! line counts the jobs: without it the export is not complete. Exports may follow one another. A state is `ready`, `delayed`, `buried`, or
//! `reserved` if the job was held.

use alloc::{format, vec::Vec};
use core::time::Duration;

use super::{FoundJob, restore::Restored};
use beanstalk_proto::{Error, JobId, Priority, TubeName, stats::JobState};

/// The first line of an export, without its line feed.
pub(super) const HEADER: &[u8] = b"beanstalk-export 1";

/// A job as an export keeps it: all that can be put again. Ids are new then, and counts begin at 0.
///
/// ```
/// use beanstalk_driver::{BoxError, ExportWriter, policy::{ExportedJob, FoundJob}};
///
/// /// Writes a job that a scan has found, unless the server has not received all of it.
/// fn write(job: FoundJob, writer: &mut ExportWriter<Vec<u8>>) -> Result<(), BoxError> {
///     if let Some(job) = ExportedJob::new(job)? {
///         println!("{} of {}: {} bytes", job.id, job.tube, job.body.len());
///         writer.write(&job)?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ExportedJob {
    /// The id that it had.
    pub id: JobId,
    /// The tube it was in.
    pub tube: TubeName,
    /// Ready, delayed, buried, or reserved: it is ready once it is put again, as the server makes it when its holder goes away.
    pub state: JobState,
    /// Its priority.
    pub priority: Priority,
    /// What was left of its delay when it was looked at, in whole seconds; zero unless it was delayed.
    #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
    pub delay: Duration,
    /// Its time to run, in whole seconds.
    #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
    pub ttr: Duration,
    /// Its body, byte for byte.
    pub body: Vec<u8>,
}

impl ExportedJob {
    /// Makes one of a job that was found with its body; `None` if it was found without, or the server has not received it whole.
    ///
    /// # Errors
    ///
    /// [`Error::Stats`] if the server did not send the job's priority, its ttr, or what is left of its delay: with another it would not be the
    /// same job.
    pub fn new(job: FoundJob) -> Result<Option<Self>, Error> {
        let (priority, ttr) = match job.body {
            Some(_) => job.whole()?,
            None => return Ok(None),
        };
        let state = match job.state {
            JobState::Invalid => return Ok(None),
            JobState::Unknown(_) => JobState::Reserved,
            state => state,
        };
        let left = job.stats.time_left.filter(|_| state == JobState::Delayed);
        let delay = left.unwrap_or_default();
        Ok(job.body.map(|body| Self { id: job.id, tube: job.tube, state, priority, delay, ttr, body }))
    }

    /// Appends the job as an export has it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Self { id, tube, state, priority, delay, ttr, body } = self;
        let (delay, ttr, length) = (delay.as_secs(), ttr.as_secs(), body.len());
        out.extend_from_slice(format!("job {id} {state} {priority} {delay} {ttr} {tube} {length}\n").as_bytes());
        out.extend_from_slice(body);
        out.push(b'\n');
    }

    pub(super) fn into_restored(self) -> Restored {
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        Restored {
            tube: self.tube,
            priority: self.priority,
            delay: seconds(self.delay),
            ttr: seconds(self.ttr),
            is_buried: self.state == JobState::Buried,
            body: self.body,
        }
    }
}

/// Appends the first line of an export.
pub fn encode_export_header(out: &mut Vec<u8>) {
    out.extend_from_slice(HEADER);
    out.push(b'\n');
}

/// Appends the last line of an export of so many jobs.
pub fn encode_export_end(jobs: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("end {jobs}\n").as_bytes());
}
