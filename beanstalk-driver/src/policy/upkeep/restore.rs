//! Jobs put as they were: with priority, delay and ttr, into their tube, and buried if they were.
//!
//! ```text
//!   use, if it is another tube ─▶ put ─▶ done
//!                                  │
//!                                  └─ to be buried: put delayed ─▶ reserve-job ─▶ bury ─▶ done
//! ```
//!
//! A job that is to be buried is put with the longest delay there is, so that no worker gets it before it is buried: `reserve-job` takes
//! delayed jobs, too.

use alloc::{collections::VecDeque, vec::Vec};

use crate::policy::copy_of;
use beanstalk_proto::{Buried, Command, CommandError, Error, JobId, Priority, Reply, TubeName};

/// The delay of a job that is to be buried, in seconds: 136 years.
const HELD_BACK: u32 = u32::MAX;

/// A job to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Restored {
    pub(super) tube: TubeName,
    pub(super) priority: Priority,
    /// Seconds.
    pub(super) delay: u32,
    /// Seconds.
    pub(super) ttr: u32,
    pub(super) is_buried: bool,
    pub(super) body: Vec<u8>,
}

/// What was sent for a job that the caller identifies by `S`.
#[derive(Debug)]
enum Step<S> {
    Use,
    Put(S, Option<Priority>),
    ReserveJob,
    Bury(S, JobId),
    /// Deletes what was put, and could not be buried, or came into another tube.
    Delete(S, Error),
}

/// Puts jobs, on one connection.
#[derive(Debug)]
pub(super) struct Restorer<S> {
    used: Option<TubeName>,
    queue: VecDeque<(S, Restored)>,
    /// What comes before that.
    urgent: VecDeque<(Step<S>, Command)>,
    steps: VecDeque<Step<S>>,
    /// What the last `use` failed with, refused or late: what is put behind it is in another tube, or may be.
    misplaces: Option<Error>,
    /// The error of the last `reserve-job`, if it failed.
    reserve_failed: Option<Error>,
}

impl<S> Restorer<S> {
    pub(super) const fn new() -> Self {
        Self {
            used: None,
            queue: VecDeque::new(),
            urgent: VecDeque::new(),
            steps: VecDeque::new(),
            misplaces: None,
            reserve_failed: None,
        }
    }

    pub(super) fn push(&mut self, source: S, job: Restored) {
        self.queue.push_back((source, job));
    }

