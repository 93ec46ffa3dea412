//! Looking after tubes: emptying one, moving jobs to another, seeing whether one is empty.
//!
//! ```text
//!   ClearTube:  use ─▶ peek ─▶ delete ─┐            NOT_FOUND: the next queue ─ … ─▶ done: use what was used before
//!                       ▲──────────────┘
//!
//!   MoveJobs:   use ─▶ peek ─▶ stats-job ─▶ reserve-job ─▶ put there ─▶ delete ─┐   NOT_FOUND: the next queue ─ … ─▶ done
//!                       ▲────────────────────────────────────────────────────────┘
//!
//!   KickBuried: use ─▶ stats-tube ─▶ peek-buried ─▶ kick-job ─┐     NOT_FOUND, or as many as were buried: done, as ClearTube
//!                                     ▲────────────────────────┘
//! ```
//!
//! Each is told the result of one command and names the next. A job that somebody else takes in between is left to them.
//! Tubes that go on filling are worked on for as long as they do: stop after any reply.
//!
//! A job that moves is put before it is deleted. So if a connection breaks in between, there are two of it, and never none.
//! It keeps its priority, its ttr and what is left of its delay; its id and its counts are new, and one that was buried
//! is ready. If the put only buries it, for lack of memory, it stays where it was too, and the move ends with that.

use alloc::vec::{self, Vec};
use core::{mem, time::Duration};

use beanstalk_proto::{
    Buried, Command, CommandError, Error, JobId, Reply, Subject, TubeName,
    stats::{JobStats, TubeStats},
};

/// A queue of a tube. Jobs that are held are in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

    const fn peek(self) -> Command {
        match self {
            Self::Ready => Command::PeekReady,
            Self::Delayed => Command::PeekDelayed,
            Self::Buried => Command::PeekBuried,
        }
    }
}

/// Peeks into one queue after the other.
#[derive(Debug)]
struct Queues {
    current: Queue,
    left: vec::IntoIter<Queue>,
}

impl Queues {
    fn new(queues: &[Queue]) -> Option<Self> {
        let mut left = Vec::from(queues).into_iter();
        Some(Self { current: left.next()?, left })
    }

    /// The queue is empty: peeks into the next.
    fn next_peek(&mut self) -> Option<Command> {
        self.current = self.left.next()?;
        Some(self.current.peek())
    }
}

/// Splits what is not there from what went wrong.
fn found(result: Result<Reply, Error>) -> Result<Option<Reply>, Error> {
    match result {
        Err(error) if error.command_error() == Some(CommandError::NotFound) => Ok(None),
        result => result.map(Some),
    }
}

/// What was sent last.
#[derive(Debug)]
enum Doing {
    Use,
    Peek,
    Stats(JobId),
    Reserve(JobId, JobStats),
    Put(JobId, JobStats),
    Delete,
    /// A job could not be put, for this reason.
    GiveBack(Error),
    Nothing,
}

/// Deletes all jobs of some queues of a tube, on one connection.
#[derive(Debug)]
pub struct ClearTube {
    tube: TubeName,
    queues: Option<Queues>,
    doing: Doing,
    /// The tube that was in use.
    used: Option<TubeName>,
    deleted: u64,
}

impl ClearTube {
    /// Clears these queues of a tube. Begin with the command that comes with it.
    #[must_use]
    pub fn new(tube: TubeName, queues: &[Queue]) -> (Self, Command) {
        let machine = Self { tube, queues: Queues::new(queues), doing: Doing::Nothing, used: None, deleted: 0 };
        (machine, Command::ListTubeUsed)
    }

    /// What came of the last command; gives the next, or nothing at the end.
    ///
    /// # Errors
    ///
    /// What the command failed with, which is the end too.
    pub fn handle_reply(&mut self, result: Result<Reply, Error>) -> Result<Option<Command>, Error> {
        let reply = found(result)?;
        let Some(queues) = &mut self.queues else { return Ok(None) };
        let (doing, command) = match (&self.doing, reply) {
            (Doing::Nothing, Some(Reply::Using(used))) => {
                self.used = Some(used);
                (Doing::Use, Command::Use { tube: self.tube.clone() })
            }
            (Doing::Peek, Some(Reply::Found(job))) => (Doing::Delete, Command::Delete { id: job.id }),
            (Doing::Peek, _) => match queues.next_peek() {
                Some(peek) => (Doing::Peek, peek),
                None => {
                    self.queues = None;
                    return Ok(self.used.take().map(|tube| Command::Use { tube }));
                }
            },
            (_, reply) => {
                self.deleted = self.deleted.saturating_add(u64::from(reply == Some(Reply::Deleted)));
                (Doing::Peek, queues.current.peek())
            }
        };
        self.doing = doing;
        Ok(Some(command))
    }

    /// How many jobs it has deleted so far.
    #[must_use]
    pub const fn deleted(&self) -> u64 {
        self.deleted
    }
}

/// Kicks the jobs of a tube that are buried, each by its id, on one connection: never a delayed one, as `kick` does once
/// none is buried. Those buried meanwhile are left alone, so that it ends.
#[derive(Debug)]
pub struct KickBuried {
    tube: TubeName,
    /// The tube that was in use.
    used: Option<TubeName>,
    /// How many may be left to kick.
    left: u64,
    kicked: u64,
    /// Whether the last command was a `peek-buried`.
    peeking: bool,
    done: bool,
}

impl KickBuried {
    /// Kicks what is buried in a tube. Begin with the command that comes with it.
    #[must_use]
    pub fn new(tube: TubeName) -> (Self, Command) {
        (Self { tube, used: None, left: 0, kicked: 0, peeking: false, done: false }, Command::ListTubeUsed)
    }

