//! One slot of a worker: carries out what [`policy::Worker`](crate::policy::Worker) decides, as one future.
//!
//! ```text
//!         ┌─────────────────────────────────────────────────────────────┐
//!         ▼                                                             │ something came
//!   carry out actions until there are none ──▶ poll the handler, the connection, the question, the alarm
//!                                                                       │ nothing
//!                                                                       ▼
//!                                                                    Pending
//! ```
//!
//! The handler is polled here too, alternately with the connection, unless [`Runtime::run_handler`] has it run elsewhere: here, one that
//! blocks its thread keeps its own heartbeat from being sent, and nothing else.

use alloc::{boxed::Box, sync::Arc};
use core::{
    future::{Future, poll_fn},
    mem,
    task::{Context, Poll, ready},
};

use super::{
    hand::SlotHand, handler::BoxError, handlers::Handlers, held_job::Link, slot_state::SlotState, state::SharedState,
};
use crate::{
    driver::Driver,
    observe::SlotObserver,
    policy::{Action, Foreign, Tubes, Worker, WorkerEvent, whole::whole},
    runtime::{Alarm, Boxed, Runtime},
    sync::lock,
};
use beanstalk_proto::{Command, Error, Instant, Lost, Reply, Subject, client::Ticket, stats::JobStats};

mod handling;

use handling::Running;

/// A command that is outstanding.
struct Calling {
    ticket: Ticket<Reply>,
    /// Who asked, if it was the handler.
    question: Option<Arc<Link>>,
    /// What was sent with it, and is answered after it.
    then: Option<Result<Ticket<Reply>, Error>>,
}

/// What the connection is at.
enum Io<C> {
    Idle,
    Connecting(Boxed<Result<C, Error>>),
    Calling(Calling),
}

struct Slot<R: Runtime> {
    shared: Arc<SharedState<R>>,
    slot_state: Arc<SlotState>,
    handlers: Arc<Handlers<R>>,
    machine: Worker,
    client: Option<Driver<R::Transport>>,
    io: Io<Driver<R::Transport>>,
    running: Option<Running>,
    /// The job in hand is owned by a consumer's caller.
    hand: Option<SlotHand>,
    /// What the last handler failed with.
    failure: Option<Foreign<BoxError>>,
    alarm: Alarm,
    observer: SlotObserver,
}

/// Runs a slot until it is stopped.
pub(super) fn run<R: Runtime>(
    shared: Arc<SharedState<R>>,
    slot_state: Arc<SlotState>,
    handlers: Arc<Handlers<R>>,
) -> impl Future<Output = ()> + Send {
    // Here, for a task may be dropped before it was polled.
    let ending = Ending { shared: Arc::clone(&shared), slot_state: Arc::clone(&slot_state), stopped: false };
    async move {
        let fresh = Tubes::greeted(&shared.connection.greeting);
        let machine = Worker::new(&shared.worker, shared.runtime.seed()).greeted(fresh);
        let observer = SlotObserver::new(slot_state.server(), slot_state.tube.as_ref());
        let (client, io, running, failure, alarm) = (None, Io::Idle, None, None, Alarm::default());
        let hand = None;
        let mut slot =
            Slot { shared, slot_state, handlers, machine, client, io, running, hand, failure, alarm, observer };
        poll_fn(|cx| slot.poll(cx)).await;
        ending.stopped_as_told();
    }
}

/// Returns which attempt at a job this is, counted from 1.
fn attempt<R: Runtime>(shared: &SharedState<R>, slot_state: &SlotState, stats: &JobStats) -> u64 {
    let deferrals = stats.id.map_or(0, |id| lock(&shared.deferrals).count(slot_state.server(), id));
    shared.worker.retry.failures(stats, deferrals).saturating_add(1)
}

/// Reports that a slot has ended, in whatever way it did.
struct Ending<R: Runtime> {
    shared: Arc<SharedState<R>>,
    slot_state: Arc<SlotState>,
    /// It was stopped.
    stopped: bool,
}

impl<R: Runtime> Ending<R> {
    fn stopped_as_told(mut self) {
        self.stopped = true;
    }
}