    /// Whether nothing is to be done.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.urgent.is_empty() && self.steps.is_empty()
    }

    /// Takes back what is not put yet.
    pub(super) fn take_back(&mut self) -> VecDeque<(S, Restored)> {
        core::mem::take(&mut self.queue)
    }

    pub(super) fn next_command(&mut self) -> Option<Command> {
        let (step, command) = match self.urgent.pop_front() {
            Some(urgent) => urgent,
            None => {
                let (_, next) = self.queue.front()?;
                if self.used.as_ref() != Some(&next.tube) {
                    self.used = Some(next.tube.clone());
                    (Step::Use, Command::Use { tube: next.tube.clone() })
                } else {
                    let (source, job) = self.queue.pop_front()?;
                    let Restored { priority, ttr, body, .. } = job;
                    let delay = if job.is_buried { HELD_BACK } else { job.delay };
                    (Step::Put(source, job.is_buried.then_some(priority)), Command::Put { priority, delay, ttr, body })
                }
            }
        };
        self.steps.push_back(step);
        Some(command)
    }

    /// Takes the result of the oldest command. Gives a job that it is done with, or that failed.
    pub(super) fn handle_reply(&mut self, result: Result<Reply, Error>) -> Option<(S, Result<(), Error>)> {
        match (self.steps.pop_front()?, result) {
            (Step::Use, result) => {
                self.misplaces = result.err();
                None
            }
            (Step::Put(source, _), Ok(Reply::Inserted(id) | Reply::BuriedId(id))) if self.misplaces.is_some() => {
                let error = copy_of(self.misplaces.as_ref()?);
                self.urgent.push_back((Step::Delete(source, error), Command::Delete { id }));
                None
            }
            (Step::Put(source, Some(priority)), Ok(Reply::Inserted(id))) => {
                // In one go: between the two no other client gets a turn.
                self.urgent.push_back((Step::ReserveJob, Command::ReserveJob { id }));
                self.urgent.push_back((Step::Bury(source, id), Command::Bury { id, priority }));
                None
            }
            // For lack of memory, but that is where it belongs.
            (Step::Put(source, Some(_)), Ok(Reply::BuriedId(_))) => Some((source, Ok(()))),
            (Step::Put(source, None), Ok(Reply::BuriedId(id))) => Some((source, Err(Buried { id: Some(id) }.into()))),
            (Step::Put(source, _), result) => Some((source, result.map(drop))),
            (Step::ReserveJob, result) => {
                // A body too long to be read is held, too.
                self.reserve_failed = result.err().filter(|error| !matches!(error, Error::ReplyTooBig { .. }));
                None
            }
            (Step::Bury(source, id), result) => match (self.reserve_failed.take(), result) {
                // Another client has taken it already, and may do with it what it wants.
                (Some(error), _) if error.command_error() == Some(CommandError::NotFound) => Some((source, Ok(()))),
                (None, Err(error)) if error.command_error().is_none() => Some((source, Err(error))),
                (None, Ok(_)) => Some((source, Ok(()))),
                (Some(error), _) | (None, Err(error)) => {
                    self.urgent.push_back((Step::Delete(source, error), Command::Delete { id }));
                    None
                }
            },
            (Step::Delete(source, error), _) => Some((source, Err(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use core::time::Duration;

    use beanstalk_proto::{Lost, Subject};

    use super::*;

    fn job(tube: &str, is_buried: bool) -> Restored {
        let tube = TubeName::new(tube).expect("a tube name");
        Restored { tube, priority: Priority(7), delay: 0, ttr: 60, is_buried, body: Vec::new() }
    }

    fn refused(command: &'static str, error: CommandError) -> Result<Reply, Error> {
        Err(Error::Command { command, subject: Subject::None, error })
    }

    #[test]
    fn what_is_put_behind_a_use_whose_answer_is_late_is_deleted_as_it_may_be_in_another_tube() {
        let late = || Error::TimedOut {
            command: "use",
            subject: Subject::Tube(TubeName::new("t").expect("a tube name")),
            waited: Duration::from_secs(5),
            lost: Lost::Unknown,
        };
        let mut restorer = Restorer::new();
        restorer.push('a', job("t", false));
        for _ in 0..2 {
            assert!(restorer.next_command().is_some());
        }
        assert!(restorer.handle_reply(Err(late())).is_none());
        assert!(restorer.handle_reply(Ok(Reply::Inserted(JobId(5)))).is_none());
        assert_eq!(restorer.next_command(), Some(Command::Delete { id: JobId(5) }));
        let (failed, error) = restorer.handle_reply(Ok(Reply::Deleted)).expect("a result");
        assert_eq!((failed, error.unwrap_err().to_string()), ('a', late().to_string()));
    }

    #[test]
    fn what_is_put_behind_a_use_that_was_refused_is_deleted_and_fails_with_that() {
        let mut restorer = Restorer::new();
        restorer.push('a', job("t", false));
        restorer.push('b', job("t", true));
        for _ in 0..3 {
            assert!(restorer.next_command().is_some());
        }
        assert!(restorer.handle_reply(refused("use", CommandError::OutOfMemory)).is_none());
        for id in [5, 6] {
            assert!(restorer.handle_reply(Ok(Reply::Inserted(JobId(id)))).is_none());
            assert_eq!(restorer.next_command(), Some(Command::Delete { id: JobId(id) }));
        }
        for source in ['a', 'b'] {
            let (failed, error) = restorer.handle_reply(Ok(Reply::Deleted)).expect("a result");
            assert_eq!((failed, error.unwrap_err().command_error()), (source, Some(CommandError::OutOfMemory)));
        }
        assert!(restorer.is_idle());
    }

    #[test]
    fn there_is_something_to_do_until_the_last_job_is_where_it_belongs() {
        let mut restorer = Restorer::new();
        assert!(restorer.is_idle());
        restorer.push('a', job("t", true));
        assert!(!restorer.is_idle(), "it is to be put");
        for _ in 0..2 {
            assert!(restorer.next_command().is_some());
            assert!(!restorer.is_idle(), "that is under way");
        }
        assert!(restorer.handle_reply(Ok(Reply::Using(TubeName::new("t").expect("a tube name")))).is_none());
        assert!(restorer.handle_reply(Ok(Reply::Inserted(JobId(5)))).is_none());
        assert!(!restorer.is_idle(), "it is to be buried");
        assert_eq!(restorer.next_command(), Some(Command::ReserveJob { id: JobId(5) }));
        assert_eq!(restorer.next_command(), Some(Command::Bury { id: JobId(5), priority: Priority(7) }));
        // Another client has reserved it first, and may do with it what it wants.
        assert!(restorer.handle_reply(refused("reserve-job", CommandError::NotFound)).is_none());
        let done = restorer.handle_reply(refused("bury", CommandError::NotFound));
        assert!(matches!(done, Some(('a', Ok(())))), "{done:?}");
        assert!(restorer.is_idle());
    }

    #[test]
    fn nothing_more_is_sent_for_a_job_that_was_not_buried_as_the_connection_broke() {
        let mut restorer = Restorer::new();
        restorer.push('a', job("t", true));
        restorer.push('b', job("t", false));
        for _ in 0..2 {
            assert!(restorer.next_command().is_some());
        }
        assert!(restorer.handle_reply(Ok(Reply::Using(TubeName::new("t").expect("a tube name")))).is_none());
        assert!(restorer.handle_reply(Ok(Reply::Inserted(JobId(5)))).is_none());
        let waiting: Vec<_> = restorer.take_back().into_iter().map(|(source, _)| source).collect();
        assert_eq!(waiting, ['b'], "it was not put yet");
        for _ in 0..2 {
            assert!(restorer.next_command().is_some());
        }
        let held = beanstalk_proto::Job { id: JobId(5), body: Vec::new() };
        assert!(restorer.handle_reply(Ok(Reply::Reserved(held))).is_none());
        let lost = restorer.handle_reply(Err(Error::Closed { lost: Lost::Unknown }));
        assert!(matches!(lost, Some(('a', Err(Error::Closed { .. })))), "{lost:?}");
        assert!(restorer.is_idle());
    }

    #[test]
    fn a_job_that_an_old_server_cannot_bury_is_not_left_behind() {
        let mut restorer = Restorer::new();
        restorer.push('a', job("t", true));
        assert!(matches!(restorer.next_command(), Some(Command::Use { .. })));
        let put = restorer.next_command();
        assert!(matches!(put, Some(Command::Put { delay: HELD_BACK, .. })), "{put:?}");
        assert!(restorer.handle_reply(Ok(Reply::Using(TubeName::new("t").expect("a tube name")))).is_none());
        assert!(restorer.handle_reply(Ok(Reply::Inserted(JobId(5)))).is_none());
        assert_eq!(restorer.next_command(), Some(Command::ReserveJob { id: JobId(5) }));
        assert_eq!(restorer.next_command(), Some(Command::Bury { id: JobId(5), priority: Priority(7) }));
        assert!(restorer.handle_reply(refused("reserve-job", CommandError::BadFormat)).is_none());
        assert!(restorer.handle_reply(refused("bury", CommandError::NotFound)).is_none());
        assert_eq!(restorer.next_command(), Some(Command::Delete { id: JobId(5) }));
        let (failed, error) = restorer.handle_reply(Ok(Reply::Deleted)).expect("a result");
        assert_eq!((failed, error.unwrap_err().command_error()), ('a', Some(CommandError::BadFormat)));
        assert!(restorer.is_idle());
    }

    #[test]
    fn a_job_that_the_server_does_not_bury_is_not_left_behind() {
        let mut restorer = Restorer::new();
        restorer.push('a', job("t", true));
        for _ in 0..2 {
            assert!(restorer.next_command().is_some());
        }
        assert!(restorer.handle_reply(Ok(Reply::Using(TubeName::new("t").expect("a tube name")))).is_none());
        assert!(restorer.handle_reply(Ok(Reply::Inserted(JobId(5)))).is_none());
        for _ in 0..2 {
            assert!(restorer.next_command().is_some());
        }
        let held = beanstalk_proto::Job { id: JobId(5), body: Vec::new() };
        assert!(restorer.handle_reply(Ok(Reply::Reserved(held))).is_none());
        assert!(restorer.handle_reply(refused("bury", CommandError::OutOfMemory)).is_none());
        assert_eq!(restorer.next_command(), Some(Command::Delete { id: JobId(5) }));
        let (failed, error) = restorer.handle_reply(Ok(Reply::Deleted)).expect("a result");
        assert_eq!((failed, error.unwrap_err().command_error()), ('a', Some(CommandError::OutOfMemory)));
        assert!(restorer.is_idle());
    }
}
