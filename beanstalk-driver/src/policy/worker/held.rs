//! The job that a slot has in hand.
//!
//! ```text
//!            the connection broke            Reclaim: it is the same job
//!   Ours ───────────────────────▶ Missing ─────────────────────────────▶ Ours
//!     │                              │
//!     └── NOT_FOUND, or no reclaim ──┴──▶ Lost
//! ```

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use super::{
    Awaited, Verdict,
    event::{BuryReason, JobEvent},
};
use crate::{
    connect::Endpoint,
    policy::{
        hash,
        heartbeat::{Beat, Heartbeat},
        reclaim::{Claim, Reclaim, Reclaimed},
        retry::{Deferrals, Failed, RetryPolicy},
    },
};
use beanstalk_proto::{Command, Error, Instant, Job, JobId, Reply, TubeName, stats::JobStats};

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
    /// It was not handed over yet: it is about to be, or the server is asked about it before.
    Waiting(Job),
    Running {
        since: Instant,
    },
    Finished(Finished),
}

/// Its handler's outcome.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    verdict: Verdict,
    /// The verdict is on a job whose body was over a limit.
    too_big: bool,
    /// The job failed as its body is malformed, and is not tried again.
    malformed: bool,
    /// How long the handler ran.
    took: Duration,
    /// How often it was deferred before.
    deferrals: u64,
    /// What the function for failures has made of it.
    decided: Option<Verdict>,
    /// How far it is on its way to the tube for dead letters.
    moving: Moving,
    /// What has happened once the command that was sent is carried out.
    then: Option<JobEvent>,
}

#[derive(Clone, Debug)]
enum Moving {
    ToPeek,
    ToPut(Vec<u8>),
    Put(JobId),
    /// The server would not have it.
    Refused,
}

impl Finished {
    const fn new(verdict: Verdict, took: Duration, deferrals: u64) -> Self {
        Self {
            verdict,
            too_big: false,
            malformed: false,
            took,
            deferrals,
            decided: None,
            moving: Moving::ToPeek,
            then: None,
        }
    }
}

/// What to do about a job.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Send(Awaited, Command),
    Decide { id: JobId, attempt: u64, stats: Box<JobStats> },
}

/// What becomes of jobs that fail, as a worker is configured.
#[derive(Clone, Debug)]
pub(super) struct Failures {
    pub(super) retry: RetryPolicy,
    /// A function is asked first.
    pub(super) decides: bool,
    pub(super) dead_letters: Option<TubeName>,
    /// Jobs whose body is malformed are not tried again.
    pub(super) bury_malformed: bool,
    pub(super) random: u64,
    /// The tube for dead letters is the one in use.
    pub(super) in_use: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Held {
    id: JobId,
    /// Identifies it, if it is to be taken back.
    claim: Option<Claim>,
    reclaim: Reclaim,
    pub(super) hold: Hold,
    pub(super) run: Run,
    pub(super) heartbeat: Heartbeat,
    /// What finishing it depends on.
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

    /// A job whose body is over this client's limit: it is buried, or it would come back again and again.
    pub(super) fn unreadable(id: JobId, now: Instant) -> Self {
        let job = Job { id, body: Vec::new() };
        let finished = Finished { too_big: true, ..Finished::new(Verdict::Bury, Duration::ZERO, 0) };
        Self { run: Run::Finished(finished), ..Self::new(job, None, now) }
    }

    pub(super) const fn id(&self) -> JobId {
        self.id
    }

    /// What the server has answered about it, if it was asked.
    pub(super) fn stats(&self) -> Option<&JobStats> {
        self.facts.as_deref()
    }

    /// Hands the job over to its handler, once, and if it has to be asked about before, once it was.
    pub(super) fn start(&mut self, learns_first: bool, now: Instant) -> Option<Job> {
        if learns_first && self.facts.is_none() {
            return None;
        }
        match core::mem::replace(&mut self.run, Run::Running { since: now }) {
            Run::Waiting(job) => Some(job),
            run => {
                self.run = run;
                None
            }
        }
    }

    /// Since when its handler runs, if it does.
    pub(super) const fn running_since(&self) -> Option<Instant> {
        match self.run {
            Run::Running { since } => Some(since),
            _ => None,
        }
    }

    /// Whether the server has to be asked about it before it is handed over.
    pub(super) fn is_to_be_learned(&self) -> bool {
        self.hold == Hold::Ours && self.is_not_begun() && self.facts.is_none()
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.run, Run::Running { .. })
    }

