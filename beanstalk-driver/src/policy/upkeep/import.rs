//! Exported jobs put again.

use alloc::collections::VecDeque;

use thiserror::Error;

use super::{ExportedJob, Machine, Progress, Side, restore::Restorer};
use beanstalk_proto::{Command, Error, JobId, Reply};

/// How many jobs are under way at once, and how many bytes of bodies, but for one job's.
const AT_ONCE: (usize, usize) = (256, 16 * 1024 * 1024);

/// A job of an export that was not put again. The others are not concerned, unless the connection has ended.
///
/// ```
/// use beanstalk_driver::{policy::ImportError, proto::Lost};
///
/// /// Whether it may be pushed again without being there twice.
/// fn can_be_repeated(failed: &ImportError) -> bool {
///     failed.error.lost() != Some(Lost::Unknown)
/// }
/// # let error = beanstalk_driver::proto::Error::ReserveWaiting;
/// # assert!(can_be_repeated(&ImportError { id: 7.into(), error }));
/// ```
#[derive(Debug, Error)]
#[error("job {id} of the export: {error}")]
pub struct ImportError {
    /// The id that it has in the export.
    pub id: JobId,
    /// Why. Its [`lost`](Error::lost) is whether it may have been put.
    #[source]
    pub error: Error,
}

/// A job under way.
#[derive(Debug)]
struct Source {
    id: JobId,
    bytes: usize,
}

/// Puts jobs as they were, on one connection.
#[derive(Debug)]
pub(crate) struct Importing {
    restorer: Restorer<Source>,
    under_way: usize,
    bytes: usize,
    restored: u64,
    pushed: u64,
    failed: VecDeque<ImportError>,
}

impl Importing {
    pub(crate) const fn new() -> Self {
        let restorer = Restorer::new();
        Self { restorer, under_way: 0, bytes: 0, restored: 0, pushed: 0, failed: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, job: ExportedJob) {
        let (id, bytes) = (job.id, job.body.len());
        self.under_way = self.under_way.saturating_add(1);
        self.pushed = self.pushed.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.restorer.push(Source { id, bytes }, job.into_restored());
    }

    /// Whether another job has to wait.
    pub(crate) const fn is_full(&self) -> bool {
        let (jobs, bytes) = AT_ONCE;
        self.under_way >= jobs || self.bytes > bytes
    }

    pub(crate) fn take_failed(&mut self) -> Option<ImportError> {
        self.failed.pop_front()
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress { done: self.restored, looked_at: self.pushed, ..Progress::default() }
    }
}

impl Machine for Importing {
    fn next_command(&mut self, _: Side) -> Option<Command> {
        self.restorer.next_command()
    }

    fn handle_reply(&mut self, _: Side, result: Result<Reply, Error>) {
        let Some((source, result)) = self.restorer.handle_reply(result) else { return };
        self.under_way = self.under_way.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(source.bytes);
        match result {
            Ok(()) => self.restored = self.restored.saturating_add(1),
            Err(error) => self.failed.push_back(ImportError { id: source.id, error }),
        }
    }
}
