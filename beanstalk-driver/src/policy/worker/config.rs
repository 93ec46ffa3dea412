//! How a worker works.

use alloc::{format, vec::Vec};
use core::time::Duration;

use crate::policy::{backoff::Backoff, retry::RetryPolicy};
use beanstalk_proto::{ArgumentError, TubeName};

/// As many as there are ports, which make one connection between two hosts distinct from another.
const MOST_CONNECTIONS: usize = 65_535;

/// A worker's settings: tubes, retries, timeouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The tubes to take jobs from; `default` if there are none.
    pub tubes: Vec<TubeName>,
    /// How long to wait between attempts to connect.
    pub backoff: Backoff,
    /// What becomes of jobs that fail.
    pub retry: RetryPolicy,
    /// Whether a function chooses what becomes of jobs that fail, before the policy does:
    /// [`Action::Decide`](crate::policy::Action::Decide).
    pub decides: bool,
    /// The tube that jobs are moved to which failed and are not to be tried again. Without one they are buried.
    ///
    /// A job is put there with its priority, its ttr and no delay, and then deleted where it was. So if the connection breaks in
    /// between it is in both tubes. If the server refuses the put, as it drains or has no memory, the job is buried.
    pub dead_letters: Option<TubeName>,
    /// Whether a job whose handler found its body malformed is set aside without another attempt: yes unless changed.
    pub bury_malformed: bool,
    /// How long one reserve waits, in seconds: 10 unless changed, and at least 1. A server that has vanished without a word is
    /// noticed after this and the reply timeout.
    pub reserve_slice: u32,
    /// Whether the server is asked about each job before its handler begins, which depends on the job's tube.
    pub learns_first: bool,
    /// How long a handler may run before its job has failed: as long as it takes unless changed.
    pub handler_timeout: Option<Duration>,
    /// Whether to take the job in hand back after the connection broke, by the rules of [`Reclaim`](crate::policy::Reclaim). Needs servers
    /// from 1.12 on.
    pub reclaim: bool,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            tubes: Vec::new(),
            backoff: Backoff::default(),
            retry: RetryPolicy::default(),
            decides: false,
            dead_letters: None,
            bury_malformed: true,
            reserve_slice: 10,
            learns_first: false,
            handler_timeout: None,
            reclaim: false,
        }
    }
}

impl WorkerConfig {
    /// Refuses what no worker could work with: no servers, no slots or more than there can be connections, reserves that don't wait, a
    /// first delay that is longer than the longest, a handler timeout of zero, a tube for dead letters that jobs are taken from.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Setting`], which names the setting.
    pub fn check(
        &self,
        servers: usize,
        concurrency: Option<usize>,
        concurrency_per_server: Option<usize>,
    ) -> Result<(), ArgumentError> {
        if servers == 0 {
            return Err(ArgumentError::setting("servers", "there is none to take jobs from"));
        }
        for (setting, jobs) in [("concurrency", concurrency), ("concurrency_per_server", concurrency_per_server)] {
            if jobs == Some(0) {
                return Err(ArgumentError::setting(setting, "0 jobs at a time are none at all"));
            }
        }
        let (setting, each) = match (concurrency, concurrency_per_server) {
            (total, Some(jobs)) => ("concurrency_per_server", jobs.min(total.unwrap_or(jobs))),
            (total, None) => ("concurrency", total.unwrap_or(1)),
        };
        if each > MOST_CONNECTIONS {
            let why = format!("each job takes a connection, and to one server there can be {MOST_CONNECTIONS} at most");
            return Err(ArgumentError::setting(setting, why));
        }
        let takes_from = |tube: &TubeName| match &self.tubes[..] {
            [] => *tube == TubeName::default(),
            tubes => tubes.contains(tube),
        };
        if let Some(tube) = self.dead_letters.as_ref().filter(|tube| takes_from(tube)) {
            let why =
                format!("jobs are taken from the tube {tube}, so that one that failed for good would be tried again");
            return Err(ArgumentError::setting("dead_letters", why));
        }
        if self.reserve_slice == 0 {
            let why = "a reserve of 0 seconds does not wait, so that jobs would be asked for once a second";
            return Err(ArgumentError::setting("reserve_slice", why));
        }
        if self.handler_timeout == Some(Duration::ZERO) {
            return Err(ArgumentError::setting("handler_timeout", "a timeout of zero leaves no time for a handler"));
        }
        self.backoff.check("backoff")?;
        self.retry.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_jobs_at_a_time_are_taken_as_there_can_be_connections() {
        let check = |concurrency, per_server| WorkerConfig::default().check(1, concurrency, per_server);
        assert_eq!(check(Some(65_535), None), Ok(()));
        assert_eq!(check(Some(65_535), Some(70_000)), Ok(()), "there are no more in all");
        let settings = [check(Some(65_536), None), check(None, Some(65_536))].map(|checked| format!("{checked:?}"));
        assert!(settings[0].contains("\"concurrency\"") && settings[1].contains("\"concurrency_per_server\""));
    }

    #[test]
    fn jobs_are_not_moved_to_a_tube_that_they_are_taken_from() {
        let check = |tubes: &[&str], dead: &str| {
            let name = |tube: &&str| TubeName::new(*tube).expect("a name");
            let (tubes, dead_letters) = (tubes.iter().map(name).collect(), Some(name(&dead)));
            WorkerConfig { tubes, dead_letters, ..WorkerConfig::default() }.check(1, None, None)
        };
        assert_eq!([check(&[], "dead"), check(&["mails"], "default")], [Ok(()), Ok(())]);
        for checked in [check(&[], "default"), check(&["mails", "dead"], "dead")] {
            assert!(format!("{checked:?}").contains("\"dead_letters\""), "{checked:?}");
        }
    }
}
