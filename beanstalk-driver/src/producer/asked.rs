//! A put on one server: how far it is followed, and what it shows of that server.

use alloc::sync::Arc;
use core::{future::Future, time::Duration};

use super::links::{Attempt, Inner};
use crate::{
    policy::{Next, ServerId, breaks},
    runtime::Runtime,
    shared::{SharedClient, SharedReply},
};
use beanstalk_proto::{Error, Instant, Lost, Put, PutOutcome, TubeName, client::Timeout};

/// How far a put has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The server was asked whether it is there.
    Connecting,
    /// The put was to be flushed.
    Flushing,
    /// The server was to answer it.
    Answering,
}

/// How far a put is followed before its call returns.
pub(super) trait Delivery<R: Runtime> {
    /// Its result.
    type Out: Send;

    /// What that is.
    const STAGE: Stage;

    /// Puts, unless sending takes longer than `patience`.
    fn deliver(
        client: &SharedClient<R>,
        patience: Option<Duration>,
        tube: &TubeName,
        put: &Put<'_>,
    ) -> impl Future<Output = Result<Self::Out, Error>> + Send;
}

/// Until the server has answered.
pub(super) struct UntilAnswered;

impl<R: Runtime> Delivery<R> for UntilAnswered {
    type Out = PutOutcome;
    const STAGE: Stage = Stage::Answering;

    async fn deliver(
        client: &SharedClient<R>,
        patience: Option<Duration>,
        tube: &TubeName,
        put: &Put<'_>,
    ) -> Result<PutOutcome, Error> {
        client.run_within(patience, Some(tube), put.clone()).await
    }
}

/// Until the operating system has its last byte.
pub(super) struct UntilFlushed;

impl<R: Runtime> Delivery<R> for UntilFlushed {
    type Out = SharedReply<R, PutOutcome>;
    const STAGE: Stage = Stage::Flushing;

    async fn deliver(
        client: &SharedClient<R>,
        patience: Option<Duration>,
        tube: &TubeName,
        put: &Put<'_>,
    ) -> Result<SharedReply<R, PutOutcome>, Error> {
        client.start_within(patience, Some(tube), put).await
    }
}

/// A server that is asked.
pub(super) struct Asked<R: Runtime> {
    inner: Arc<Inner<R>>,
    pub(super) server: ServerId,
    /// The number of the client.
    pub(super) number: u64,
    client: SharedClient<R>,
    began: Instant,
    /// How long it waits until it is sent.
    patience: Option<Duration>,
    /// When the whole put is over, if it has a time of its own.
    over: Option<Instant>,
    timeout: Timeout,
}

impl<R: Runtime> Asked<R> {
    pub(super) fn new(inner: &Arc<Inner<R>>, attempt: Attempt<R>, over: Option<Instant>, timeout: Timeout) -> Self {
        let Attempt { server, number, client, began, patience, .. } = attempt;
        Self { inner: Arc::clone(inner), server, number, client, began, patience, over, timeout }
    }

    /// The client, with what is left of the time of the whole, and of that until the put is sent.
    pub(super) fn limited(&self) -> (SharedClient<R>, Option<Duration>) {
        let now = self.inner.runtime.now();
        let timeout = self.over.map_or(self.timeout, |over| {
            Timeout::After(over.saturating_duration_since(now).max(Duration::from_nanos(1)))
        });
        let patience = self.patience.map(|patience| patience.saturating_sub(now.saturating_duration_since(self.began)));
        (self.client.with_timeout(timeout), patience)
    }

    /// Takes note of the server's answer, and returns whether to ask another.
    pub(super) fn settle<T>(&self, mut result: Result<T, Error>, stage: Stage) -> (Next, Result<T, Error>) {
        let now = self.inner.runtime.now();
        let is_broken = self.client.is_closed();
        let mut is_its_own = false;
        if let (Err(error), false) = (&mut result, is_broken) {
            // Nothing is known of a server that was not given its time.
            let is_over = self.over.is_some_and(|over| over <= now);
            let has_waited_its_turn =
                matches!(error, Error::TimedOut { lost: Lost::NotSent, .. }) && self.client.is_connected();
            is_its_own = breaks(error) && (is_over || has_waited_its_turn);
            if let (Error::TimedOut { waited, .. }, Timeout::After(timeout), true) = (error, self.timeout, is_over) {
                *waited = timeout;
            }
        }
        let result = result.map_err(|error| match stage {
            Stage::Connecting => error.with_lost(Lost::NotSent),
            Stage::Flushing | Stage::Answering => error,
        });
        let mut next = Next::Return;
        // Being flushed is no answer.
        if !is_its_own && (stage != Stage::Flushing || result.is_err()) {
            let has_ended = is_broken || result.as_ref().is_err_and(breaks);
            let ended = has_ended.then_some(self.number);
            next = self.inner.handle_result(self.server, result.as_ref().map(drop), self.began, now, ended);
        }
        (next, result)
    }
}
