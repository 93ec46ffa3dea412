//! Whether the driver of a shared client can be relied upon, for a call that waits for it.

use alloc::sync::Arc;
use core::{
    mem,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{driver, state::Inner};
use crate::runtime::{Alarm, Runtime};
use beanstalk_proto::Instant;

/// After so long a driver on another runtime than the caller's, which was woken and did not come, is taken for one that stands still.
const STALLED: Duration = Duration::from_secs(1);

/// Looks after a driver that the caller cannot be sure of: one on another runtime, which may stand still, or one that may not be polled at all.
/// That costs a timer, so it is done where there is need only.
#[derive(Default)]
pub(super) struct Watch {
    alarm: Alarm,
    /// When to look next; `None` as long as the driver can be relied upon.
    next: Option<Instant>,
    /// How often the driver had been polled when it was looked at last.
    polls: u64,
}

impl Watch {
    /// Ready once it is `until` and the driver has not reported it, or once a driver that can't be replaced stands still.
    pub(super) fn poll<R: Runtime>(
        &mut self,
        inner: &Arc<Inner<R>>,
        until: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let period = if inner.server.is_some() { Some(STALLED) } else { inner.config().reply_timeout };
        loop {
            let now = inner.runtime.now();
            if until.is_some_and(|until| until <= now) {
                return Poll::Ready(());
            }
            if self.next.is_none() {
                let current = R::current();
                let is_reliable = inner.with(|state| {
                    // Asked again each time that this is polled: another that takes over may run elsewhere, and wakes all who wait.
                    if current.is_none() || inner.server.is_some() && state.driver.runtime == current {
                        return true;
                    }
                    // One that has nothing to do is not polled before it is woken.
                    self.polls = state.driver.polls;
                    state.wake_driver();
                    false
                });
                if is_reliable {
                    return Poll::Pending;
                }
            }
            let next = self.next.get_or_insert_with(|| now + period.unwrap_or(STALLED));
            if *next > now {
                let at = until.map_or(*next, |until| until.min(*next));
                ready!(self.alarm.poll(&inner.runtime, at, cx));
                continue;
            }
            self.next = Some(now + period.unwrap_or(STALLED));
            let stands_still = inner.with(|state| {
                let polls = mem::replace(&mut self.polls, state.driver.polls);
                state.wake_driver();
                polls == state.driver.polls
            });
            match stands_still {
                true if inner.server.is_some() => driver::replace(inner),
                true if period.is_some() => return Poll::Ready(()),
                _ => {}
            }
        }
    }
}
