//! What is owed to one request, and the queue of these.
//!
//! ```text
//!              reply                    taken, or abandoned
//!   Waiting ──────────▶ Answered ───────────────────────────▶ Free
//!      │                   ▲                                   ▲
//!      │ TIMED_OUT of an   │ TOUCHED                           │
//!      │ adopted request   │                                   │
//!      ├──────────────▶ Moved ─────────────────────────────────┤
//!      │                   ▲ NOT_FOUND                         │
//!   Confirming ────────────┘ (reserve afresh)                  │
//!      └── abandoned: when the reply comes ────────────────────┘
//! ```

use alloc::{boxed::Box, collections::VecDeque};

use crate::{
    error::Lost,
    reply::Reply,
    request::{Expect, Wait},
    time::Instant,
    types::{Job, JobId},
};

/// A body that was discarded because it is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooBig {
    pub(super) id: Option<JobId>,
    /// Whether the job is reserved by this connection now.
    pub(super) reserved: bool,
    pub(super) bytes: u64,
    pub(super) limit: usize,
}

/// What became of a request so far.
#[derive(Debug)]
pub(super) enum State {
    /// The reply has not come.
    Waiting,
    /// The `touch` of a parked job is under way; the job is what the caller gets if it succeeds.
    Confirming(Box<Job>),
    /// The reply is here.
    Answered(Reply),
    /// The reply is here, but its body was over a limit.
    TooBig(TooBig),
    /// The request goes on in the slot with this number.
    Moved(u64),
    /// Nobody wants anything from this slot any more.
    Free,
}

/// A reserve that took over the slot of another, which nobody waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adopted {
    /// What to ask for should the slot's own request end without a job.
    pub(super) wait: Wait,
    /// When its caller gives up, once that was asked for.
    pub(super) until: Option<Instant>,
}

/// One request in flight.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) expect: Expect,
    pub(super) has_body: bool,
    /// Where in the outbound stream the request ends.
    pub(super) end: u64,
    pub(super) abandoned: bool,
    /// A reserve that took over this waiting slot.
    pub(super) adopted: Option<Adopted>,
    /// When the server answers at the latest, once that was asked for.
    pub(super) until: Option<Instant>,
    pub(super) state: State,
}

impl Slot {
    pub(super) const fn is_pending(&self) -> bool {
        matches!(self.state, State::Waiting | State::Confirming(_))
    }

    /// What can have become of the request, if no reply comes any more.
    pub(super) const fn lost(&self, written: u64) -> Lost {
        if self.end > written { Lost::NotSent } else { Lost::Unknown }
    }
}

/// The requests in flight, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Slots {
    queue: VecDeque<Slot>,
    /// The number of the slot at the front.
    front: u64,
    /// How many slots at the front have their reply.
    answered: usize,
    /// The number behind the last request that the server may keep waiting.
    after_wait: u64,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Appends a slot and gives its number.
    #[inline]
    pub(super) fn push(&mut self, slot: Slot) -> u64 {
        let seq = self.front.saturating_add(self.queue.len() as u64);
        if slot.expect.wait != Wait::No {
            self.after_wait = seq.saturating_add(1);
        }
        self.queue.push_back(slot);
        seq
    }

    fn index(&self, seq: u64) -> Option<usize> {
        usize::try_from(seq.checked_sub(self.front)?).ok()
    }

    #[inline]
    pub(super) fn get(&self, seq: u64) -> Option<&Slot> {
        self.queue.get(self.index(seq)?)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, seq: u64) -> Option<&mut Slot> {
        let index = self.index(seq)?;
        self.queue.get_mut(index)
    }

    /// The slot whose reply comes next, and its number.
    #[inline]
    pub(super) fn next_pending(&mut self) -> Option<(u64, &mut Slot)> {
        while self.queue.get(self.answered).is_some_and(|slot| !slot.is_pending()) {
            self.answered = self.answered.saturating_add(1);
        }
        let seq = self.front.saturating_add(self.answered as u64);
        self.queue.get_mut(self.answered).map(|slot| (seq, slot))
    }

    /// As [`Slots::pending_waits`], for noting how long they may take.
    pub(super) fn pending_waits_before(&mut self, seq: u64) -> impl Iterator<Item = &mut Slot> {
        let end = self.after_wait.min(seq).saturating_sub(self.front);
        let slots = self.queue.iter_mut().take(usize::try_from(end).unwrap_or(usize::MAX)).skip(self.answered);
        slots.filter(|slot| slot.is_pending() && slot.expect.wait != Wait::No)
    }

    /// The slots whose replies have not come because the server may keep them waiting.
    pub(super) fn pending_waits(&self) -> impl Iterator<Item = (u64, &Slot)> {
        let end = self.after_wait.saturating_sub(self.front);
        let numbered =
            self.queue.iter().enumerate().take(usize::try_from(end).unwrap_or(usize::MAX)).skip(self.answered);
        numbered
            .filter(|(_, slot)| slot.is_pending() && slot.expect.wait != Wait::No)
            .map(|(index, slot)| (self.front.saturating_add(index as u64), slot))
    }

    /// Gives up a slot; slots leave from the front.
    #[inline]
    pub(super) fn free(&mut self, seq: u64) {
        if let Some(slot) = self.get_mut(seq) {
            slot.state = State::Free;
        }
        while matches!(self.queue.front(), Some(Slot { state: State::Free, .. })) {
            self.queue.pop_front();
            self.front = self.front.saturating_add(1);
            self.answered = self.answered.saturating_sub(1);
        }
    }
}
