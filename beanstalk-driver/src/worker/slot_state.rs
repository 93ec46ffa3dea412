//! What a slot shares with others: with those who stop it, those who count, and the handler of its job.

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
use std::sync::Mutex;

use crate::runtime::lock;
use crate::{
    connect::{Endpoint, Route},
    policy::{Event, Metrics, Presence, SlotPresence},
};
use beanstalk_proto::{Error, Instant, Job, Priority, TubeName, stats::JobStats};

/// One for each slot.
pub(super) struct SlotState {
    pub(super) route: Route,
    pub(super) slot: usize,
    /// What [`Demand`](crate::policy::Demand) calls it.
    pub(super) number: u64,
    /// The tube of every job, if the worker watches only one.
    pub(super) tube: Option<TubeName>,
    presence: Arc<Mutex<Presence>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    shutdown: Option<Instant>,
    metrics: Metrics,
    /// What they would be if the slot had to stop now.
    if_stopped: Metrics,
    ended: bool,
    /// Since the server refused to be connected to.
    refused: bool,
    slot: Option<Waker>,
    presence: SlotPresence,
}

impl SlotState {
    pub(super) fn new(
        route: Route,
        slot: usize,
        number: u64,
        tube: Option<TubeName>,
        presence: Arc<Mutex<Presence>>,
    ) -> Self {
        Self { route, slot, number, tube, presence, state: Mutex::default() }
    }

    pub(super) const fn server(&self) -> &Endpoint {
        self.route.endpoint()
    }

    /// Reports an event of this slot's connection if it is news of the server. The server's slots report one after the other,
    /// so that what is news is reported in the order in which it came to be.
    pub(super) fn report(&self, event: Event, emit: impl FnOnce(Event)) {
        let mut presence = lock(&self.presence);
        let is_news = presence.is_news(&mut lock(&self.state).presence, &event);
        if is_news {
            emit(event);
        }
    }

    /// The slot waits, among other things, for what happens here.
    pub(super) fn register(&self, waker: &Waker) {
        let mut state = lock(&self.state);
        match &mut state.slot {
            Some(slot) => slot.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    pub(super) fn shutdown(&self) -> Option<Instant> {
        lock(&self.state).shutdown
    }

    /// Of several deadlines the earliest counts.
    pub(super) fn shut_down(&self, deadline: Instant) {
        let mut state = lock(&self.state);
        state.shutdown = Some(state.shutdown.map_or(deadline, |earlier| earlier.min(deadline)));
        let waker = state.slot.clone();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) fn wake(&self) {
        let waker = lock(&self.state).slot.clone();
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) fn count(&self, metrics: Metrics, if_stopped: Metrics) {
        let mut state = lock(&self.state);
        (state.metrics, state.if_stopped) = (metrics, if_stopped);
    }

    /// What is counted of a slot that nobody waits for any more.
    pub(super) fn metrics_if_stopped(&self) -> Metrics {
        lock(&self.state).if_stopped
    }

    pub(super) fn metrics(&self) -> Metrics {
        lock(&self.state).metrics
    }

    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.ended = true;
        // If it was not stopped.
        state.metrics = state.if_stopped;
        state.slot = None;
    }

    /// The slot is about to end, since the server refused to be connected to.
    pub(super) fn refuse(&self) {
        lock(&self.state).refused = true;
    }

    pub(super) fn is_refused(&self) -> bool {
        lock(&self.state).refused
    }

    pub(super) fn is_ended(&self) -> bool {
        lock(&self.state).ended
    }
}

/// What a handler asks of its slot: the job's statistics.
#[derive(Default)]
enum Question {
    #[default]
    None,
    /// By these: the first of them takes the answer, the others ask again.
    Asked(Vec<Waker>),
    Answered(Box<Result<JobStats, Error>>),
    /// There is nobody to answer any more.
    Void,
}

/// What the server answered about a job, asked for once.
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
        *lock(&self.details) = Some(JobDetails {
            attempt,
            priority: stats.pri.unwrap_or_default(),
            age: stats.age.unwrap_or_default(),
            ttr: stats.ttr.unwrap_or_default(),
            tube: stats.tube.clone().unwrap_or_default(),
        });
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

/// A job in a handler's hands, held by the slot that reserved it. It is a [`Job`] with what else a handler may want to know.
///
/// It is touched before its time to run is over, for as long as the handler runs. Dropping this has no effect: what becomes
/// of the job is the handler's verdict.
pub struct HeldJob {
    job: Job,
    slot_state: Arc<SlotState>,
    link: Arc<Link>,
}

impl HeldJob {
    pub(super) const fn new(job: Job, slot_state: Arc<SlotState>, link: Arc<Link>) -> Self {
        Self { job, slot_state, link }
    }

    pub(super) const fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// The server that the job is from.
    #[must_use]
    pub fn server(&self) -> &Endpoint {
        self.slot_state.server()
    }

    /// Whether the job is no longer held, since its connection broke or its handler has timed out: somebody else may have it by
    /// now, and what the handler comes to changes nothing.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.link.is_lost()
    }

    /// Whether its handler has run for longer than [`WorkerBuilder::handler_timeout`](super::WorkerBuilder::handler_timeout) allows. A
    /// function that blocks should ask now and then, and return; a future is dropped.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.link.is_timed_out()
    }

    /// Whether the worker shuts down: the handler is dropped at the deadline.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.slot_state.shutdown().is_some()
    }

    /// The job's statistics, asked for on the slot's own connection.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped, the answer is too. One question is asked at a time.
    ///
    /// # Errors
    ///
    /// [`Error::NotHeld`] if the job is lost or its handler has ended, and what the server answers.
    pub async fn stats(&self) -> Result<JobStats, Error> {
        let mut asked = false;
        poll_fn(|cx| self.poll_stats(&mut asked, cx)).await
    }

    /// Which attempt this is, and the job's priority, age, ttr and tube. The server is asked for them once for each job: by this, by
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
        self.stats().await?;
        self.known().ok_or(Error::NotHeld { id: self.job.id })
    }

    /// The job's tube. It is known without asking if the worker watches only one.
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

    /// The job alone.
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread};

    #[test]
    fn events_of_a_server_are_reported_in_order_though_a_listener_is_slow() {
        let presence = Arc::new(Mutex::new(Presence::new(2)));
        let slot = |slot| {
            let route = Route::beginning_at("queue:11300".parse().unwrap(), slot);
            SlotState::new(route, slot, 0, None, Arc::clone(&presence))
        };
        let (first, second) = (slot(0), slot(1));
        let told = &Mutex::new(vec![]);
        let ((listening, listens), (reported, reports)) = (mpsc::channel(), mpsc::channel());
        thread::scope(|scope| {
            scope.spawn(|| {
                first.report(Event::Connected, move |_| {
                    listening.send(()).unwrap();
                    // The other slot has all the time it needs, if it could get past this.
                    assert!(reports.recv_timeout(Duration::from_millis(200)).is_err(), "the second event comes first");
                    lock(told).push("connected");
                });
            });
            listens.recv().unwrap();
            second.report(Event::Lost { reason: "it is gone".into() }, |_| lock(told).push("lost"));
            let _over = reported.send(());
        });
        assert_eq!(*lock(told), ["connected", "lost"]);
    }
}
