//! The handler of the job in hand: from its start to what its end means for the job.

use alloc::{boxed::Box, sync::Arc};
use core::{
    mem,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    super::{
        hand::{ConsumerJob, Hand, SlotHand},
        handler::{BoxError, Failure, GivenBack, HandlerPanicked, HandlerTimedOut, is_malformed},
        handlers::{Handlers, Run},
        held_job::{HeldJob, Link},
    },
    Slot, attempt,
};
use crate::{
    policy::{Foreign, Outcome, Verdict, describe_chain, guarded},
    runtime::{HandlerKind, Runtime},
    sync::lock,
};
use beanstalk_proto::{Job, JobId, stats::JobStats};

pub(super) struct Running {
    pub(super) id: JobId,
    pub(super) link: Arc<Link>,
    handler: Run,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where handlers can't be dropped, it may go on.
        self.link.lose();
        self.link.close();
        // A handler may panic even here.
        let handler = mem::replace(&mut self.handler, Box::pin(core::future::pending()));
        let _panicked = guarded(|| drop(handler));
    }
}

impl<R: Runtime> Slot<R> {
    pub(super) fn start(&mut self, job: Job) {
        self.failure = None;
        let (id, link, stats) = (job.id, Arc::new(Link::default()), self.machine.stats());
        let span = self.observer.begin(id, &|| self.shared.runtime.now());
        if let Some(stats) = stats {
            let attempt = attempt(&self.shared, &self.slot_state, stats);
            self.observer.learn(Some(attempt), stats);
            link.learn(attempt, stats);
        }
        let tube = self.slot_state.tube.as_ref().or_else(|| stats.and_then(|stats| stats.tube.as_ref()));
        let job = HeldJob::new(job, Arc::clone(&self.slot_state), Arc::clone(&link));
        let handler = match &*self.handlers {
            Handlers::Calls => self.hand_out(job),
            handlers => handlers.run(&self.shared.runtime, job, tube, span),
        };
        self.running = Some(Running { id, link, handler });
    }

    /// Gives the job to a call that waits for one.
    fn hand_out(&mut self, job: HeldJob) -> Run {
        let hand = Arc::<Hand>::default();
        self.hand = Some(SlotHand(Arc::clone(&hand)));
        self.shared.calls.deliver(ConsumerJob::new(job, Arc::clone(&hand)), |calls| self.shared.set_waiting(calls));
        Box::pin(hand.outcome())
    }

    /// Whether the handler has ended.
    pub(super) fn poll_handler(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(running) = &mut self.running else { return false };
        let polled = guarded(|| running.handler.as_mut().poll(cx));
        if running.link.is_timed_out() {
            if matches!(polled, Ok(Poll::Pending)) {
                return false;
            }
            // Its outcome changes nothing.
            drop(Foreign::new(polled));
            self.running = None;
            self.machine.handle_returned();
            return true;
        }
        let outcome = match polled {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(Ok(verdict))) => Outcome::Verdict(verdict),
            Ok(Poll::Ready(Err(error))) if error.is::<GivenBack>() => Outcome::GivenBack,
            Ok(Poll::Ready(Err(error))) => {
                let (reason, malformed) = (describe_chain(&*error), is_malformed(running.id, &*error));
                self.failure = Some(Foreign::new(error));
                if malformed { Outcome::Malformed(reason) } else { Outcome::Failed(reason) }
            }
            Err(reason) => {
                self.failure = Some(Foreign::new(Box::new(HandlerPanicked(reason.clone()))));
                Outcome::Panicked(reason)
            }
        };
        self.running = None;
        self.finished(outcome);
        true
    }

    fn finished(&mut self, outcome: Outcome) {
        self.observer.ended(&|| self.shared.runtime.now());
        let (now, deferrals) = (self.now(), &mut lock(&self.shared.deferrals));
        self.machine.handle_finished(outcome, self.slot_state.server(), deferrals, now);
    }

    /// The handler has run for as long as it may.
    pub(super) fn give_up(&mut self, after: Duration) {
        self.failure = Some(Foreign::new(Box::new(HandlerTimedOut(after))));
        if let Some(running) = &self.running {
            running.link.time_out();
        }
        self.finished(Outcome::TimedOut(after));
        // A consumer's job is with its owner, whom the slot does not run.
        let runs_on = R::Handlers::BLOCKS && !matches!(*self.handlers, Handlers::Calls);
        if runs_on && self.running.is_some() {
            self.machine.handle_left_running();
        } else {
            self.running = None;
        }
    }

    /// Drops the handler that still runs, if there is one.
    pub(super) fn drop_handler(&mut self) {
        let Some(running) = self.running.take() else { return };
        let has_ended = running.link.is_timed_out();
        drop(running);
        if !has_ended {
            self.observer.ended(&|| self.shared.runtime.now());
        }
    }

    /// What becomes of a job whose handler has failed. A function that panics leaves it to the policy.
    pub(super) fn decide(&self, id: JobId, attempt: u64, stats: &JobStats) -> Verdict {
        let Some(on_failure) = &self.shared.on_failure else { return Verdict::Failed };
        let no_error: BoxError = "the verdict of its handler is that it failed".into();
        let error = self.failure.as_ref().and_then(Foreign::get).unwrap_or(&no_error);
        let server = self.slot_state.server();
        let failure = Failure { server, id, attempt, error: &**error, stats };
        guarded(|| on_failure(&failure)).unwrap_or(Verdict::Failed)
    }
}
