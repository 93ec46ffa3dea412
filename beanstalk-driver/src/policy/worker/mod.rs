//! One slot of a worker: one connection, one job at a time.
//!
//! ```text
//!            ┌──────────────────── reply to the verdict's command ◀── delete, release, bury ◀─┐
//!            ▼                                                                                │
//!   ─▶ Idle: reserve ── RESERVED ─▶ Start ─▶ Running: touch when due ── handle_finished ─▶ Finishing
//!            │                                  │                                             │
//!            │                                  └── the connection broke, NOT_FOUND ──────────┤
//!            │                                                                                ▼
//!            │                                              the job is lost: its verdict changes nothing
//!            ▼
//!   shutdown: Stop at once when idle, else when the verdict is carried out, and at the deadline in any case
//! ```
//!
//! A driver follows one rule: **after every `handle_`, and whenever a time has come that
//! [`Action::Wait`] named, carry out [`Worker::poll_action`] until it is `Wait` again.** A command is outstanding at most
//! one at a time, so a heartbeat never crosses another command; the handler runs beside all of this. The one exception:
//! what finishes a job goes out together with the next reserve, unless the slot is to stop. The server reads them in this
//! order, so whatever becomes of the first, the reserve is one of a slot that holds nothing; if the slot has to stop or the
//! first cannot be carried out, the connection is closed, and gives back what the reserve may have taken.
//!
//! # Waiting for a job
//!
//! An idle slot reserves with a timeout, again and again: each reply shows that the server is still there, which a
//! `reserve` without one never would. To stop while it waits, the slot doesn't wait for the slice to end but closes the
//! connection. Should a job come at this very moment, the server has it back at once, ready, with its priority, and
//! counts nothing against it; so what is left at the deadline of a shutdown is given back in the same way.
//!
//! A server may also have nothing but refusals, or end every reserve at once. So attempts to connect come at ever longer
//! intervals until a job was finished or a reserve has waited in vain, as it should; any other answer is not enough. And
//! after a reserve that ended without a job, the next one is sent a second after it at the earliest.
//!
//! # When the connection breaks
//!
//! The server makes the job ready again, so another worker may get it: the job is lost to this slot, whatever its handler
//! returns. With [`WorkerConfig::reclaim`] the slot first tries to take it back, by the rules of [`Reclaim`](super::Reclaim). It
//! does not once the verdict was sent: that may have been carried out, and a job released twice would count two failures
//! for one.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::{
    retry::Deferrals,
    session::{Event, Session, SessionConfig, Step, is_refusal},
    tubes::Tubes,
};
use crate::connect::Endpoint;
use beanstalk_proto::{Command, Error, Instant, JobId, stats::JobStats};

mod action;
mod config;
mod demand;
mod ending;
mod event;
mod held;
mod metrics;
mod outcome;
mod permit;
mod replies;

pub use action::Action;
use action::Awaited;
pub use config::WorkerConfig;
pub use demand::Demand;
pub use event::{BuryReason, JobEvent, Presence, SlotPresence, WorkerEvent};
use held::{Failures, Held, Hold, Next};
pub use metrics::Metrics;
pub use outcome::{Outcome, Verdict};
pub use permit::{Permit, Stage};

/// One slot of a worker, as a state machine.
#[derive(Clone, Debug)]
pub struct Worker {
    failures: Failures,
    reserve_slice: u32,
    reclaim: bool,
    learns_first: bool,
    handler_timeout: Option<Duration>,
    /// A handler runs on whose job was finished without it.
    left_running: bool,
    /// Reports whether the connection is busy with a question of the handler's.
    asking: bool,
    session: Session,
    held: Option<Held>,
    awaited: Option<Awaited>,
    /// What was sent with it, and is answered after it.
    then: Option<Awaited>,
    /// The connection is of no use any more and not closed yet.
    closing: bool,
    /// When the last reserve was sent.
    reserving_since: Instant,
    /// No reserve until then.
    pause: Instant,
    /// Whether it may reserve, or let the job in hand begin.
    permit: Permit,
    shutdown: Option<Instant>,
    stopped: bool,
    /// The server refused to be connected to.
    refused: bool,
    metrics: Metrics,
    events: VecDeque<(JobId, JobEvent)>,
}

impl Worker {
    /// Events kept for [`Worker::poll_job_event`]; the oldest go first.
    const MAX_EVENTS: usize = 64;

