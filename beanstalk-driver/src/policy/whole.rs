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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_has_left_out_is_named_and_a_delay_only_where_there_is_one() {
        let whole_stats = |state| JobStats {
            state: Some(state),
            pri: Some(Priority(7)),
            ttr: Some(Duration::from_secs(60)),
            time_left: Some(Duration::ZERO),
            ..JobStats::default()
        };
        let ready = || whole_stats(JobState::Ready);
        for stats in [ready(), JobStats { time_left: None, ..ready() }, whole_stats(JobState::Delayed)] {
            assert_eq!(whole(&stats).ok(), Some((Priority(7), Duration::from_secs(60))));
        }
        for (stats, left_out) in [
            (JobStats { pri: None, ..ready() }, "pri"),
            (JobStats { ttr: None, ..ready() }, "ttr"),
            (JobStats { time_left: None, ..whole_stats(JobState::Delayed) }, "time-left"),
        ] {
            assert!(matches!(whole(&stats), Err(StatsError::Missing { key }) if key == left_out), "{left_out}");
        }
    }
}