impl<R: Runtime> Drop for Ending<R> {
    fn drop(&mut self) {
        self.slot_state.end();
        // What is only dropped while it is to stop was not polled in time.
        if !self.stopped && (std::thread::panicking() || self.slot_state.shutdown().is_none()) {
            self.shared
                .emit(&WorkerEvent::SlotEnded { server: self.slot_state.server().clone(), slot: self.slot_state.slot });
        }
        self.shared.wake();
    }
}

impl<R: Runtime> Drop for Slot<R> {
    fn drop(&mut self) {
        self.drop_handler();
    }
}

impl<R: Runtime> Slot<R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.slot_state.register(cx.waker());
        loop {
            if let Some(deadline) = self.slot_state.shutdown() {
                self.machine.handle_shutdown(deadline);
            }
            let now = self.now();
            self.machine.handle_asking(self.is_answering());
            self.machine.handle_permit(self.shared.permit(&self.slot_state, self.machine.stage(), now));
            let action = self.machine.poll_action(now);
            let until = match action {
                Action::Connect => {
                    self.connect();
                    continue;
                }
                Action::Send(command) => {
                    self.send(command, None);
                    continue;
                }
                Action::SendBoth(first, second) => {
                    self.send_both(first, second);
                    continue;
                }
                Action::Start(job) => {
                    self.start(job);
                    continue;
                }
                Action::GiveUp(after) => {
                    // It may have ended in time, and was not looked at since.
                    if !self.poll_handler(cx) {
                        self.give_up(after);
                    }
                    continue;
                }
                Action::Decide { id, attempt, stats } => {
                    let verdict = self.decide(id, attempt, &stats);
                    self.machine.handle_decision(verdict);
                    continue;
                }
                Action::Close => {
                    self.close();
                    continue;
                }
                Action::Stop => {
                    self.close();
                    if self.machine.is_refused() {
                        self.slot_state.refuse();
                    }
                    self.drop_handler();
                    self.report();
                    return Poll::Ready(());
                }
                Action::Wait(until) => until,
            };
            self.report();
            let moved = self.poll_handler(cx) || self.poll_io(cx) || self.ask();
            if !moved {
                let Some(until) = until else { return Poll::Pending };
                ready!(self.alarm.poll(&self.shared.runtime, until, cx));
            }
        }
    }

    fn now(&self) -> Instant {
        self.shared.runtime.now()
    }

    fn is_answering(&self) -> bool {
        matches!(&self.io, Io::Calling(Calling { question: Some(_), .. }))
    }

    /// Reports to the others what is new.
    fn report(&mut self) {
        if let Some(stats) = self.machine.stats() {
            let link = self.running.as_ref().map(|running| &running.link);
            let asks = link.filter(|link| !link.has_details());
            if asks.is_some() || self.observer.wants_to_learn() {
                let attempt = attempt(&self.shared, &self.slot_state, stats);
                self.observer.learn(link.map(|_| attempt), stats);
                asks.into_iter().for_each(|link| link.learn(attempt, stats));
            }
        }
        self.slot_state.count(self.machine.metrics(), self.machine.metrics_if_stopped());
        if let (Some(running), true) = (&self.running, self.machine.is_job_lost()) {
            running.link.lose();
            running.link.close();
        }
        while let Some(event) = self.machine.poll_event() {
            self.slot_state.report(event, |event| {
                let server = self.slot_state.server().clone();
                self.shared.emit(&WorkerEvent::Connection { server, event });
            });
        }
        while let Some((id, event)) = self.machine.poll_job_event() {
            let hand = self.hand.take_if(|_| event.is_end()).map(|hand| (hand, event.clone()));
            if self.shared.listens() {
                let server = self.slot_state.server().clone();
                let event = WorkerEvent::Job { server, id, event };
                self.observer.report(&event, || self.shared.emit(&event));
            }
            if let Some((hand, event)) = hand {
                hand.end(event);
            }
        }
        self.observer.state(self.client.is_some(), self.running.is_some());
    }

    fn connect(&mut self) {
        self.client = None;
        let (shared, slot_state) = (Arc::clone(&self.shared), Arc::clone(&self.slot_state));
        self.io =
            Io::Connecting(Box::pin(
                async move { shared.runtime.connect(&slot_state.route, &shared.connection).await },
            ));
    }

    fn close(&mut self) {
        self.client = None;
        if let Io::Calling(Calling { question: Some(link), .. }) = mem::replace(&mut self.io, Io::Idle) {
            link.answer(Err(Error::Closed { lost: Lost::Unknown }));
        }
    }

    fn send(&mut self, command: Command, question: Option<Arc<Link>>) {
        let sent = match &mut self.client {
            Some(client) => client.start(command),
            None => Err(Error::Closed { lost: Lost::NotSent }),
        };
        match (sent, question) {
            (Ok(ticket), question) => self.io = Io::Calling(Calling { ticket, question, then: None }),
            (Err(error), Some(link)) => link.answer(Err(error)),
            (Err(error), None) => self.machine.handle_reply(Err(error), self.now()),
        }
    }

    /// Sends two commands in one write: nothing is written before a reply is polled for.
    fn send_both(&mut self, first: Command, second: Command) {
        self.send(first, None);
        if let (Io::Calling(calling), Some(client)) = (&mut self.io, &mut self.client) {
            calling.then = Some(client.start(second));
        }
    }

    /// Sends the handler's question, if the connection has nothing else to do.
    fn ask(&mut self) -> bool {
        match (&self.running, &self.io) {
            (Some(Running { id, link, .. }), Io::Idle) if self.client.is_some() && link.is_asked() => {
                let (id, link) = (*id, Arc::clone(link));
                self.send(Command::StatsJob { id }, Some(link));
                true
            }
            // It is to be taken back, and nobody knows when that will be possible.
            (Some(Running { link, .. }), _) if self.client.is_none() && link.is_asked() => {
                link.answer(Err(Error::Closed { lost: Lost::NotSent }));
                true
            }
            _ => false,
        }
    }

    /// Whether the connection has news.
    fn poll_io(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.io {
            Io::Connecting(connecting) => {
                let Poll::Ready(result) = connecting.as_mut().poll(cx) else { return false };
                self.io = Io::Idle;
                let now = self.now();
                match result {
                    Ok(client) => {
                        self.client = Some(client);
                        self.machine.handle_connected(now);
                    }
                    Err(error) => self.machine.handle_disconnected(&error, now),
                }
            }
            Io::Calling(calling) => {
                let Some(client) = &mut self.client else { return false };
                let Poll::Ready(result) = client.poll_reply(&mut calling.ticket, cx) else { return false };
                let (question, then) = (calling.question.take(), calling.then.take());
                let mut failed = None;
                self.io = match then {
                    Some(Ok(ticket)) => Io::Calling(Calling { ticket, question: None, then: None }),
                    Some(Err(error)) => {
                        failed = Some(error);
                        Io::Idle
                    }
                    None => Io::Idle,
                };
                match question {
                    Some(link) => self.answer(&link, result),
                    None => self.machine.handle_reply(result, self.now()),
                }
                if let Some(error) = failed {
                    self.machine.handle_reply(Err(error), self.now());
                }
            }
            Io::Idle => {
                let Some(client) = &mut self.client else { return false };
                let Poll::Ready(error) = client.poll_broken(cx) else { return false };
                self.client = None;
                self.machine.handle_disconnected(&error, self.now());
            }
        }
        true
    }

    fn answer(&mut self, link: &Link, result: Result<Reply, Error>) {
        if let Err(error) = &result {
            if error.is_fatal() || matches!(error, Error::TimedOut { .. }) {
                self.client = None;
                self.machine.handle_disconnected(error, self.now());
            }
        }
        let subject = self.running.as_ref().map_or(Subject::None, |running| Subject::Job(running.id));
        let stats = result.and_then(|reply| {
            let stats = JobStats::decode(reply.body().unwrap_or_default());
            stats.map_err(|error| Error::Stats { command: "stats-job", subject, error: error.into() })
        });
        // What a verdict cannot be made of is for the handler only.
        if let Some(stats) = stats.as_ref().ok().filter(|stats| whole(stats).is_ok()) {
            let now = self.now();
            self.machine.handle_stats(stats, now);
            let attempt = attempt(&self.shared, &self.slot_state, stats);
            self.observer.learn(Some(attempt), stats);
            link.learn(attempt, stats);
        }
        link.answer(stats);
    }
}
