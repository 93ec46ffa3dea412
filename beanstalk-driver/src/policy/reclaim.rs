//! Taking a job back after the connection that held it broke.
//!
//! ```text
//!   Peek ── same body ──▶ Inspect (stats-job) ── same tube, old enough, reserved before ──▶ Reserve ── same body ──▶ Ours
//!     │                      │                                                                │
//!     └── NOT_FOUND, or another job ──▶ Gone ◀── released or buried, as it was ◀── GiveBack ◀─┘ another body
//! ```
//!
//! A server restarted without a binlog counts ids from 1 again, so the id may stand for another job, even one with an
//! equal body. Deleting that one would lose a job that was never processed. So the id is not enough, nor is the body:
//!
//! - it must be in a tube that the job can have come from;
//! - it must have been put no later than the job was reserved here. The server prints ages in whole seconds, rounded
//!   down, so a job that is younger by less than a second cannot be distinguished by its age;
//! - it must have been reserved before. A server that was restarted with a binlog does not remember that it was, but
//!   does not hand out its id again either: there, a job that is in the binlog will do.
//!
//! All commands of one attempt belong on one connection. Another one may lead to another server.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use super::{
    hash,
    upkeep::{Queue, give_back},
};
use beanstalk_proto::{
    Command, CommandError, Error, Instant, Job, JobId, Reply, TubeName,
    stats::{JobState, JobStats},
};

/// Ages are printed in whole seconds, rounded down.
const AGE_RESOLUTION: Duration = Duration::from_secs(1);

/// What distinguishes a reserved job from others that may get its id.
#[derive(Clone, Debug)]
pub struct Claim {
    id: JobId,
    body: u64,
    tubes: Vec<TubeName>,
    since: Instant,
}

impl Claim {
    /// Makes the claim to a job whose reservation was received at `since`, from one of these tubes.
    #[must_use]
    pub fn new(job: &Job, tubes: Vec<TubeName>, since: Instant) -> Self {
        Self { id: job.id, body: hash::fnv1a([&job.body[..]]), tubes, since }
    }

    /// Notes the tube, asked for while the job was held.
    pub fn handle_stats(&mut self, stats: &JobStats) {
        if let Some(tube) = &stats.tube {
            self.tubes = Vec::from([tube.clone()]);
        }
    }

    fn has_body(&self, job: &Job) -> bool {
        self.body == hash::fnv1a([&job.body[..]])
    }

    /// Whether a job with these statistics, asked for at `asked`, can be the one that was held.
    fn fits(&self, stats: &JobStats, asked: Instant) -> bool {
        let held_for = asked.saturating_duration_since(self.since);
        let is_old_enough = stats.age.is_some_and(|age| age.saturating_add(AGE_RESOLUTION) > held_for);
        let was_reserved = [stats.reserves, stats.file].into_iter().any(|count| count > Some(0));
        // Should it be another after all, it is given back as it was.
        let can_be_given_back = stats.pri.is_some();
        let is_in_tube = stats.tube.as_ref().is_some_and(|tube| self.tubes.contains(tube));
        is_in_tube && is_old_enough && was_reserved && can_be_given_back
    }
}

/// The state of an attempt to take a job back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reclaimed {
    /// Nothing yet: send [`Reclaim::poll_command`].
    NotYet,
    /// The job is held again.
    Ours,
    /// It is gone, held elsewhere, or another job has its id.
    Gone,
}

#[derive(Clone, Debug)]
enum Step {
    Peek,
    Inspect { asked: Instant },
    Reserve(Box<JobStats>),
    GiveBack(Command),
}

/// One attempt to take a job back, on one connection. Servers from 1.12 on.
#[derive(Clone, Debug)]
pub struct Reclaim {
    step: Step,
}

impl Default for Reclaim {
    fn default() -> Self {
        Self { step: Step::Peek }
    }
}

impl Reclaim {
    /// Returns the command to send now; then [`Reclaim::handle_reply`].
    pub fn poll_command(&mut self, claim: &Claim, now: Instant) -> Command {
        let id = claim.id;
        match &mut self.step {
            Step::Peek => Command::Peek { id },
            Step::Inspect { asked } => {
                *asked = now;
                Command::StatsJob { id }
            }
            Step::Reserve(_) => Command::ReserveJob { id },
            Step::GiveBack(command) => command.clone(),
        }
    }

    /// Takes the result of the command.
    ///
    /// # Errors
    ///
    /// What the command failed with, `NOT_FOUND` excepted.
    pub fn handle_reply(&mut self, claim: &Claim, result: Result<Reply, Error>) -> Result<Reclaimed, Error> {
        let reply = match result {
            Err(error) if error.command_error() == Some(CommandError::NotFound) => return Ok(Reclaimed::Gone),
            result => result?,
        };
        let next = match (&mut self.step, reply) {
            (Step::Peek, Reply::Found(job)) if claim.has_body(&job) => Step::Inspect { asked: Instant::ZERO },
            (Step::Inspect { asked }, Reply::Ok(body)) => {
                let stats = JobStats::decode(&body).unwrap_or_default();
                match claim.fits(&stats, *asked) {
                    true => Step::Reserve(Box::new(stats)),
                    false => return Ok(Reclaimed::Gone),
                }
            }
            (Step::Reserve(_), Reply::Reserved(job)) if claim.has_body(&job) => return Ok(Reclaimed::Ours),
            (Step::Reserve(stats), Reply::Reserved(_)) => {
                let queue = match stats.state {
                    Some(JobState::Buried) => Queue::Buried,
                    Some(JobState::Delayed) => Queue::Delayed,
                    _ => Queue::Ready,
                };
                Step::GiveBack(give_back(claim.id, stats, queue))
            }
            _ => return Ok(Reclaimed::Gone),
        };
        self.step = next;
        Ok(Reclaimed::NotYet)
    }
}

#[cfg(test)]
mod tests;