    /// Makes a slot without a connection yet. The seed is for the delays: no two slots should share one.
    #[must_use]
    pub fn new(config: &WorkerConfig, seed: u64) -> Self {
        let session = SessionConfig { reconnect: Some(config.backoff), patience: None };
        Self {
            failures: Failures {
                retry: config.retry,
                decides: config.decides,
                bury_malformed: config.bury_malformed,
                dead_letters: config.dead_letters.clone(),
                random: seed,
                in_use: false,
            },
            reserve_slice: config.reserve_slice,
            reclaim: config.reclaim,
            learns_first: config.learns_first,
            handler_timeout: config.handler_timeout,
            left_running: false,
            asking: false,
            session: Session::new(&session, Tubes::watching(config.tubes.iter().cloned()), seed),
            held: None,
            awaited: None,
            then: None,
            closing: false,
            reserving_since: Instant::ZERO,
            pause: Instant::ZERO,
            permit: Permit::Go,
            shutdown: None,
            stopped: false,
            refused: false,
            metrics: Metrics::default(),
            events: VecDeque::new(),
        }
    }

    /// Takes note of what a new connection uses and watches, if that is not `default`: see [`Tubes::greeted`].
    #[must_use]
    pub fn greeted(mut self, fresh: Tubes) -> Self {
        self.session = self.session.greeted(fresh);
        self
    }

    /// Returns what to do now. Call it again after carrying it out, until it is [`Action::Wait`].
    pub fn poll_action(&mut self, now: Instant) -> Action {
        if self.stopped || self.is_over(now) {
            self.stop();
            return Action::Stop;
        }
        if self.permit == Permit::GiveBack && self.stage() == Stage::Holding {
            self.give_back(now);
        }
        if core::mem::take(&mut self.closing) {
            return Action::Close;
        }
        let (may_begin, learns_first) = (self.permit == Permit::Go, self.learns_first);
        let begins = self.held.as_mut().filter(|_| may_begin).and_then(|held| held.start(learns_first, now));
        if let Some(job) = begins {
            return Action::Start(job);
        }
        let Some((after, at)) = self.handler_deadline() else { return self.next_action(now) };
        if now >= at {
            return Action::GiveUp(after);
        }
        match self.next_action(now) {
            Action::Wait(until) => Action::Wait(Some(until.map_or(at, |until| until.min(at)))),
            action => action,
        }
    }

    /// How long the handler may run, and until when.
    fn handler_deadline(&self) -> Option<(Duration, Instant)> {
        let after = self.handler_timeout?;
        Some((after, self.held.as_ref()?.running_since()? + after))
    }

    /// What to do but for the handler.
    fn next_action(&mut self, now: Instant) -> Action {
        if self.asking || self.awaited.is_some() || self.is_idle_until_the_handler_ends() {
            return Action::Wait(self.shutdown);
        }
        if let (None, Permit::Wait(until)) = (&self.held, self.permit) {
            return until.map_or(Action::Wait(self.shutdown), |until| self.wait(until));
        }
        match self.session.step(now, now) {
            Step::Ready => self.work(now),
            Step::Connect => {
                self.awaited = Some(Awaited::Connection);
                Action::Connect
            }
            Step::Replay(command) => self.send(Awaited::Replay, command),
            Step::WaitUntil(until) => self.wait(until),
            // The server refused us, and only the handler's end is waited for.
            Step::GiveUp if self.held.is_some() => Action::Wait(self.shutdown),
            Step::GiveUp => {
                self.stop();
                Action::Stop
            }
        }
    }

    /// Reports that there is a connection.
    pub fn handle_connected(&mut self, now: Instant) {
        if self.awaited == Some(Awaited::Connection) {
            self.awaited = None;
            self.failures.in_use = false;
            self.session.handle_connected(now);
        }
    }

    /// Reports that the connection could not be made, or broke while no reply was awaited.
    pub fn handle_disconnected(&mut self, error: &Error, now: Instant) {
        // What is under way at the deadline is broken off for the sake of the deadline.
        if self.is_past_deadline(now) {
            return self.stop();
        }
        self.closing = self.awaited != Some(Awaited::Connection);
        (self.awaited, self.then) = (None, None);
        self.session.handle_lost(error, now);
        if is_refusal(error) {
            self.refused = true;
            self.session.end();
            if self.held.is_some() {
                self.lose_job();
            }
        } else if !self.held.as_mut().is_some_and(Held::handle_disconnected) {
            self.lose_job();
        }
    }

    /// Reports that the handler has ended. All slots of a worker share what is remembered of deferrals.
    pub fn handle_finished(
        &mut self,
        outcome: impl Into<Outcome>,
        server: &Endpoint,
        deferrals: &mut Deferrals,
        now: Instant,
    ) {
        let Some(id) = self.held.as_ref().filter(|held| held.is_running()).map(Held::id) else { return };
        let outcome = outcome.into();
        let malformed = matches!(outcome, Outcome::Malformed(_));
        let verdict = match outcome {
            Outcome::Verdict(Verdict::Failed) => {
                self.happened(id, JobEvent::Failed { reason: "its verdict is that it failed".into() });
                Verdict::Failed
            }
            Outcome::Verdict(verdict) => verdict,
            Outcome::GivenBack => return self.give_back(now),
            Outcome::Failed(reason) => {
                self.happened(id, JobEvent::Failed { reason });
                Verdict::Failed
            }
            Outcome::Malformed(reason) => {
                self.happened(id, JobEvent::Malformed { reason });
                Verdict::Failed
            }
            Outcome::Panicked(reason) => {
                self.happened(id, JobEvent::Panicked { reason });
                Verdict::Failed
            }
            Outcome::TimedOut(after) => {
                self.happened(id, JobEvent::TimedOut { after });
                Verdict::Failed
            }
        };
        match &mut self.held {
            Some(held) if held.hold == Hold::Lost => self.held = None,
            Some(held) => {
                held.handle_finished(verdict, server, deferrals, now);
                if malformed && self.failures.bury_malformed {
                    held.give_up_as_malformed();
                }
            }
            None => {}
        }
    }

