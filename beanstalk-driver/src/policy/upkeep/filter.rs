//! Which jobs of a tube are meant.

use alloc::{boxed::Box, vec::Vec};
use core::{
    fmt,
    ops::{ControlFlow, RangeInclusive},
    time::Duration,
};

use super::Progress;
use crate::policy::whole::whole;
use beanstalk_proto::{
    Command, Error, JobId, Priority, Subject, TubeName,
    stats::{JobState, JobStats},
};

/// A queue of a tube. Jobs that are held are in none.
///
/// ```
/// use beanstalk_driver::policy::{JobFilter, Queue};
///
/// // Which jobs are meant: of all queues, or of some.
/// let all = JobFilter::new(&Queue::ALL);
/// let waiting = JobFilter::new(&[Queue::Ready, Queue::Delayed]);
/// # let _ = (all, waiting);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Queue {
    /// Jobs that can be reserved.
    Ready,
    /// Jobs that wait for their delay to pass.
    Delayed,
    /// Jobs that wait to be kicked.
    Buried,
}

impl Queue {
    /// All of them, in an order in which a job that becomes ready meanwhile is not missed.
    pub const ALL: [Self; 3] = [Self::Buried, Self::Delayed, Self::Ready];

    pub(super) const fn peek(self) -> Command {
        match self {
            Self::Ready => Command::PeekReady,
            Self::Delayed => Command::PeekDelayed,
            Self::Buried => Command::PeekBuried,
        }
    }

    /// The queue that jobs of this state are in.
    pub(super) const fn of(state: &JobState) -> Option<Self> {
        match state {
            JobState::Ready => Some(Self::Ready),
            JobState::Delayed => Some(Self::Delayed),
            JobState::Buried => Some(Self::Buried),
            _ => None,
        }
    }

    pub(super) const fn state(self) -> JobState {
        match self {
            Self::Ready => JobState::Ready,
            Self::Delayed => JobState::Delayed,
            Self::Buried => JobState::Buried,
        }
    }
}

/// A job that was looked at, and not reserved: by now it may be in another state, or gone.
///
/// ```
/// use beanstalk_driver::policy::{FoundJob, JobFilter};
/// use beanstalk_driver::proto::stats::JobState;
///
/// /// Whether a job was set aside after several attempts.
/// fn is_hopeless(job: &FoundJob) -> bool {
///     job.state == JobState::Buried && job.stats.reserves > Some(3)
/// }
///
/// let hopeless = JobFilter::all().matching(is_hopeless);
/// # let _ = hopeless;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FoundJob {
    /// Its id.
    pub id: JobId,
    /// The tube it is in.
    pub tube: TubeName,
    /// Which queue it is in, or that it is reserved.
    pub state: JobState,
    /// All that the server reports of it: its priority, age, ttr, time left and counts.
    pub stats: JobStats,
    /// Its body, byte for byte, if bodies were asked for.
    pub body: Option<Vec<u8>>,
}

impl FoundJob {
    /// Returns its priority and its time to run.
    ///
    /// # Errors
    ///
    /// That the server has left out what the job needs to be put again as it was.
    pub(super) fn whole(&self) -> Result<(Priority, Duration), Error> {
        let (subject, command) = (Subject::Job(self.id), "stats-job");
        whole(&self.stats).map_err(|error| Error::Stats { command, subject, error: error.into() })
    }
}

/// A function of a job.
type Matches<'f> = Box<dyn FnMut(&FoundJob) -> bool + Send + 'f>;

/// A function of how far it is.
type Reports<'f> = Box<dyn FnMut(Progress) -> ControlFlow<()> + Send + 'f>;

/// Which jobs of a tube are meant: those of some queues, all of them or those that a function picks. Also where progress is reported.
///
/// Queues alone are a filter: `&Queue::ALL`, `&[Queue::Buried]`. Jobs of a whole queue are found by what the queue begins with, and by
/// looking at the ids around that. To find those that a function picks, or those of a range, every id is looked at: from the first of the
/// range, or 1, to its last, or that of a job that is put for this purpose and deleted.
///
/// ```
/// use beanstalk_driver::policy::{JobFilter, Queue};
/// use core::time::Duration;
///
/// // Buried jobs that are older than a day:
/// let day = Duration::from_secs(24 * 60 * 60);
/// let old = JobFilter::new(&[Queue::Buried]).matching(move |job| job.stats.age > Some(day));
/// // Those that begin with a brace:
/// let json = JobFilter::new(&Queue::ALL)
///     .matching_with_body(|job| job.body.as_deref().is_some_and(|body| body.starts_with(b"{")));
/// # let _ = (old, json);
/// ```
pub struct JobFilter<'f> {
    pub(super) queues: Vec<Queue>,
    pub(super) matches: Option<Matches<'f>>,
    pub(super) bodies: bool,
    pub(crate) range: Option<RangeInclusive<u64>>,
    pub(crate) reports: Option<Reports<'f>>,
}

impl<'f> JobFilter<'f> {
    /// Matches all jobs that are not reserved.
    #[must_use]
    pub fn all() -> Self {
        Self::new(&Queue::ALL)
    }

    /// Matches all jobs of these queues.
    #[must_use]
    pub fn new(queues: &[Queue]) -> Self {
        Self { queues: queues.to_vec(), matches: None, bodies: false, range: None, reports: None }
    }

    /// Keeps only those of them that the function picks, by what the server reports of each. Their bodies are not read.
    #[must_use]
    pub fn matching(self, matches: impl FnMut(&FoundJob) -> bool + Send + 'f) -> Self {
        Self { matches: Some(Box::new(matches)), bodies: false, ..self }
    }

    /// Keeps only those of them that the function picks, by their bodies, too: each is read.
    #[must_use]
    pub fn matching_with_body(self, matches: impl FnMut(&FoundJob) -> bool + Send + 'f) -> Self {
        Self { matches: Some(Box::new(matches)), bodies: true, ..self }
    }

    /// Keeps only those of them with an id in this range.
    #[must_use]
    pub fn range(self, ids: RangeInclusive<JobId>) -> Self {
        Self { range: Some(ids.start().0..=ids.end().0), ..self }
    }

    /// Calls a function as jobs are done with, and after every 1024 ids that are looked at. [`ControlFlow::Break`] ends it in order: nothing is begun
    /// any more, and what is under way is finished.
    #[must_use]
    pub fn on_progress(self, reports: impl FnMut(Progress) -> ControlFlow<()> + Send + 'f) -> Self {
        Self { reports: Some(Box::new(reports)), ..self }
    }

    /// Whatever queues were named, only buried jobs.
    pub(crate) fn only_buried(self) -> Self {
        Self { queues: Vec::from([Queue::Buried]), ..self }
    }

    /// Whether every id has to be looked at.
    pub(crate) const fn needs_range(&self) -> bool {
        self.matches.is_some() || self.range.is_some()
    }
}

impl From<&[Queue]> for JobFilter<'_> {
    fn from(queues: &[Queue]) -> Self {
        Self::new(queues)
    }
}

impl<const N: usize> From<&[Queue; N]> for JobFilter<'_> {
    fn from(queues: &[Queue; N]) -> Self {
        Self::new(queues)
    }
}

impl fmt::Debug for JobFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobFilter").field("queues", &self.queues).field("range", &self.range).finish_non_exhaustive()
    }
}
