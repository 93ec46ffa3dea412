//! Looking after tubes: finding jobs without reserving them, and what is done with those that match.
//!
//! ```text
//!   Finder ── ids to look at ──▶ stats-job, peek ──▶ jobs that match ─┬─▶ Scan: returned
//!     ▲                                                               ├─▶ Each: delete, or kick-job
//!     ├── a range of ids                                              └─▶ Moving: reserve-job ─▶ Restorer ─▶ delete
//!     └── Walk: what a queue of a tube begins with, and its neighbours                             │
//!                                                                         put, reserve-job, bury ◀─┘
//!   ExportedJob ──▶ Importing ─▶ Restorer
//! ```
//!
//! Each is a [`Machine`]: it names commands for as long as there are some, and takes the results in the order of the commands. How
//! many are in flight is up to who carries them out. A job that another client takes in between is left to it.

mod each;
mod export;
mod filter;
mod find;
mod import;
#[cfg(feature = "std")]
mod line;
mod moving;
mod restore;
mod scan;
mod walk;

use beanstalk_proto::{Command, CommandError, Error, JobId, Reply, stats::TubeStats};

pub(crate) use each::{Deed, Each};
pub use export::{ExportedJob, encode_export_end, encode_export_header};
pub use filter::{FoundJob, JobFilter, Queue};
pub use find::PROBE_TUBE;
pub(crate) use find::{Finder, Range};
pub use import::ImportError;
pub(crate) use import::Importing;
#[cfg(feature = "std")]
pub(crate) use line::Line;
pub(crate) use moving::Moving;
pub(super) use moving::give_back;
pub use scan::ScanOptions;
pub(crate) use scan::Scanning;

/// How far something is that goes through many jobs.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use beanstalk_driver::policy::{JobFilter, Progress, Queue};
///
/// /// For a person who waits.
/// fn report(progress: Progress) -> ControlFlow<()> {
///     match progress.ahead {
///         Some(ahead) => eprintln!("{} jobs done, {ahead} ids ahead", progress.done),
///         None => eprintln!("{} jobs done", progress.done),
///     }
///     ControlFlow::Continue(())
/// }
///
/// // To be given to `kick_buried`, for example.
/// let buried = JobFilter::new(&[Queue::Buried]).on_progress(report);
/// # let _ = buried;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Progress {
    /// How many jobs it is done with: those found, deleted, kicked, moved or restored.
    pub done: u64,
    /// How many ids it has looked at.
    pub looked_at: u64,
    /// How many ids are ahead, where a range of ids is gone through.
    pub ahead: Option<u64>,
    /// The first id that it is not done with, where a range of ids is gone through: where another run may go on.
    pub next: Option<JobId>,
}

/// On which of two connections to send a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// On the one that jobs are found on.
    From,
    /// On the one that they are put on.
    To,
}

/// Many commands, and what is made of their results.
pub(crate) trait Machine {
    /// Returns the next command for a side; `None` if there is none until a result has come.
    fn next_command(&mut self, side: Side) -> Option<Command>;

    /// Takes the result of the oldest command of a side.
    fn handle_reply(&mut self, side: Side, result: Result<Reply, Error>);
}

/// Splits what is not there from what went wrong.
fn found(result: Result<Reply, Error>) -> Result<Option<Reply>, Error> {
    match result {
        Err(error) if error.command_error() == Some(CommandError::NotFound) => Ok(None),
        result => result.map(Some),
    }
}

/// Returns whether a tube has nothing to be done: no job is ready, held or delayed. What is buried stays so until it is kicked,
/// and does not count. A tube that is not there is empty.
///
/// # Errors
///
/// What asking failed with, `NOT_FOUND` excepted.
pub fn is_empty(stats: Result<TubeStats, Error>) -> Result<bool, Error> {
    match stats {
        Err(error) if error.command_error() == Some(CommandError::NotFound) => Ok(true),
        Err(error) => Err(error),
        Ok(stats) => {
            let jobs = [stats.current_jobs_ready, stats.current_jobs_reserved, stats.current_jobs_delayed];
            Ok(jobs.into_iter().all(|jobs| jobs == Some(0)))
        }
    }
}

#[cfg(test)]
mod tests;
