//! The job in a handler's hands, and what its slot and its handler share.

use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};
use core::{
    fmt,
    future::poll_fn,
    mem,
    ops::Deref,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{slot_state::SlotState, stall::Stall};
use crate::{
    connect::Endpoint,
    policy::whole::whole,
    sync::{Mutex, lock},
};
use beanstalk_proto::{Error, Job, Lost, Priority, Subject, TubeName, stats::JobStats};

/// What a handler asks of its slot: the job's statistics.
#[derive(Default)]
enum Question {
    #[default]
    None,
    /// By these: the first of them takes the answer, the others ask again.
    Asked(Vec<Waker>),
    Answered(Box<Result<JobStats, Error>>),
    /// The slot that would answer is gone.
    Void,
}

/// What the server answered about a job, asked for once: what `HeldJob::details` returns.
///
/// ```
/// use std::time::Duration;
///
/// use beanstalk_driver::JobDetails;
///
/// /// Whether nobody waits for the job any more, so that a handler need not do it.
/// fn is_stale(details: &JobDetails) -> bool {
///     println!("attempt {} of a job in {}", details.attempt, details.tube);
///     details.age > Duration::from_secs(24 * 60 * 60)
/// }
/// # let _ = is_stale;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct JobDetails {
    /// Which attempt this is, counted from 1, as the [`RetryPolicy`](crate::policy::RetryPolicy) counts: what failed before, and what
    /// was not finished in its time to run.
    pub attempt: u64,
    /// Its priority.
    pub priority: Priority,
    /// How long ago it was put, at the time the server was asked.
    #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
    pub age: Duration,
    /// How long it may be held without a touch.
    #[cfg_attr(feature = "serde", serde(with = "crate::policy::data::seconds"))]
    pub ttr: Duration,
    /// Its tube.
    pub tube: TubeName,
}

/// What a slot and the handler of one job share.
#[derive(Default)]
pub(super) struct Link {
    lost: AtomicBool,
    timed_out: AtomicBool,
    question: Mutex<Question>,
    details: Mutex<Option<JobDetails>>,
}

impl Link {
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// The job is finished without its handler.
    pub(super) fn time_out(&self) {
        self.timed_out.store(true, Ordering::Relaxed);
        self.lose();
        self.close();
    }