    /// What came of the last command; gives the next, or nothing at the end.
    ///
    /// # Errors
    ///
    /// What the command failed with, which is the end too.
    pub fn handle_reply(&mut self, result: Result<Reply, Error>) -> Result<Option<Command>, Error> {
        let reply = found(result)?;
        if self.done {
            return Ok(None);
        }
        match reply {
            Some(Reply::Using(used)) if self.used.is_none() => {
                self.used = Some(used);
                return Ok(Some(Command::Use { tube: self.tube.clone() }));
            }
            Some(Reply::Using(_)) => return Ok(Some(Command::StatsTube { tube: self.tube.clone() })),
            Some(Reply::Found(job)) => {
                self.peeking = false;
                return Ok(Some(Command::KickJob { id: job.id }));
            }
            Some(Reply::Ok(body)) => {
                let stats = TubeStats::decode(&body).map_err(|error| Error::Stats {
                    command: "stats-tube",
                    subject: Subject::Tube(self.tube.clone()),
                    error,
                })?;
                self.left = stats.current_jobs_buried.unwrap_or(u64::MAX);
            }
            Some(_) => {
                self.kicked = self.kicked.saturating_add(1);
                self.left = self.left.saturating_sub(1);
            }
            None if self.peeking => self.left = 0,
            // Somebody else was quicker with this one.
            None => self.left = self.left.saturating_sub(1),
        }
        self.done = self.left == 0;
        self.peeking = !self.done;
        match self.done {
            true => Ok(self.used.take().map(|tube| Command::Use { tube })),
            false => Ok(Some(Command::PeekBuried)),
        }
    }

    /// How many jobs it has kicked so far.
    #[must_use]
    pub const fn kicked(&self) -> u64 {
        self.kicked
    }
}

/// On which of two connections to send a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// On the one that jobs are taken from.
    From(Command),
    /// On the one that they are put on.
    To(Command),
}

/// Moves the jobs of some queues of a tube to another tube, on the same server or another, over two connections. Servers
/// from 1.12 on. From a tube to itself it would never end.
#[derive(Debug)]
pub struct MoveJobs {
    from: TubeName,
    queues: Option<Queues>,
    doing: Doing,
    moved: u64,
}

impl MoveJobs {
    /// Moves these queues of a tube. Begin with the command that comes with it. Both connections use other tubes
    /// afterwards.
    #[must_use]
    pub fn new(from: TubeName, to: TubeName, queues: &[Queue]) -> (Self, Side) {
        let machine = Self { from, queues: Queues::new(queues), doing: Doing::Nothing, moved: 0 };
        (machine, Side::To(Command::Use { tube: to }))
    }

    /// What came of the last command; gives the next, or nothing at the end.
    ///
    /// # Errors
    ///
    /// What the command failed with, which is the end too. A job that could not be put is given back first; so is one that
    /// was put but buried for lack of memory ([`Error::Buried`], which names the copy).
    pub fn handle_reply(&mut self, result: Result<Reply, Error>) -> Result<Option<Side>, Error> {
        let Some(queues) = &mut self.queues else { return Ok(None) };
        let (doing, side) = match (mem::replace(&mut self.doing, Doing::Peek), result) {
            (Doing::GiveBack(error), _) => return Err(error),
            (Doing::Put(id, stats), Err(error)) => {
                let side = Side::From(give_back(id, &stats, queues.current));
                (Doing::GiveBack(error), side)
            }
            (Doing::Put(id, stats), Ok(Reply::BuriedId(copy))) => {
                let side = Side::From(give_back(id, &stats, queues.current));
                (Doing::GiveBack(Buried { id: Some(copy) }.into()), side)
            }
            (doing, result) => match (doing, found(result)?) {
                (Doing::Nothing, _) => (Doing::Use, Side::From(Command::Use { tube: self.from.clone() })),
                (Doing::Peek, Some(Reply::Found(job))) => {
                    (Doing::Stats(job.id), Side::From(Command::StatsJob { id: job.id }))
                }
                (Doing::Peek, _) => match queues.next_peek() {
                    Some(peek) => (Doing::Peek, Side::From(peek)),
                    None => {
                        self.queues = None;
                        return Ok(None);
                    }
                },
                (Doing::Stats(id), Some(Reply::Ok(body))) => {
                    let stats = JobStats::decode(&body).unwrap_or_default();
                    (Doing::Reserve(id, stats), Side::From(Command::ReserveJob { id }))
                }
                (Doing::Reserve(id, stats), Some(Reply::Reserved(job))) => {
                    let (priority, ttr) = (stats.pri.unwrap_or_default(), seconds(stats.ttr));
                    let delay = delay_left(&stats, queues.current);
                    (Doing::Put(id, stats), Side::To(Command::Put { priority, delay, ttr, body: job.body }))
                }
                (Doing::Put(id, _), _) => {
                    self.moved = self.moved.saturating_add(1);
                    (Doing::Delete, Side::From(Command::Delete { id }))
                }
                _ => (Doing::Peek, Side::From(queues.current.peek())),
            },
        };
        self.doing = doing;
        Ok(Some(side))
    }

    /// How many jobs it has put so far.
    #[must_use]
    pub const fn moved(&self) -> u64 {
        self.moved
    }
}

/// Puts a job back where it was.
fn give_back(id: JobId, stats: &JobStats, queue: Queue) -> Command {
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

/// Whether a tube has nothing to be done: no job is ready, held or delayed. What is buried stays so until it is kicked,
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
