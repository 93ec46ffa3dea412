//! Every job of a tube or a server, without reserving or touching any.

use alloc::{collections::VecDeque, vec::Vec};
use core::ops::RangeInclusive;

use super::{Finder, FoundJob, JobFilter, Machine, Progress, Queue, Side, find::Range};
use beanstalk_proto::{ArgumentError, Command, Error, JobId, Reply, TubeArg, TubeName};

/// What a scan looks at, and how many commands it has in flight.
///
/// ```
/// use beanstalk_driver::{policy::{Queue, ScanOptions}, proto::JobId};
///
/// // What is buried in one tube, without the bodies.
/// let buried = ScanOptions::new().tube("mails")?.queues(&[Queue::Buried]).bodies(false);
///
/// // From the id on where another scan has ended.
/// let rest = ScanOptions::new().from(JobId(20_000)).window(64);
/// # assert_ne!(buried, rest);
/// # Ok::<(), beanstalk_driver::proto::ArgumentError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanOptions {
    tube: Option<TubeName>,
    queues: Vec<Queue>,
    bodies: bool,
    from: u64,
    to: Option<u64>,
    window: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { tube: None, queues: Vec::new(), bodies: true, from: 1, to: None, window: WINDOW }
    }
}

/// How many commands are in flight unless it is set: enough for a server that is near, and little to wait behind.
const WINDOW: usize = 16;

impl ScanOptions {
    /// Returns options by which every job of the server is found, with its body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits it to jobs of this tube.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Tube`] if it is not a tube name.
    pub fn tube<'a>(self, tube: impl beanstalk_proto::Argument<TubeArg<'a>>) -> Result<Self, ArgumentError> {
        Ok(Self { tube: Some(tube.into_argument().to_name()?), ..self })
    }

    /// Limits it to jobs of these queues, and none that is held. Without this jobs of any state are found, held ones, too.
    #[must_use]
    pub fn queues(self, queues: &[Queue]) -> Self {
        Self { queues: Vec::from(queues), ..self }
    }

    /// Sets whether bodies are read; they are unless this is `false`.
    #[must_use]
    pub const fn bodies(mut self, bodies: bool) -> Self {
        self.bodies = bodies;
        self
    }

    /// Begins at this id, in place of 1: where another scan has left off, which [`Progress::next`] names.
    #[must_use]
    pub const fn from(mut self, id: JobId) -> Self {
        self.from = if id.0 == 0 { 1 } else { id.0 };
        self
    }

    /// Ends with this id. Then no job is put to learn how far ids have come.
    #[must_use]
    pub const fn to(mut self, id: JobId) -> Self {
        self.to = Some(id.0);
        self
    }

    /// Looks at these ids only.
    #[must_use]
    pub const fn range(self, ids: &RangeInclusive<JobId>) -> Self {
        self.from(*ids.start()).to(*ids.end())
    }

    /// Sets how many commands are in flight at most: 16 unless it is set. More are faster where the server is far away; but other clients of
    /// the server wait behind them.
    #[must_use]
    pub const fn window(mut self, commands: usize) -> Self {
        self.window = if commands == 0 { 1 } else { commands };
        self
    }

    pub(crate) const fn first(&self) -> u64 {
        self.from
    }

    pub(crate) const fn last(&self) -> Option<u64> {
        self.to
    }

    pub(crate) const fn commands(&self) -> usize {
        self.window
    }
}

/// Looks at every id, on one connection.
#[derive(Debug)]
pub(crate) struct Scanning {
    finder: Finder<'static>,
    found: u64,
    failed: VecDeque<Error>,
    ended: bool,
}

impl Scanning {
    /// Looks at the ids up to `end`.
    pub(crate) fn new(options: ScanOptions, end: u64) -> Self {
        let filter = JobFilter::new(&options.queues);
        let range = Range { next: options.from, end };
        let finder = Finder::range(options.tube, filter, true, range).with_bodies(options.bodies);
        Self { finder, found: 0, failed: VecDeque::new(), ended: false }
    }

    /// Takes the next job, or what ends the scan.
    pub(crate) fn take(&mut self) -> Option<Result<FoundJob, Error>> {
        if let Some(job) = self.finder.take() {
            self.found = self.found.saturating_add(1);
            return Some(Ok(job));
        }
        self.failed.pop_front().map(Err)
    }

    pub(crate) fn progress(&self) -> Progress {
        self.finder.progress(self.found)
    }
}

impl Machine for Scanning {
    fn next_command(&mut self, _: Side) -> Option<Command> {
        if self.ended { None } else { self.finder.next_command() }
    }

    fn handle_reply(&mut self, _: Side, result: Result<Reply, Error>) {
        if self.ended {
            return;
        }
        if let Err(error) = self.finder.handle_reply(result) {
            self.ended = true;
            self.failed.push_back(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_has_so_many_commands_in_flight_as_are_named_and_at_least_one() {
        let windows = [1, 2, 64].map(|window| ScanOptions::new().window(window).commands());
        assert_eq!((windows, ScanOptions::new().window(0).commands()), ([1, 2, 64], 1));
        assert_eq!(ScanOptions::new().commands(), WINDOW);
    }
}
