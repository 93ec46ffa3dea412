//! Nothing is observed.

use core::future::Future;

use super::Client;
use crate::{
    connect::Endpoint,
    policy::{Event, WorkerEvent},
};
use beanstalk_proto::{Instant, JobId, TubeName, stats::JobStats};

pub(crate) const fn connection(_: Client, _: Option<&Endpoint>, _: &Event) {}

pub(crate) const fn worker(_: &WorkerEvent) {}

#[derive(Debug)]
pub(crate) struct SlotObserver;

impl SlotObserver {
    pub(crate) const fn new(_: &Endpoint, _: Option<&TubeName>) -> Self {
        Self
    }

    pub(crate) const fn begin(&mut self, _: JobId, _: &dyn Fn() -> Instant) -> JobSpan {
        JobSpan
    }

    pub(crate) const fn wants_to_learn(&self) -> bool {
        false
    }

    pub(crate) const fn learn(&mut self, _: Option<u64>, _: &JobStats) {}

    pub(crate) fn ended(&self, _: &dyn Fn() -> Instant) {}

    pub(crate) fn report(&mut self, _: &WorkerEvent, emit: impl FnOnce()) {
        emit();
    }

    pub(crate) const fn state(&mut self, _: bool, _: bool) {}
}

pub(crate) struct JobSpan;

impl JobSpan {
    pub(crate) fn around<F: Future>(self, handler: F) -> F {
        handler
    }
}
