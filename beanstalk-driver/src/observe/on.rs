//! What is observed, and where it goes.

use core::future::Future;

use super::Client;
#[cfg(feature = "metrics")]
use super::count;
#[cfg(feature = "tracing")]
use super::trace;
use crate::{
    connect::Endpoint,
    policy::{Event, JobEvent, WorkerEvent, guarded},
};
use beanstalk_proto::{Instant, JobId, TubeName, stats::JobStats};

impl Client {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Session => "session",
            Self::Shared => "shared",
        }
    }
}

/// Something happened to a connection. A client on a stream of the application's own has no server.
pub(crate) fn connection(client: Client, server: Option<&Endpoint>, event: &Event) {
    let _panicked = guarded(|| {
        #[cfg(feature = "tracing")]
        trace::connection(client, server, event);
        #[cfg(feature = "metrics")]
        count::connection(client, server, event);
    });
}

/// Something happened to a worker. Jobs are counted by their [`SlotObserver`].
pub(crate) fn worker(event: &WorkerEvent) {
    let _panicked = guarded(|| match event {
        WorkerEvent::Connection { server, event } => connection(Client::Worker, Some(server), event),
        #[cfg(feature = "tracing")]
        WorkerEvent::Job { server, id, event } => trace::job(server, *id, event),
        #[cfg(feature = "tracing")]
        WorkerEvent::SlotEnded { server, slot } => trace::slot_ended(server, *slot),
        #[cfg(not(feature = "tracing"))]
        WorkerEvent::Job { .. } | WorkerEvent::SlotEnded { .. } => {}
    });
}

/// Follows one slot of a worker from job to job.
#[derive(Debug)]
pub(crate) struct SlotObserver {
    #[cfg(feature = "tracing")]
    server: Endpoint,
    /// The tube of every job, if the worker watches only one.
    every: Option<TubeName>,
    job: Option<Observed>,
    #[cfg(feature = "metrics")]
    counts: count::Slot,
}

/// The job whose handler began last, until it is finished and the handler has ended.
#[derive(Debug)]
struct Observed {
    id: JobId,
    /// Its tube, once the server was asked about it.
    tube: Option<TubeName>,
    finished: bool,
    #[cfg(feature = "tracing")]
    span: trace::Span,
}

impl SlotObserver {
    pub(crate) fn new(server: &Endpoint, every: Option<&TubeName>) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            server: server.clone(),
            every: every.cloned(),
            job: None,
            #[cfg(feature = "metrics")]
            counts: count::Slot::new(server),
        }
    }

    /// A handler begins, in the span that this returns.
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "only its duration needs the time"))]
    pub(crate) fn begin(&mut self, id: JobId, now: &dyn Fn() -> Instant) -> JobSpan {
        #[cfg(feature = "metrics")]
        self.counts.begin(now());
        #[cfg(feature = "tracing")]
        let span = trace::Span::new(&self.server, id, self.every.as_ref());
        let of_handler = JobSpan {
            #[cfg(feature = "tracing")]
            span: span.get(),
        };
        self.job = Some(Observed {
            id,
            tube: self.every.clone(),
            finished: false,
            #[cfg(feature = "tracing")]
            span,
        });
        of_handler
    }

    /// Whether it is of interest what the server was asked about the job in hand.
    pub(crate) fn wants_to_learn(&self) -> bool {
        #[cfg(feature = "tracing")]
        let wants = self.job.as_ref().is_some_and(|job| job.span.wants_to_learn());
        #[cfg(not(feature = "tracing"))]
        let wants = self.job.as_ref().is_some_and(|job| job.tube.is_none());
        wants
    }

    /// The server was asked about the job in hand. Which attempt it is is known only while its handler runs.
    #[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "only the span has the attempt"))]
    pub(crate) fn learn(&mut self, attempt: Option<u64>, stats: &JobStats) {
        let Some(job) = self.job.as_mut().filter(|job| stats.id.is_none_or(|id| id == job.id)) else { return };
        if job.tube.is_none() {
            job.tube.clone_from(&stats.tube);
        }
        #[cfg(feature = "tracing")]
        job.span.learn(job.tube.as_ref(), attempt, stats.pri);
    }

    /// The handler has ended.
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "only its duration needs the time"))]
    pub(crate) fn ended(&self, now: &dyn Fn() -> Instant) {
        #[cfg(feature = "metrics")]
        let _panicked = guarded(|| self.counts.ended(self.job.as_ref().and_then(|job| job.tube.as_ref()), now()));
    }

    /// Something happened to a job: counts it, and has it emitted in the job's span.
    pub(crate) fn report(&mut self, event: &WorkerEvent, emit: impl FnOnce()) {
        let WorkerEvent::Job { id, event, .. } = event else { return emit() };
        let job = self.job.as_mut().filter(|job| job.id == *id);
        #[cfg(feature = "metrics")]
        {
            let tube = job.as_ref().map_or(self.every.as_ref(), |job| job.tube.as_ref());
            let _panicked = guarded(|| self.counts.job(tube, event));
        }
        let Some(job) = job else { return emit() };
        job.finished |= is_last(event);
        #[cfg(feature = "tracing")]
        job.span.report(event, emit);
        #[cfg(not(feature = "tracing"))]
        emit();
    }

    /// Whether there is a connection, and whether a handler runs.
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables, reason = "only metrics have that"))]
    pub(crate) fn state(&mut self, connected: bool, running: bool) {
        // A job that is lost is finished before its handler has ended.
        let _over = self.job.take_if(|job| job.finished && !running);
        #[cfg(feature = "metrics")]
        let _panicked = guarded(|| self.counts.state(connected, running));
    }
}

/// The span that a handler runs in.
pub(crate) struct JobSpan {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl JobSpan {
    /// Enters it whenever the handler is polled, and when it is dropped.
    pub(crate) fn around<F: Future>(self, handler: F) -> impl Future<Output = F::Output> {
        #[cfg(feature = "tracing")]
        let handler = tracing::Instrument::instrument(handler, self.span);
        handler
    }
}

const fn is_last(event: &JobEvent) -> bool {
    match event {
        JobEvent::Done { .. }
        | JobEvent::Retried { .. }
        | JobEvent::Buried { .. }
        | JobEvent::Moved { .. }
        | JobEvent::Lost
        | JobEvent::Returned => true,
        JobEvent::Reserved
        | JobEvent::Failed { .. }
        | JobEvent::Panicked { .. }
        | JobEvent::TimedOut { .. }
        | JobEvent::Malformed { .. }
        | JobEvent::TooBig { .. } => false,
    }
}
