//! Whether the slot that somebody waits for is still polled.
//!
//! A slot runs on the runtime that its worker was started on. Another may wait for what it does with a job: where that runtime stands still, as
//! one of tokio's does between two calls of `block_on`, the slot's own timers do not run either.

use alloc::sync::Arc;
use core::{
    task::{Context, Poll, ready},
    time::Duration,
};

use super::slot_state::{SlotState, Timers};
use crate::runtime::Boxed;

/// Looks at a slot for as long as somebody waits for it.
pub(super) struct Stall {
    slot_state: Arc<SlotState>,
    alarm: Option<Boxed<()>>,
    /// How often the slot had been polled when this has woken it.
    polled: Option<u64>,
}

impl Stall {
    pub(super) const fn new(slot_state: Arc<SlotState>) -> Self {
        Self { slot_state, alarm: None, polled: None }
    }

    /// Ready once the slot was woken, and woken once more after its patience, and was not polled in as long again. Returns how long that is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let Timers { patience: Some(patience), after } = self.slot_state.timers else { return Poll::Pending };
        loop {
            let Some(alarm) = &mut self.alarm else {
                self.alarm = after(patience);
                match self.alarm {
                    Some(_) => continue,
                    None => return Poll::Pending,
                }
            };
            ready!(alarm.as_mut().poll(cx));
            self.alarm = None;
            let polled = self.slot_state.polled();
            if self.polled.replace(polled) == Some(polled) {
                return Poll::Ready(patience.saturating_mul(2));
            }
            self.slot_state.wake();
        }
    }
}
