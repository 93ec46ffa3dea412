//! Metrics. Names, labels and units are in the documentation of [`Worker`](crate::Worker), and tests pin them.

use alloc::{string::ToString, sync::Arc};

use beanstalk_proto::{Instant, TubeName};
use metrics::{SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::Client;
use crate::{
    connect::Endpoint,
    policy::{Event, JobEvent, guarded},
};

const RESERVED: &str = "beanstalk_jobs_reserved_total";
const FINISHED: &str = "beanstalk_jobs_finished_total";
const FAILED: &str = "beanstalk_jobs_failed_total";
const DURATION: &str = "beanstalk_job_duration_seconds";
const RUNNING: &str = "beanstalk_jobs_running";
const CONNECTIONS: &str = "beanstalk_worker_connections";
const CONNECTION_EVENTS: &str = "beanstalk_connection_events_total";

fn label(value: &impl ToString) -> SharedString {
    SharedString::from_shared(Arc::from(value.to_string()))
}

pub(super) fn connection(client: Client, server: Option<&Endpoint>, event: &Event) {
    let event = match event {
        Event::Connected => "connected",
        Event::Lost { .. } => "lost",
        Event::Refused { .. } => "refused",
        Event::Restored | Event::Retrying { .. } | Event::Ended => return,
    };
    describe_counter!(CONNECTION_EVENTS, Unit::Count, "Connections made, lost or not made, and refused");
    let server = server.map_or_else(SharedString::default, label);
    counter!(CONNECTION_EVENTS, "server" => server, "client" => client.name(), "event" => event).increment(1);
}

/// What is counted of one slot.
#[derive(Debug)]
pub(super) struct Slot {
    server: SharedString,
    connected: bool,
    running: bool,
    /// When its handler began.
    begun: Instant,
}

impl Slot {
    pub(super) fn new(server: &Endpoint) -> Self {
        let _panicked = guarded(|| {
            describe_counter!(RESERVED, Unit::Count, "Jobs that were reserved");
            describe_counter!(FINISHED, Unit::Count, "Jobs that are no longer in hand, by what became of them");
            describe_counter!(FAILED, Unit::Count, "Attempts at jobs that failed, by the reason");
            describe_histogram!(DURATION, Unit::Seconds, "How long handlers ran, whatever their outcome");
            describe_gauge!(RUNNING, Unit::Count, "Handlers that run");
            describe_gauge!(CONNECTIONS, Unit::Count, "Connections that workers have");
        });
        Self { server: label(server), connected: false, running: false, begun: Instant::ZERO }
    }

    pub(super) const fn begin(&mut self, now: Instant) {
        self.begun = now;
    }

    pub(super) fn ended(&self, tube: Option<&TubeName>, now: Instant) {
        let took = now.saturating_duration_since(self.begun);
        histogram!(DURATION, "server" => self.server.clone(), "tube" => Self::tube(tube)).record(took);
    }

    pub(super) fn job(&self, tube: Option<&TubeName>, event: &JobEvent) {
        let outcome = match event {
            JobEvent::Reserved => return counter!(RESERVED, "server" => self.server.clone()).increment(1),
            JobEvent::Failed { .. } => return self.failed(tube, "error"),
            JobEvent::Panicked { .. } => return self.failed(tube, "panic"),
            JobEvent::TimedOut { .. } => return self.failed(tube, "timeout"),
            JobEvent::Malformed { .. } => return self.failed(tube, "malformed"),
            JobEvent::TooBig { .. } => return self.failed(tube, "too_big"),
            JobEvent::Done { .. } => "done",
            JobEvent::Retried { .. } => "retried",
            JobEvent::Buried { .. } => "buried",
            JobEvent::Moved { .. } => "moved",
            JobEvent::Lost => "lost",
            JobEvent::Returned => "returned",
        };
        let (server, tube) = (self.server.clone(), Self::tube(tube));
        counter!(FINISHED, "server" => server, "tube" => tube, "outcome" => outcome).increment(1);
    }

    fn failed(&self, tube: Option<&TubeName>, reason: &'static str) {
        let (server, tube) = (self.server.clone(), Self::tube(tube));
        counter!(FAILED, "server" => server, "tube" => tube, "reason" => reason).increment(1);
    }

    /// The tube of a job; none if it is not known.
    fn tube(tube: Option<&TubeName>) -> SharedString {
        tube.map_or_else(SharedString::default, label)
    }

    pub(super) fn state(&mut self, connected: bool, running: bool) {
        self.adjust(CONNECTIONS, self.connected, connected);
        self.adjust(RUNNING, self.running, running);
        (self.connected, self.running) = (connected, running);
    }

    fn adjust(&self, name: &'static str, before: bool, now: bool) {
        if before != now {
            let gauge = gauge!(name, "server" => self.server.clone());
            if now { gauge.increment(1.0) } else { gauge.decrement(1.0) }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let _panicked = guarded(|| self.state(false, false));
    }
}
