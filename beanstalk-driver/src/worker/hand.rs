//! A job in the hands of the caller that took it from a consumer.

use alloc::{boxed::Box, sync::Arc};
use core::{
    fmt,
    future::{Future, poll_fn},
    mem,
    ops::Deref,
    task::{Poll, Waker},
};
use std::thread;

use super::{
    handler::{BoxError, GivenBack, HandlerError, HandlerPanicked},
    held_job::{HeldJob, Link},
    slot_state::SlotState,
    stall::Stall,
};
use crate::{
    policy::{JobEvent, Verdict},
    sync::{Mutex, lock},
};
use beanstalk_proto::{Argument, Error, JobId, Lost, ReleaseOutcome, Seconds, Subject};

type Outcome = Result<Verdict, BoxError>;

/// What a job and its slot share.
#[derive(Default)]
pub(super) struct Hand(Mutex<State>);

#[derive(Default)]
struct State {
    /// What its owner has made of it, until the slot takes that.
    outcome: Option<Outcome>,
    slot: Option<Waker>,
    /// How it ended.
    end: Option<JobEvent>,
    owner: Option<Waker>,
}

impl Hand {
    /// Waits for what the owner makes of the job.
    pub(super) fn outcome(self: Arc<Self>) -> impl Future<Output = Outcome> + Send + 'static {
        poll_fn(move |cx| {
            let mut state = lock(&self.0);
            match state.outcome.take() {
                Some(outcome) => Poll::Ready(outcome),
                None => {
                    state.slot = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    fn decide(&self, outcome: Outcome) {
        let mut state = lock(&self.0);
        state.outcome = Some(outcome);
        let slot = state.slot.take();
        drop(state);
        slot.into_iter().for_each(Waker::wake);
    }

    /// The job has ended so, for its slot.
    fn end(&self, event: JobEvent) {
        let mut state = lock(&self.0);
        state.end.get_or_insert(event);
        let owner = state.owner.take();
        drop(state);
        owner.into_iter().for_each(Waker::wake);
    }
}

/// The slot's end of a [`Hand`]: however the slot ends, the owner learns of it.
pub(super) struct SlotHand(pub(super) Arc<Hand>);

impl SlotHand {
    pub(super) fn end(&self, event: JobEvent) {
        self.0.end(event);
    }
}

impl Drop for SlotHand {
    fn drop(&mut self) {
        self.0.end(JobEvent::Lost);
    }
}

/// A job that `Consumer::next` gave, owned: it may be moved to another task or thread, and be finished in any
/// order with others.
///
/// It is a [`HeldJob`], and by that a [`Job`](beanstalk_proto::Job). It is touched before its time to run is over for as long as
/// this is there. What becomes of it:
///
/// | | the server's command |
/// |---|---|
/// | [`delete`](Self::delete) | `delete` |
/// | [`release`](Self::release) | `release`, with the priority that it has |
/// | [`bury`](Self::bury) | `bury`, with the priority that it has |
/// | [`fail`](Self::fail) | `release` or `bury`, as the [`RetryPolicy`](crate::policy::RetryPolicy) decides |
/// | dropping it | none: its connection is closed, which gives it back at once, with its priority, and none of its counts moves |
/// | dropping it as its thread panics | as [`fail`](Self::fail) |
///
/// After a drop its slot connects again after a [`Backoff`](crate::policy::Backoff), which grows while no job of the slot is
/// finished: so a job that every consumer drops does not go round without a pause.
///
/// ```
/// use beanstalk_driver::ConsumerJob;
///
/// /// On a task of its own, for as long as it takes.
/// async fn send(job: ConsumerJob) -> Result<(), beanstalk_driver::proto::Error> {
///     match job.text() {
///         Ok(address) => println!("sending to {address}"),
///         Err(error) => return job.fail(error).await,
///     }
///     job.delete().await
/// }
/// ```
#[must_use = "a job that is dropped is given back"]
#[derive(Debug)]
pub struct ConsumerJob {
    job: HeldJob,
    acker: Acker,
}

impl ConsumerJob {
    pub(super) fn new(job: HeldJob, hand: Arc<Hand>) -> Self {
        let (link, slot_state) = (Arc::clone(job.link()), Arc::clone(job.slot_state()));
        Self { acker: Acker { id: job.id, link, slot_state, hand: Some(hand) }, job }
    }

    /// Returns the job and what finishes it, apart: as where a framework keeps the one and gives the other away.
    pub fn split(self) -> (HeldJob, Acker) {
        (self.job, self.acker)
    }

    /// Deletes the job: it is done.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it was polled, the job is still deleted. One that was never polled is a job dropped.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`] if its connection had broken, its time to run was over, or the time of a shutdown: nothing was
    /// sent. [`Error::Closed`] with [`Lost::Unknown`] if one of these came about before the server's reply: it may be deleted.
    /// [`Error::TimedOut`] if the consumer's tasks are on a runtime that stands still: they were woken, and did nothing for the reply timeout.
    pub async fn delete(self) -> Result<(), Error> {
        self.acker.delete().await
    }

    /// Releases the job with the priority that it has: it is ready again after this delay. It does not count as a failure.
    ///
    /// # Cancel safety
    ///
    /// As [`ConsumerJob::delete`].
    ///
    /// # Errors
    ///
    /// As [`ConsumerJob::delete`].
    pub async fn release(self, delay: impl Argument<Seconds>) -> Result<ReleaseOutcome, Error> {
        self.acker.release(delay).await
    }

    /// Buries the job with the priority that it has.
    ///
    /// # Cancel safety
    ///
    /// As [`ConsumerJob::delete`].
    ///
    /// # Errors
    ///
    /// As [`ConsumerJob::delete`].
    pub async fn bury(self) -> Result<(), Error> {
        self.acker.bury().await
    }

    /// Leaves it to the [`RetryPolicy`](crate::policy::RetryPolicy) what becomes of the job, as it failed with this error: it is released
    /// with a delay that grows with each failure, and at last buried or moved to the tube for dead letters. Events have the error's
    /// chain of sources.
    ///
    /// # Cancel safety
    ///
    /// As [`ConsumerJob::delete`].
    ///
    /// # Errors
    ///
    /// As [`ConsumerJob::delete`].
    pub async fn fail(self, error: impl HandlerError) -> Result<(), Error> {
        self.acker.fail(error).await
    }
}

impl Deref for ConsumerJob {
    type Target = HeldJob;

    fn deref(&self) -> &HeldJob {
        &self.job
    }
}

/// What finishes a job of a consumer, apart from the job: see [`ConsumerJob::split`]. Dropping it is dropping the job.
///
/// ```
/// use beanstalk_driver::{ConsumerJob, HeldJob, proto::Error};
///
/// /// Between a consumer and a framework whose handlers return whether a job is done.
/// async fn hand_over(job: ConsumerJob, handler: impl Fn(HeldJob) -> bool) -> Result<(), Error> {
///     let (job, acker) = job.split();
///     if handler(job) { acker.delete().await } else { acker.fail("not done").await }
/// }
/// ```
#[must_use = "a job that is dropped is given back"]
pub struct Acker {
    id: JobId,
    /// Whether the slot still has the job.
    link: Arc<Link>,
    slot_state: Arc<SlotState>,
    /// None once it is decided what becomes of it.
    hand: Option<Arc<Hand>>,
}

impl Acker {
    /// Deletes the job: it is done.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it was polled, the job is still deleted. One that was never polled is a job dropped.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`] if its connection had broken, its time to run was over, or the time of a shutdown: nothing was
    /// sent. [`Error::Closed`] with [`Lost::Unknown`] if one of these came about before the server's reply: it may be deleted.
    /// [`Error::TimedOut`] if the consumer's tasks are on a runtime that stands still: they were woken, and did nothing for the reply timeout.
    pub async fn delete(self) -> Result<(), Error> {
        self.finish("delete", Ok(Verdict::Done)).await.map(drop)
    }

    /// Releases the job with the priority that it has: it is ready again after this delay. It does not count as a failure.
    ///
    /// # Cancel safety
    ///
    /// As [`Acker::delete`].
    ///
    /// # Errors
    ///
    /// As [`Acker::delete`].
    pub async fn release(self, delay: impl Argument<Seconds>) -> Result<ReleaseOutcome, Error> {
        let verdict = Verdict::RetryAfter(delay.into_argument());
        Ok(match self.finish("release", Ok(verdict)).await? {
            JobEvent::Buried { .. } => ReleaseOutcome::Buried,
            _ => ReleaseOutcome::Released,
        })
    }

    /// Buries the job with the priority that it has.
    ///
    /// # Cancel safety
    ///
    /// As [`Acker::delete`].
    ///
    /// # Errors
    ///
    /// As [`Acker::delete`].
    pub async fn bury(self) -> Result<(), Error> {
        self.finish("bury", Ok(Verdict::Bury)).await.map(drop)
    }

    /// Leaves it to the [`RetryPolicy`](crate::policy::RetryPolicy) what becomes of the job, as it failed with this error: it is released
    /// with a delay that grows with each failure, and at last buried or moved to the tube for dead letters. Events have the error's
    /// chain of sources.
    ///
    /// # Cancel safety
    ///
    /// As [`Acker::delete`].
    ///
    /// # Errors
    ///
    /// As [`Acker::delete`].
    pub async fn fail(self, error: impl HandlerError) -> Result<(), Error> {
        self.finish("release", Err(error.into_boxed())).await.map(drop)
    }

    /// Hands the decision to the slot, and waits for what comes of it.
    async fn finish(mut self, command: &'static str, outcome: Outcome) -> Result<JobEvent, Error> {
        let id = self.id;
        let Some(hand) = self.hand.take() else { return Err(Error::NotHeld { id }) };
        if self.link.is_lost() || lock(&hand.0).end.is_some() {
            hand.decide(outcome);
            return Err(Error::NotHeld { id });
        }
        hand.decide(outcome);
        let mut stall = Stall::new(Arc::clone(&self.slot_state));
        let ended = poll_fn(|cx| {
            let mut state = lock(&hand.0);
            if let Some(event) = state.end.take() {
                return Poll::Ready(Ok((event, state.outcome.take())));
            }
            state.owner = Some(cx.waker().clone());
            drop(state);
            stall.poll(cx).map(Err)
        });
        match ended.await {
            // The slot has not taken the decision: the job was lost, or its time over, before.
            Ok((_, Some(_)) | (JobEvent::Returned, _)) => Err(Error::NotHeld { id }),
            Ok((JobEvent::Lost, None)) => Err(Error::Closed { lost: Lost::Unknown }),
            Ok((event, None)) => Ok(event),
            Err(waited) => {
                // What it has not taken it never will: should it go on, it finds a job that was given back.
                let untaken = lock(&hand.0).outcome.replace(Err(Box::new(GivenBack)));
                let lost = if untaken.is_some() { Lost::NotSent } else { Lost::Unknown };
                Err(Error::TimedOut { command, subject: Subject::Job(id), waited, lost })
            }
        }
    }
}

impl Drop for Acker {
    fn drop(&mut self) {
        let Some(hand) = mem::take(&mut self.hand) else { return };
        hand.decide(Err(match thread::panicking() {
            true => Box::new(HandlerPanicked("it was dropped by a panic".into())),
            false => Box::new(GivenBack),
        }));
    }
}

impl fmt::Debug for Acker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acker").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]
mod tests {
    use super::{
        super::slot_state::{ServerState, Timers},
        *,
    };
    use crate::connect::Route;
    use core::{pin::pin, task::Context};

    fn acker(link: Arc<Link>, hand: Arc<Hand>) -> Acker {
        let route = Route::beginning_at("queue:11300".parse().unwrap(), 0);
        let slot_state = Arc::new(SlotState::new(route, 0, 0, None, Arc::new(ServerState::new(0)), Timers::NONE));
        Acker { id: JobId(7), link, slot_state, hand: Some(hand) }
    }

    /// The result of what its owner has sent, whether or not the slot has taken it.
    fn deleted(taken: bool, end: JobEvent) -> Poll<Result<(), Error>> {
        let hand = Arc::<Hand>::default();
        let slot = SlotHand(Arc::clone(&hand));
        let acker = acker(Arc::default(), Arc::clone(&hand));
        let mut cx = Context::from_waker(Waker::noop());
        let mut delete = pin!(acker.delete());
        assert!(delete.as_mut().poll(&mut cx).is_pending());
        if taken {
            assert!(matches!(pin!(hand.outcome()).poll(&mut cx), Poll::Ready(Ok(Verdict::Done))));
        }
        slot.end(end);
        delete.poll(&mut cx)
    }

    #[test]
    fn what_the_slot_did_without_its_owner_is_no_success_of_the_owners() {
        let retried = || JobEvent::Retried { attempt: 1, delay: Seconds::ZERO };
        let done = || JobEvent::Done { took: core::time::Duration::ZERO };
        assert!(matches!(deleted(true, done()), Poll::Ready(Ok(()))));
        // Its time was over, and it is being released, when its owner deletes it.
        assert!(matches!(deleted(false, retried()), Poll::Ready(Err(Error::NotHeld { id: JobId(7) }))));
        // Its connection broke before the slot got to it: nothing was sent.
        assert!(matches!(deleted(false, JobEvent::Lost), Poll::Ready(Err(Error::NotHeld { id: JobId(7) }))));
        assert!(matches!(deleted(true, JobEvent::Lost), Poll::Ready(Err(Error::Closed { lost: Lost::Unknown }))));
    }

    #[test]
    fn a_job_that_is_known_to_be_lost_is_not_sent() {
        let hand = Arc::<Hand>::default();
        let link = Arc::<Link>::default();
        link.lose();
        let acker = acker(link, hand);
        let deleted = pin!(acker.delete()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(deleted, Poll::Ready(Err(Error::NotHeld { id: JobId(7) }))));
    }
}