    pub(super) const fn is_finished(&self) -> bool {
        matches!(self.run, Run::Finished(_))
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

    /// Takes the result of a command that is to take it back.
    pub(super) fn handle_reclaim(&mut self, result: Result<Reply, Error>, now: Instant) -> Result<Reclaimed, Error> {
        let Some(claim) = &self.claim else { return Ok(Reclaimed::Gone) };
        let reclaimed = self.reclaim.handle_reply(claim, result)?;
        if reclaimed == Reclaimed::Ours {
            self.hold = Hold::Ours;
            self.heartbeat = Heartbeat::new(now);
            self.facts = None;
            if let Run::Finished(finished) = &mut self.run {
                finished.moving = Moving::ToPeek;
            }
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
    pub(super) fn handle_finished(&mut self, verdict: Verdict, server: &Endpoint, known: &mut Deferrals, now: Instant) {
        let took = match self.run {
            Run::Running { since } => now.saturating_duration_since(since),
            _ => Duration::ZERO,
        };
        // A job that is done is not asked about.
        let deferrals = if verdict == Verdict::Done { 0 } else { known.count(server, self.id) };
        if verdict.is_deferral() {
            known.note(server, self.id);
        }
        self.run = Run::Finished(Finished::new(verdict, took, deferrals));
    }

    /// Its handler has failed as the body is malformed: the retry policy is not asked.
    pub(super) const fn give_up_as_malformed(&mut self) {
        if let Run::Finished(finished) = &mut self.run {
            finished.malformed = true;
        }
    }

    /// The function for failures has chosen.
    pub(super) fn handle_decision(&mut self, verdict: Verdict) {
        if let Run::Finished(finished) = &mut self.run {
            finished.decided = Some(verdict);
        }
    }

    /// What has come of a command that is to move it.
    pub(super) fn handle_moving(&mut self, reply: Option<Reply>) {
        let Run::Finished(finished) = &mut self.run else { return };
        match reply {
            Some(Reply::Found(job)) => finished.moving = Moving::ToPut(job.body),
            // One that is buried there for lack of memory is still there.
            Some(Reply::Inserted(id) | Reply::BuriedId(id)) => finished.moving = Moving::Put(id),
            Some(_) => {}
            None => finished.moving = Moving::Refused,
        }
    }

    /// What has happened, now that the verdict is carried out.
    pub(super) fn carried_out(self, reply: &Reply) -> Option<JobEvent> {
        let Run::Finished(Finished { then, .. }) = self.run else { return None };
        match (then, reply) {
            (Some(JobEvent::Retried { .. }), Reply::Buried) => {
                Some(JobEvent::Buried { reason: BuryReason::OutOfMemory })
            }
            (then, _) => then,
        }
    }

    /// What to do about it now.
    pub(super) fn next(&mut self, failures: &mut Failures, now: Instant) -> Option<Next> {
        let id = self.id;
        match (self.hold, &self.run) {
            (Hold::Lost, _) => None,
            (Hold::Missing, _) => {
                Some(Next::Send(Awaited::Reclaim, self.reclaim.poll_command(self.claim.as_ref()?, now)))
            }
            (Hold::Ours, Run::Finished(_)) => self.finish(failures),
            (Hold::Ours, Run::Waiting(_) | Run::Running { .. }) => match self.heartbeat.poll_beat(now)? {
                Beat::Touch => Some(Next::Send(Awaited::Touch, Command::Touch { id })),
                Beat::Learn => Some(Next::Send(Awaited::Learn, Command::StatsJob { id })),
            },
        }
    }

    /// Carries a verdict out; all but `Done` need the job's priority first.
    fn finish(&mut self, failures: &mut Failures) -> Option<Next> {
        let (id, facts) = (self.id, self.facts.as_deref());
        let Run::Finished(finished) = &mut self.run else { return None };
        let verdict = finished.decided.unwrap_or(finished.verdict);
        if verdict == Verdict::Done {
            finished.then = Some(JobEvent::Done { took: finished.took });
            return Some(Next::Send(Awaited::Verdict, Command::Delete { id }));
        }
        let Some(stats) = facts else { return Some(Next::Send(Awaited::Learn, Command::StatsJob { id })) };
        let failed = failures.retry.failures(stats, finished.deferrals);
        let attempt = failed.saturating_add(1);
        if finished.verdict == Verdict::Failed && failures.decides && finished.decided.is_none() {
            return Some(Next::Decide { id, attempt, stats: Box::new(stats.clone()) });
        }
        let priority = stats.pri.unwrap_or_default();
        let release = match verdict {
            Verdict::RetryAfter(delay) => Some(delay),
            Verdict::Failed if finished.malformed => None,
            Verdict::Failed => {
                failures.random = hash::scatter(failures.random);
                match failures.retry.failed(failed, failures.random) {
                    Failed::Release(delay) => Some(delay),
                    Failed::Bury => None,
                }
            }
            Verdict::Bury | Verdict::Done => None,
        };
        if let Some(delay) = release {
            finished.then = Some(JobEvent::Retried { attempt, delay });
            let delay = u32::try_from(delay.get()).unwrap_or(u32::MAX);
            return Some(Next::Send(Awaited::Verdict, Command::Release { id, priority, delay }));
        }
        let reason = match finished.verdict {
            Verdict::Failed if finished.malformed => BuryReason::Malformed,
            Verdict::Failed => BuryReason::Failed { attempt },
            _ if finished.too_big => BuryReason::TooBig,
            _ => BuryReason::Handler,
        };
        if let (BuryReason::Failed { .. } | BuryReason::Malformed, Some(tube)) = (reason, &failures.dead_letters) {
            if let Some(next) = finished.next_of_moving(id, tube, stats, failures.in_use) {
                return Some(next);
            }
        }
        finished.then = Some(JobEvent::Buried { reason });
        Some(Next::Send(Awaited::Verdict, Command::Bury { id, priority }))
    }
}

impl Finished {
    /// What is next on the way to the tube for dead letters: the job is put there before it is deleted, so that there may be two of
    /// it for a while, and never none. Its body is asked for, as the handler has got it.
    fn next_of_moving(&mut self, id: JobId, tube: &TubeName, stats: &JobStats, in_use: bool) -> Option<Next> {
        let (awaited, command) = match &mut self.moving {
            Moving::ToPeek => (Awaited::Moving, Command::Peek { id }),
            Moving::ToPut(_) if !in_use => (Awaited::Use, Command::Use { tube: tube.clone() }),
            Moving::ToPut(body) => {
                let ttr = u32::try_from(stats.ttr.unwrap_or_default().as_secs()).unwrap_or(u32::MAX);
                let (priority, body) = (stats.pri.unwrap_or_default(), core::mem::take(body));
                (Awaited::Moving, Command::Put { priority, delay: 0, ttr, body })
            }
            Moving::Put(there) => {
                self.then = Some(JobEvent::Moved { tube: tube.clone(), id: *there });
                (Awaited::Verdict, Command::Delete { id })
            }
            Moving::Refused => return None,
        };
        Some(Next::Send(awaited, command))
    }
}
