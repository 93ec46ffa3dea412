//! Something done with each job that matches: clearing and kicking.

use alloc::collections::VecDeque;

use super::{Finder, Machine, Progress, Side, found};
use beanstalk_proto::{Command, Error, Reply};

/// What to do with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Delete,
    Kick,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Find,
    Do,
}

/// Does one thing with each job that matches, on one connection.
#[derive(Debug)]
pub(crate) struct Each<'f> {
    finder: Finder<'f>,
    deed: Deed,
    asked: VecDeque<Asked>,
    done: u64,
    failed: Option<Error>,
    stopped: bool,
}

impl<'f> Each<'f> {
    pub(crate) const fn new(finder: Finder<'f>, deed: Deed) -> Self {
        Self { finder, deed, asked: VecDeque::new(), done: 0, failed: None, stopped: false }
    }

    /// Begins nothing any more.
    pub(crate) const fn stop(&mut self) {
        self.stopped = true;
    }

    pub(crate) fn progress(&self) -> Progress {
        self.finder.progress(self.done)
    }

    /// How many jobs it was done with, once no command is left.
    pub(crate) fn finish(self) -> Result<u64, Error> {
        self.failed.map_or(Ok(self.done), Err)
    }
}

impl Machine for Each<'_> {
    fn next_command(&mut self, _: Side) -> Option<Command> {
        if self.stopped || self.failed.is_some() {
            return None;
        }
        let (asked, command) = match (self.finder.take(), self.deed) {
            (Some(job), Deed::Delete) => (Asked::Do, Command::Delete { id: job.id }),
            (Some(job), Deed::Kick) => (Asked::Do, Command::KickJob { id: job.id }),
            (None, _) => (Asked::Find, self.finder.next_command()?),
        };
        self.asked.push_back(asked);
        Some(command)
    }

    fn handle_reply(&mut self, _: Side, result: Result<Reply, Error>) {
        let handled = match self.asked.pop_front() {
            Some(Asked::Find) => self.finder.handle_reply(result),
            // Another client may have taken it first.
            _ => found(result).map(|reply| self.done = self.done.saturating_add(reply.is_some().into())),
        };
        if let Err(error) = handled {
            self.failed.get_or_insert(error);
        }
    }
}
