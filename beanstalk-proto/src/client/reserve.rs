//! Abandoned reserves, and jobs that arrived for them.
//!
//! ```text
//!   reserve ──▶ does an abandoned one wait, or confirm a job? ── yes ──▶ take it over; write nothing
//!                 │ no                                                     │ answered before that was read,
//!                 ▼                                                        │ or with TIMED_OUT
//!               is a job parked? ◀─────────────────────────────────────────┘
//!                 │ no    │ yes
//!                 │       └──▶ touch ── TOUCHED ────▶ the job
//!                 │              └───── NOT_FOUND ──▶ (is another parked?)
//!                 ▼
//!               send it, for what is left of its time
//! ```

use alloc::{boxed::Box, vec::Vec};
use core::{mem, time::Duration};

use super::{
    Connection,
    send::Claim,
    slot::{Caller, Expected, Name, Patience, Sent, State, TooBig},
};
use crate::{
    error::{Error, Subject},
    request::{Encoder, Expect, Request, Wait, is_reserve},
    table::{Kind, Reserve, ReserveWithTimeout, Touch},
    types::Job,
};

/// A job that arrived for an abandoned reserve.
#[derive(Debug)]
pub(super) enum Parked {
    Job(Job),
    TooBig(Box<TooBig>),
}

/// Jobs that came without a caller.
impl Connection {
    /// Refuses what the server would not read, and finds the abandoned reserve that a new one can take over.
    pub(super) fn check_waiting(&self, expect: &Expect) -> Result<Option<u64>, Error> {
        let mut adoptable = None;
        for (place, slot) in self.slots.pending_waits() {
            if slot.sent.owner == 0 && is_reserve(slot.expected.kind) && is_reserve(expect.kind) {
                adoptable = adoptable.or(Some(place));
            } else if slot.server_wait() == Wait::Forever {
                return Err(Error::ReserveWaiting);
            }
        }
        Ok(adoptable)
    }

    /// Sends a reserve that need not be written: it takes over an abandoned one that still waits, or a job that arrived for one.
    #[cold]
    pub(super) fn take_over(&mut self, wait: Wait, patience: Patience) -> Claim {
        let owner = self.next_number();
        let caller = Caller { wait, since: self.clock.now, unread: false };
        (owner, self.begin_reserve(owner, caller, patience))
    }

    /// Begins a reserve, or goes on with one whose slot was answered without a job for it. Gives the place of its slot.
    pub(super) fn begin_reserve(&mut self, owner: u64, caller: Caller, patience: Patience) -> u64 {
        let Caller { wait, since, .. } = caller;
        let kind = if wait == Wait::Forever { Kind::Reserve } else { Kind::ReserveWithTimeout };
        // That a job was too big can be reported at once, if there is room for one more that is answered.
        let room = self.slots.len() < self.config.limits.in_flight;
        let too_big = self.parked.iter().position(|parked| room && matches!(parked, Parked::TooBig(_)));
        if let Some(Parked::TooBig(too_big)) = too_big.and_then(|at| self.parked.remove(at)) {
            let name = Name { command: kind.word(), subject: Subject::None };
            self.slots.keep(owner, name, State::TooBig(too_big));
            return u64::MAX;
        }
        let waiting =
            self.slots.pending_waits().find(|(_, slot)| slot.sent.owner == 0 && is_reserve(slot.expected.kind));
        if let Some(place) = waiting.map(|(place, _)| place) {
            if let Some(slot) = self.slots.get_mut(place) {
                (slot.sent.owner, slot.sent.patience) = (owner, patience);
            }
            self.slots.set_caller(place, Caller { unread: true, ..caller });
            self.clock.adopt();
            return place;
        }
        // What the server does not read before another reserve has its job would keep this one from other workers.
        let blocked = self.slots.pending_waits().any(|(_, slot)| slot.server_wait() == Wait::Forever);
        let parked = self.parked.iter().position(|parked| !blocked && matches!(parked, Parked::Job(_)));
        let (wait, state) = match (parked.and_then(|at| self.parked.remove(at)), wait) {
            (Some(Parked::Job(job)), wait) => {
                self.write(Touch::new(job.id));
                (wait, State::Confirming(job.into()))
            }
            (_, Wait::Seconds(seconds)) => {
                let end = since + Duration::from_secs(seconds.into());
                let left = end.saturating_duration_since(self.clock.now);
                let seconds = u32::try_from(left.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX);
                self.write(ReserveWithTimeout::new(seconds));
                (Wait::Seconds(seconds), State::Waiting)
            }
            (_, wait) => {
                self.write(Reserve::new());
                (wait, State::Waiting)
            }
        };
        let end = self.transmit.end();
        let sent = Sent { owner, at: self.clock.now, patience, body_at: end, end };
        let (expected, rare) = Expected::of(Expect::of(kind).wait(wait));
        let place = self.slots.push(expected, rare, sent);
        if let (Some(slot), State::Confirming(_)) = (self.slots.get_mut(place), &state) {
            slot.state = state;
            self.slots.set_caller(place, Caller { unread: false, ..caller });
        }
        place
    }

    /// Queues a request of our own, limits or not: there is at most one for each request of the caller's.
    pub(super) fn write<R: Request>(&mut self, request: R) {
        let mut encoder = Encoder::new(&mut self.transmit);
        if request.encode(&mut encoder).is_ok() && encoder.finish().is_ok() {
            encoder.commit();
        }
    }

    /// Takes the parked jobs, which arrived for abandoned reserves, unconfirmed: the time to run of each may be over. They are no longer parked
    /// afterwards. A job whose body was over a limit is not among them.
    pub fn take_orphaned(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        self.parked.retain_mut(|parked| match parked {
            Parked::Job(job) => {
                self.unclaimed = self.unclaimed.saturating_sub(job.body.len());
                jobs.push(Job { id: job.id, body: mem::take(&mut job.body) });
                false
            }
            Parked::TooBig(_) => true,
        });
        jobs
    }
}