    pub(super) fn is_timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }

    pub(super) fn has_details(&self) -> bool {
        lock(&self.details).is_some()
    }

    /// The server was asked about the job, by whomever.
    pub(super) fn learn(&self, attempt: u64, stats: &JobStats) {
        let Ok((priority, ttr)) = whole(stats) else { return };
        let (age, tube) = (stats.age.unwrap_or_default(), stats.tube.clone().unwrap_or_default());
        *lock(&self.details) = Some(JobDetails { attempt, priority, age, ttr, tube });
    }

    pub(super) fn is_asked(&self) -> bool {
        matches!(*lock(&self.question), Question::Asked(_))
    }

    pub(super) fn answer(&self, answer: Result<JobStats, Error>) {
        self.settle(Question::Answered(Box::new(answer)));
    }

    /// The slot is done with this job.
    pub(super) fn close(&self) {
        self.settle(Question::Void);
    }

    fn settle(&self, question: Question) {
        let before = mem::replace(&mut *lock(&self.question), question);
        if let Question::Asked(wakers) = before {
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

/// A job in a handler's hands, held by the slot that reserved it. It is a [`Job`] with what else a handler may need.
///
/// It is touched before its time to run is over, for as long as the handler runs. Dropping this has no effect: what becomes
/// of the job is the handler's verdict.
///
/// ```
/// use beanstalk_driver::{BoxError, HeldJob, policy::Verdict};
///
/// async fn send(job: HeldJob) -> Result<Verdict, BoxError> {
///     for address in job.text()?.lines() {
///         if job.is_lost() || job.is_shutting_down() {
///             return Ok(Verdict::retry_after(0)); // another worker goes on
///         }
///         println!("to {address}, attempt {:?}", job.details().await?.attempt);
///     }
///     Ok(Verdict::Done)
/// }
/// ```
pub struct HeldJob {
    job: Job,
    slot_state: Arc<SlotState>,
    link: Arc<Link>,
}

impl HeldJob {
    pub(super) const fn new(job: Job, slot_state: Arc<SlotState>, link: Arc<Link>) -> Self {
        Self { job, slot_state, link }
    }

    pub(super) const fn slot_state(&self) -> &Arc<SlotState> {
        &self.slot_state
    }

    pub(super) const fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Returns the server that the job is from.
    #[must_use]
    pub fn server(&self) -> &Endpoint {
        self.slot_state.server()
    }

    /// Returns whether the job is no longer held, because its connection broke, its time to run was over or its handler has timed out:
    /// another worker may have it by now, and what the handler returns changes nothing. A handler that takes long may ask, and end early.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.link.is_lost()
    }

    /// Returns whether its handler has run for longer than `WorkerBuilder::handler_timeout` allows. A
    /// function that blocks should ask now and then, and return; a future is dropped.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.link.is_timed_out()
    }

    /// Returns whether the worker is about to stop: what is not finished at the deadline is given back, and a handler that is a future is
    /// dropped.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.slot_state.shutdown().is_some()
    }

    /// Returns the job's statistics, asked for on the slot's own connection.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped, the answer is too. One question is asked at a time.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`] if the job is lost or its handler has ended, what the server answers, and [`Error::TimedOut`], too, if the slot is on a
    /// runtime that stands still.
    pub async fn stats(&self) -> Result<JobStats, Error> {
        let (mut asked, mut stall) = (false, Stall::new(Arc::clone(&self.slot_state)));
        let (command, subject, lost) = ("stats-job", Subject::Job(self.job.id), Lost::Unknown);
        let answer = poll_fn(|cx| match self.poll_stats(&mut asked, cx) {
            Poll::Pending => stall.poll(cx).map(Err),
            answer => answer.map(Ok),
        });
        answer.await.unwrap_or_else(|waited| Err(Error::TimedOut { command, subject, waited, lost }))
    }

    /// Returns which attempt this is, and the job's priority, age, ttr and tube. The server is asked for them once for each job: by this, by
    /// [`HeldJob::stats`], or by the heartbeat of a job that is held for longer than a third of a second.
    ///
    /// # Cancel safety
    ///
    /// As [`HeldJob::stats`].
    ///
    /// # Errors
    ///
    /// As [`HeldJob::stats`], if the server is asked.
    pub async fn details(&self) -> Result<JobDetails, Error> {
        if let Some(details) = self.known() {
            return Ok(details);
        }
        let stats = self.stats().await?;
        let (id, subject) = (self.job.id, Subject::Job(self.job.id));
        whole(&stats).map_err(|error| Error::Stats { command: "stats-job", subject, error: error.into() })?;
        self.known().ok_or(Error::NotHeld { id })
    }

    /// Returns the job's tube. It is known without asking if the worker watches only one.
    ///
    /// # Cancel safety
    ///
    /// As [`HeldJob::stats`].
    ///
    /// # Errors
    ///
    /// As [`HeldJob::details`].
    pub async fn tube(&self) -> Result<TubeName, Error> {
        match &self.slot_state.tube {
            Some(tube) => Ok(tube.clone()),
            None => Ok(self.details().await?.tube),
        }
    }

    fn known(&self) -> Option<JobDetails> {
        lock(&self.link.details).clone()
    }

    /// Returns the job alone.
    #[must_use]
    pub fn into_job(self) -> Job {
        self.job
    }

    fn poll_stats(&self, asked: &mut bool, cx: &mut Context<'_>) -> Poll<Result<JobStats, Error>> {
        let lost = || Poll::Ready(Err(Error::NotHeld { id: self.job.id }));
        if self.is_lost() {
            return lost();
        }
        let mut question = lock(&self.link.question);
        match &mut *question {
            Question::Answered(_) if *asked => match mem::take(&mut *question) {
                Question::Answered(answer) => Poll::Ready(*answer),
                _ => lost(),
            },
            Question::Void => lost(),
            Question::Asked(wakers) => {
                if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                    wakers.push(cx.waker().clone());
                }
                *asked = true;
                Poll::Pending
            }
            Question::None | Question::Answered(_) => {
                *question = Question::Asked(vec![cx.waker().clone()]);
                *asked = true;
                drop(question);
                self.slot_state.wake();
                Poll::Pending
            }
        }
    }
}

impl Deref for HeldJob {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.job
    }
}

impl fmt::Debug for HeldJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, slot_state, .. } = self;
        f.debug_struct("HeldJob").field("job", job).field("server", slot_state.server()).finish_non_exhaustive()
    }
}
