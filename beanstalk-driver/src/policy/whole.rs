//! What has to be known of a job for it to be released, buried or put again as it was.

use core::time::Duration;

use beanstalk_proto::{
    Priority,
    stats::{JobState, JobStats, StatsError},
};

/// Returns the priority and the time to run of a job. A server that leaves one of them out, or what is left of a delay, gives nothing to make
/// a command of: with a default in its place the job would be changed.
pub(crate) fn whole(stats: &JobStats) -> Result<(Priority, Duration), StatsError> {
    let missing = |key| StatsError::Missing { key };
    let priority = stats.pri.ok_or(missing("pri"))?;
    let ttr = stats.ttr.ok_or(missing("ttr"))?;
    match (&stats.state, stats.time_left) {
        (Some(JobState::Delayed), None) => Err(missing("time-left")),
        _ => Ok((priority, ttr)),
    }
}
