//! The job that a slot has in hand.
//!
//! ```text
//!            the connection broke            Reclaim: it is the same job
//!   Ours ───────────────────────▶ Missing ─────────────────────────────▶ Ours
//!     │                              │
//!     └── NOT_FOUND, or no reclaim ──┴──▶ Lost
//! ```

use alloc::{boxed::Box, vec::Vec};

use super::{Awaited, Claim, Deferrals, Failed, Reclaimed, RetryPolicy, Verdict};
use crate::{
    connect::Endpoint,
    policy::{
        heartbeat::{Beat, Heartbeat},
        reclaim::Reclaim,
    },
};
use beanstalk_proto::{Command, Error, Instant, Job, JobId, Reply, Seconds, stats::JobStats};

/// Whether the job is this connection's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Ours,
    Missing,
    Lost,
}

/// How far its handler is.
#[derive(Clone, Debug)]
pub(super) enum Run {
    /// It was not handed over yet.
    Waiting(Job),
    Running,
    Finished {
        verdict: Verdict,
        /// How often it was deferred before.
        deferrals: u64,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Held {
    id: JobId,
    /// Tells it from others, if it is to be taken back.
    claim: Option<Claim>,
    reclaim: Reclaim,
    pub(super) hold: Hold,
    pub(super) run: Run,
    pub(super) heartbeat: Heartbeat,
    /// What finishing it needs to know.
    facts: Option<Box<JobStats>>,
}

impl Held {
    /// A job that was just reserved.
    pub(super) fn new(job: Job, claim: Option<Claim>, now: Instant) -> Self {
        Self {
            id: job.id,
            claim,
            reclaim: Reclaim::default(),
            hold: Hold::Ours,
            run: Run::Waiting(job),
            heartbeat: Heartbeat::new(now),
            facts: None,
        }
    }

    /// A job whose body is over this client's limit: it is buried, or it would come back for ever.
    pub(super) fn unreadable(id: JobId, now: Instant) -> Self {
        let job = Job { id, body: Vec::new() };
        Self { run: Run::Finished { verdict: Verdict::Bury, deferrals: 0 }, ..Self::new(job, None, now) }
    }

    /// Hands the job over to its handler, once.
    pub(super) fn start(&mut self) -> Option<Job> {
        match core::mem::replace(&mut self.run, Run::Running) {
            Run::Waiting(job) => Some(job),
            run => {
                self.run = run;
                None
            }
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.run, Run::Running)
    }

    pub(super) const fn is_not_begun(&self) -> bool {
        matches!(self.run, Run::Waiting(_))
    }

    /// The connection broke: whether the job is to be taken back on the next one.
    pub(super) fn handle_disconnected(&mut self) -> bool {
        let may = self.claim.is_some() && self.hold != Hold::Lost;
        if may {
            self.hold = Hold::Missing;
            self.reclaim = Reclaim::default();
        }
        may
    }

    /// What came of a command that is to take it back.
    pub(super) fn handle_reclaim(&mut self, result: Result<Reply, Error>, now: Instant) -> Result<Reclaimed, Error> {
        let Some(claim) = &self.claim else { return Ok(Reclaimed::Gone) };
        let reclaimed = self.reclaim.handle_reply(claim, result)?;
        if reclaimed == Reclaimed::Ours {
            self.hold = Hold::Ours;
            self.heartbeat = Heartbeat::new(now);
            self.facts = None;
        }
        Ok(reclaimed)
    }

    pub(super) fn handle_stats(&mut self, stats: &JobStats, now: Instant) {
        self.facts = Some(Box::new(stats.clone()));
        if let Some(claim) = &mut self.claim {
            claim.handle_stats(stats);
        }
        match stats.ttr {
            Some(_) => self.heartbeat.handle_stats(stats),
            None => self.heartbeat.handle_refused(now),
        }
    }

    /// Its handler has ended.
    pub(super) fn handle_finished(&mut self, verdict: Verdict, server: &Endpoint, known: &mut Deferrals) {
        if verdict.is_deferral() {
            known.note(server, self.id);
        }
        let deferrals = if verdict == Verdict::Failed { known.count(server, self.id) } else { 0 };
        self.run = Run::Finished { verdict, deferrals };
    }

    /// What to send about it now.
    pub(super) fn next_command(&mut self, retry: &RetryPolicy, now: Instant) -> Option<(Awaited, Command)> {
        let id = self.id;
        match (self.hold, &self.run) {
            (Hold::Lost, _) | (Hold::Ours, Run::Waiting(_)) => None,
            (Hold::Missing, _) => Some((Awaited::Reclaim, self.reclaim.poll_command(self.claim.as_ref()?, now))),
            (Hold::Ours, Run::Finished { verdict, deferrals }) => Some(self.finish(*verdict, *deferrals, retry)),
            (Hold::Ours, Run::Running) => match self.heartbeat.poll_beat(now)? {
                Beat::Touch => Some((Awaited::Touch, Command::Touch { id })),
                Beat::Learn => Some((Awaited::Learn, Command::StatsJob { id })),
            },
        }
    }

    /// Carries a verdict out; all but `Done` need the job's priority first.
    fn finish(&self, verdict: Verdict, deferrals: u64, retry: &RetryPolicy) -> (Awaited, Command) {
        let id = self.id;
        let Some(stats) = &self.facts else {
            let command = if verdict == Verdict::Done { Command::Delete { id } } else { Command::StatsJob { id } };
            return (if verdict == Verdict::Done { Awaited::Verdict } else { Awaited::Learn }, command);
        };
        let priority = stats.pri.unwrap_or_default();
        let release = |after: Seconds| {
            let delay = u32::try_from(after.get()).unwrap_or(u32::MAX);
            Command::Release { id, priority, delay }
        };
        let command = match verdict {
            Verdict::Done => Command::Delete { id },
            Verdict::RetryAfter(delay) => release(delay),
            Verdict::Failed => match retry.failed(retry.failures(stats, deferrals)) {
                Failed::Release(delay) => release(delay),
                Failed::Bury => Command::Bury { id, priority },
            },
            Verdict::Bury => Command::Bury { id, priority },
        };
        (Awaited::Verdict, command)
    }
}
