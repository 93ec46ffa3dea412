//! Events and spans. Names, fields and levels are in the documentation of [`Worker`](crate::Worker), and tests pin them.

use tracing::{Level, field::Empty};

use super::Client;
use crate::{
    connect::Endpoint,
    policy::{BuryReason, Event, Foreign, JobEvent, guarded},
};
use beanstalk_proto::{JobId, Priority, TubeName};

/// An event whose level is known only when it happens.
macro_rules! event {
    ($level:expr, $($rest:tt)*) => {
        match $level {
            Level::ERROR => tracing::error!(target: "beanstalk", $($rest)*),
            Level::WARN => tracing::warn!(target: "beanstalk", $($rest)*),
            Level::INFO => tracing::info!(target: "beanstalk", $($rest)*),
            _ => tracing::debug!(target: "beanstalk", $($rest)*),
        }
    };
}

pub(super) fn connection(client: Client, server: Option<&Endpoint>, event: &Event) {
    let level = match event {
        Event::Refused { .. } => Level::ERROR,
        Event::Lost { .. } | Event::Retrying { .. } => Level::INFO,
        Event::Connected | Event::Restored | Event::Ended => Level::DEBUG,
    };
    let server = server.map(tracing::field::display);
    event!(level, server, client = client.name(), "{event}");
}

pub(super) fn slot_ended(server: &Endpoint, slot: usize) {
    tracing::error!(target: "beanstalk", %server, slot, "ended unasked: its thread or task panicked or was dropped");
}

pub(super) fn job(server: &Endpoint, id: JobId, event: &JobEvent) {
    let level = match event {
        JobEvent::Reserved | JobEvent::Done { .. } => Level::DEBUG,
        JobEvent::Retried { .. } | JobEvent::Returned => Level::INFO,
        JobEvent::Failed { .. }
        | JobEvent::Panicked { .. }
        | JobEvent::TimedOut { .. }
        | JobEvent::Malformed { .. }
        | JobEvent::TooBig { .. }
        | JobEvent::Buried { .. }
        | JobEvent::Moved { .. }
        | JobEvent::Lost => Level::WARN,
    };
    event!(level, %server, id = id.0, "{event}");
}

/// The span of a job.
#[derive(Debug)]
pub(super) struct Span {
    span: Foreign<tracing::Span>,
    has_tube: bool,
    has_attempt: bool,
    has_priority: bool,
}

impl Span {
    /// It begins a trace: a job has nothing to do with what its worker was started in.
    pub(super) fn new(server: &Endpoint, id: JobId, tube: Option<&TubeName>) -> Self {
        let span = guarded(|| {
            tracing::info_span!(
                target: "beanstalk",
                parent: None,
                "job",
                id = id.0,
                %server,
                tube = tube.map(tracing::field::display),
                attempt = Empty,
                priority = Empty
            )
        });
        let span = Foreign::new(span.unwrap_or_else(|_panicked| tracing::Span::none()));
        Self { span, has_tube: tube.is_some(), has_attempt: false, has_priority: false }
    }

    pub(super) fn get(&self) -> tracing::Span {
        self.span.get().cloned().unwrap_or_else(tracing::Span::none)
    }

    pub(super) const fn wants_to_learn(&self) -> bool {
        !self.has_priority
    }

    /// What the server was asked for. No field is recorded twice, as a log would have it twice.
    pub(super) fn learn(&mut self, tube: Option<&TubeName>, attempt: Option<u64>, priority: Option<Priority>) {
        let Some(span) = self.span.get() else { return };
        let _panicked = guarded(|| {
            once(&mut self.has_tube, tube, |tube| span.record("tube", tracing::field::display(tube)));
            once(&mut self.has_attempt, attempt, |attempt| span.record("attempt", attempt));
            once(&mut self.has_priority, priority, |priority| span.record("priority", priority.0));
        });
    }

    /// Reports an event of the job inside.
    pub(super) fn report(&mut self, event: &JobEvent, report: impl FnOnce()) {
        if let JobEvent::Retried { attempt, .. } | JobEvent::Buried { reason: BuryReason::Failed { attempt } } = event {
            self.learn(None, Some(*attempt), None);
        }
        let Some(span) = self.span.get() else { return report() };
        let _panicked = guarded(|| span.in_scope(report));
    }
}

fn once<'s, T>(has: &mut bool, value: Option<T>, record: impl FnOnce(T) -> &'s tracing::Span) {
    if let (false, Some(value)) = (*has, value) {
        *has = true;
        record(value);
    }
}
