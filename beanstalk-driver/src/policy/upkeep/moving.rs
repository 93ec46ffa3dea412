//! Jobs moved from one tube to another, on the same server or another.
//!
//! ```text
//!   from:  find ─▶ reserve-job ─────────────┐       ┌─▶ delete
//!   to:                                     └─▶ put ┤
//!   from:                                           └─ failed: release, or bury, and the end
//! ```
//!
//! A job is put before it is deleted. So if a connection breaks in between, there are two of it, and never none.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::{
    Finder, FoundJob, Machine, Progress, Queue, Side, found,
    restore::{Restored, Restorer},
};
use beanstalk_proto::{Command, Error, JobId, Reply, TubeName, stats::JobStats};

/// How many jobs are held at once: so many may be in both tubes if it is broken off.
const HELD: usize = 64;
/// Bytes of bodies that are held at once, but for one job's.
const BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug)]
enum Asked {
    Find,
    Reserve,
    /// With what gives it back.
    Delete(Command),
    GiveBack,
}

/// A job that is held.
#[derive(Debug)]
struct Source {
    id: JobId,
    give_back: Command,
    bytes: usize,
}

/// Moves each job that matches, over two connections.
#[derive(Debug)]
pub(crate) struct Moving<'f> {
    finder: Finder<'f>,
    to: TubeName,
    restorer: Restorer<Source>,
    asked: VecDeque<Asked>,
    /// Jobs that are being reserved.
    reserving: VecDeque<FoundJob>,
    /// Commands that end the holding of a job.
    ends: VecDeque<(Asked, Command)>,
    held: usize,
    bytes: usize,
    moved: u64,
    failed: Option<Error>,
    stopped: bool,
}

impl<'f> Moving<'f> {
    pub(crate) const fn new(finder: Finder<'f>, to: TubeName) -> Self {
        Self {
            finder,
            to,
            restorer: Restorer::new(),
            asked: VecDeque::new(),
            reserving: VecDeque::new(),
            ends: VecDeque::new(),
            held: 0,
            bytes: 0,
            moved: 0,
            failed: None,
            stopped: false,
        }
    }

    /// Begins nothing any more; what is under way goes on.
    pub(crate) const fn stop(&mut self) {
        self.stopped = true;
    }

    pub(crate) fn progress(&self) -> Progress {
        self.finder.progress(self.moved)
    }

    /// How many jobs were moved, once no command is left.
    pub(crate) fn finish(self) -> Result<u64, Error> {
        self.failed.map_or(Ok(self.moved), Err)
    }

    /// Whether it takes results of this side, or those of the other have to come first.
    pub(crate) fn takes(&self, side: Side) -> bool {
        side == Side::To || self.bytes <= BYTES || self.restorer.is_idle()
    }

    /// Gives up: what is not put is given back.
    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
        for (source, _) in self.restorer.take_back() {
            self.give_back(source);
        }
    }

    fn give_back(&mut self, source: Source) {
        self.bytes = self.bytes.saturating_sub(source.bytes);
        self.ends.push_back((Asked::GiveBack, source.give_back));
    }

    fn reserved(&mut self, result: Result<Reply, Error>) {
        let Some(job) = self.reserving.pop_front() else { return };
        let queue = Queue::of(&job.state).unwrap_or(Queue::Ready);
        let give_back = give_back(job.id, &job.stats, queue);
        match found(result) {
            Ok(Some(Reply::Reserved(reserved))) => {
                let bytes = reserved.body.len();
                self.bytes = self.bytes.saturating_add(bytes);
                let source = Source { id: job.id, give_back, bytes };
                if self.failed.is_some() {
                    return self.give_back(source);
                }
                let restored = Restored {
                    tube: self.to.clone(),
                    priority: job.stats.pri.unwrap_or_default(),
                    delay: delay_left(&job.stats, queue),
                    ttr: seconds(job.stats.ttr),
                    is_buried: queue == Queue::Buried,
                    body: reserved.body,
                };
                self.restorer.push(source, restored);
            }
            // Another client took it first.
            Ok(_) => self.held = self.held.saturating_sub(1),
            Err(error) => {
                match &error {
                    // It is held, and can't be put.
                    Error::ReplyTooBig { .. } => self.give_back(Source { id: job.id, give_back, bytes: 0 }),
                    _ => self.held = self.held.saturating_sub(1),
                }
                self.fail(error);
            }
        }
    }
}

impl Machine for Moving<'_> {
    fn next_command(&mut self, side: Side) -> Option<Command> {
        if side == Side::To {
            return self.restorer.next_command();
        }
        let (asked, command) = match self.ends.pop_front() {
            Some(end) => end,
            None if self.stopped || self.failed.is_some() => return None,
            None => match (self.held < HELD).then(|| self.finder.take()).flatten() {
                Some(job) => {
                    if let Err(error) = job.whole() {
                        self.fail(error);
                        return None;
                    }
                    self.held = self.held.saturating_add(1);
                    let id = job.id;
                    self.reserving.push_back(job);
                    (Asked::Reserve, Command::ReserveJob { id })
                }
                None => (Asked::Find, self.finder.next_command()?),
            },
        };
        self.asked.push_back(asked);
        Some(command)
    }

    fn handle_reply(&mut self, side: Side, result: Result<Reply, Error>) {
        if side == Side::To {
            match self.restorer.handle_reply(result) {
                Some((source, Ok(()))) => {
                    self.moved = self.moved.saturating_add(1);
                    self.bytes = self.bytes.saturating_sub(source.bytes);
                    self.ends.push_back((Asked::Delete(source.give_back), Command::Delete { id: source.id }));
                }
                Some((source, Err(error))) => {
                    self.give_back(source);
                    self.fail(error);
                }
                None => {}
            }
            return;
        }
        match self.asked.pop_front() {
            Some(Asked::Reserve) => self.reserved(result),
            Some(Asked::Delete(give_back)) => match found(result) {
                // Its time to run may be over, and another worker may have it: then there are two of it.
                Ok(_) => self.held = self.held.saturating_sub(1),
                // So there are now, but this one is as it was.
                Err(error) => {
                    self.ends.push_back((Asked::GiveBack, give_back));
                    self.fail(error);
                }
            },
            // What the move has failed with is the better reason.
            Some(Asked::GiveBack) => self.held = self.held.saturating_sub(1),
            Some(Asked::Find) | None => {
                if let Err(error) = self.finder.handle_reply(result) {
                    self.fail(error);
                }
            }
        }
    }
}

/// Puts a job back into the queue where it was.
pub(in crate::policy) fn give_back(id: JobId, stats: &JobStats, queue: Queue) -> Command {
    let priority = stats.pri.unwrap_or_default();
    match queue {
        Queue::Buried => Command::Bury { id, priority },
        _ => Command::Release { id, priority, delay: delay_left(stats, queue) },
    }
}

fn delay_left(stats: &JobStats, queue: Queue) -> u32 {
    if queue == Queue::Delayed { seconds(stats.time_left) } else { 0 }
}

fn seconds(duration: Option<Duration>) -> u32 {
    duration.and_then(|duration| u32::try_from(duration.as_secs()).ok()).unwrap_or(0)
}
