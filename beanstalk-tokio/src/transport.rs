//! tokio's timers, as the driver wants them.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use beanstalk_driver::connect::stream::{self, PolledTransport};
use beanstalk_proto::Instant;
use tokio::{
    runtime::{self, Handle},
    task,
    time::{self, Sleep},
};

use crate::stream::Polled;

/// A stream and the one timer of its connection, as the crate `beanstalk-driver` moves bytes by it. Needed only where a
/// [`Client`](crate::Client) is made of a driver of that crate.
pub type Transport<S> = PolledTransport<Polled<S>, Timer>;

/// The one timer of a connection.
#[derive(Debug)]
pub struct Timer {
    /// What the core's clock counts from.
    epoch: time::Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// The runtime whose clock drives the timer.
    runtime: Option<runtime::Id>,
    /// Whom the timer will wake.
    woken: Option<Waker>,
}

impl Default for Timer {
    fn default() -> Self {
        Self { epoch: time::Instant::now(), timer: None, runtime: None, woken: None }
    }
}

#[inline]
fn since(epoch: time::Instant) -> Instant {
    Instant::ZERO + epoch.elapsed()
}

impl stream::Timer for Timer {
    #[inline]
    fn now(&self) -> Instant {
        since(self.epoch)
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let epoch = self.epoch;
        move || since(epoch)
    }

    fn set(&mut self, at: Instant) {
        let after = at.saturating_duration_since(Instant::ZERO);
        // Far enough that it never goes off in practice, and near enough for every clock.
        let at =
            self.epoch.checked_add(after).unwrap_or_else(|| time::Instant::now() + time::Duration::from_secs(1 << 30));
        self.woken = None;
        match &mut self.timer {
            Some(timer) if !is_elsewhere(self.runtime) => timer.as_mut().reset(at),
            _ => self.start(at),
        }
    }

    #[inline(always)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timer) = &self.timer else { return Poll::Pending };
        // Nearly always it is the same task that waits, and that it has to be woken is known.
        if !timer.is_elapsed() && self.woken.as_ref().is_some_and(|woken| woken.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        self.poll_anew(cx)
    }
}

impl Timer {
    fn start(&mut self, at: time::Instant) {
        self.runtime = current();
        self.timer = Some(Box::pin(time::sleep_until(at)));
    }

    #[cold]
    fn poll_anew(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if is_elsewhere(self.runtime) {
            if let Some(at) = self.timer.as_ref().map(|timer| timer.deadline()) {
                self.start(at);
            }
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        // A task that has used up its share of time would be asked to come again, and not be noted down. (So is one of which the
        // runtime takes a dump, but that is with `tokio_unstable` and its `taskdump` only.)
        let polled = Pin::new(&mut task::unconstrained(timer.as_mut())).poll(cx);
        self.woken = polled.is_pending().then(|| cx.waker().clone());
        polled
    }
}

/// The runtime that the task runs on.
fn current() -> Option<runtime::Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

/// Whether that is another one than this, which may be gone, and its timers with it, or stand still.
fn is_elsewhere(runtime: Option<runtime::Id>) -> bool {
    current().is_some_and(|current| runtime != Some(current))
}
