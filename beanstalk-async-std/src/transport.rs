//! async-std's timer, as the driver wants it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time,
};

use async_std::task;
use beanstalk_driver::connect::stream::{self, PolledTransport};
use beanstalk_proto::Instant;

use crate::stream::Polled;

/// A stream and the one timer of its connection, as the crate `beanstalk-driver` moves bytes by it. Needed only where a
/// [`Client`](crate::Client) is made of a driver of that crate.
pub type Transport<S> = PolledTransport<Polled<S>, Timer>;

/// The one timer of a connection.
pub struct Timer {
    /// What the core's clock counts from.
    epoch: time::Instant,
    timer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Default for Timer {
    fn default() -> Self {
        Self { epoch: time::Instant::now(), timer: None }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl stream::Timer for Timer {
    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let epoch = self.epoch;
        move || Instant::ZERO + epoch.elapsed()
    }

    fn set(&mut self, at: Instant) {
        self.timer = Some(Box::pin(task::sleep(at.saturating_duration_since(self.now()))));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }
}