    /// Reports that the handler that was given up runs on, as it blocks: its job is finished without it, and no further one is reserved until
    /// [`Worker::handle_returned`].
    pub const fn handle_left_running(&mut self) {
        self.left_running = true;
    }

    /// Reports that the handler that ran on has returned.
    pub const fn handle_returned(&mut self) {
        self.left_running = false;
    }

    /// Reports what the function for failures has chosen: [`Verdict::Failed`] leaves it to the [`RetryPolicy`](super::RetryPolicy), and [`Verdict::RetryAfter`] counts
    /// as a failure.
    pub fn handle_decision(&mut self, verdict: Verdict) {
        if let Some(held) = &mut self.held {
            held.handle_decision(verdict);
        }
    }

    /// Reports whether the connection is busy with a question of the handler's, or no longer: until then nothing else is sent.
    pub const fn handle_asking(&mut self, asking: bool) {
        self.asking = asking;
    }

    /// Reports the statistics of the job in hand, which were asked for by its handler, which spares the slot from asking.
    pub fn handle_stats(&mut self, stats: &JobStats, now: Instant) {
        if let Some(held) = self.held.as_mut().filter(|held| stats.id.is_none_or(|id| id == held.id())) {
            held.handle_stats(stats, now);
        }
    }

    /// Returns the statistics of the job in hand that the server was last asked for, if it was.
    #[must_use]
    pub fn stats(&self) -> Option<&JobStats> {
        self.held.as_ref().and_then(Held::stats)
    }

    /// Returns whether the job in hand is no longer this slot's, so that its handler works in vain.
    #[must_use]
    pub fn is_job_lost(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.hold == Hold::Lost)
    }

    /// Returns what happened to its connections.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.session.poll_event()
    }

    /// Returns what happened to its jobs. The last 64 events are kept.
    pub fn poll_job_event(&mut self) -> Option<(JobId, JobEvent)> {
        self.events.pop_front()
    }

    fn happened(&mut self, id: JobId, event: JobEvent) {
        self.metrics.count(&event);
        if self.events.len() >= Self::MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back((id, event));
    }

    /// What to do on a connection that is ready.
    fn work(&mut self, now: Instant) -> Action {
        let may_reserve =
            self.shutdown.is_none() && now >= self.pause && !self.left_running && self.permit == Permit::Go;
        let Some(held) = &mut self.held else {
            if self.left_running {
                return Action::Wait(self.shutdown);
            }
            if now < self.pause {
                return self.wait(self.pause);
            }
            self.reserving_since = now;
            return self.send(Awaited::Reserve, Command::ReserveWithTimeout { timeout: self.reserve_slice });
        };
        if self.learns_first && held.is_to_be_learned() {
            let id = held.id();
            return self.send(Awaited::Learn, Command::StatsJob { id });
        }
        match held.next(&mut self.failures, now) {
            Some(Next::Send(Awaited::Verdict, command)) if may_reserve => {
                (self.awaited, self.then) = (Some(Awaited::Verdict), Some(Awaited::Reserve));
                self.reserving_since = now;
                Action::SendBoth(command, Command::ReserveWithTimeout { timeout: self.reserve_slice })
            }
            Some(Next::Send(awaited, command)) => self.send(awaited, command),
            Some(Next::Decide { id, attempt, stats }) => Action::Decide { id, attempt, stats },
            None => {
                let due = held.heartbeat.due().filter(|_| held.hold == Hold::Ours);
                let times = [due, self.permit.until(), self.shutdown];
                Action::Wait(times.into_iter().flatten().min())
            }
        }
    }

    fn send(&mut self, awaited: Awaited, command: Command) -> Action {
        self.awaited = Some(awaited);
        Action::Send(command)
    }

    fn wait(&self, until: Instant) -> Action {
        Action::Wait(Some(self.shutdown.map_or(until, |deadline| deadline.min(until))))
    }

    fn hold(&mut self, held: Held) {
        self.happened(held.id(), JobEvent::Reserved);
        self.held = Some(held);
    }
}

#[cfg(test)]
mod tests;
