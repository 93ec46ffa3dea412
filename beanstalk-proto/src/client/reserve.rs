//! Reserves that nobody waits for any more, and jobs that arrived for nobody.
//!
//! ```text
//!   reserve ──▶ does an abandoned one wait, or confirm a job? ── yes ──▶ take it over; write nothing
//!                 │ no
//!                 ▼
//!               is a job parked? ── yes ──▶ touch ── TOUCHED ────▶ the job
//!                 │ no                        └───── NOT_FOUND ─┐
//!                 ▼                                             ▼
//!               send it ◀────────────────────────────────────────
//! ```

use alloc::vec::Vec;
use core::{mem, task::Poll};

use super::{
    Connection, Ticket,
    slot::{Adopted, State, TooBig},
};
use crate::{
    error::{Error, SendError, Subject},
    reply::Reply,
    request::{Encoder, Expect, Request, Wait},
    table::{Kind, Reserve, ReserveWithTimeout, Touch},
    types::Job,
};

/// A job that arrived for nobody.
#[derive(Debug)]
pub(super) enum Parked {
    Job(Job),
    TooBig(TooBig),
}

impl Connection {
    /// Refuses what the server would not read, and finds the abandoned reserve that a new one can take over.
    pub(super) fn check_waiting(&self, expect: &Expect) -> Result<Option<u64>, SendError> {
        let mut adoptable = None;
        for (seq, slot) in self.slots.pending_waits() {
            if slot.abandoned && slot.is_reserve() && expect.is_reserve() {
                adoptable = adoptable.or(Some(seq));
            } else if slot.wait == Wait::Forever && matches!(slot.state, State::Waiting) {
                return Err(SendError::ReserveWaiting);
            }
        }
        Ok(adoptable)
    }

    /// A reserve that need not be sent: it takes over one that waits for nobody, or a job that came for nobody.
    pub(super) fn take_over(&mut self, expect: Expect, adoptable: Option<u64>) -> Result<u64, SendError> {
        if let Some(slot) = adoptable.and_then(|seq| self.slots.get_mut(seq)) {
            slot.abandoned = false;
            match slot.state {
                State::Confirming(_) => {
                    slot.wait = expect.wait;
                    slot.until = None;
                }
                _ => slot.set_adopted(Some(Adopted { wait: expect.wait, until: None })),
            }
            return Ok(adoptable.unwrap_or_default());
        }
        match self.parked.pop_front() {
            Some(Parked::TooBig(too_big)) => Ok(self.push_slot_as(expect, State::TooBig(too_big))),
            Some(Parked::Job(job)) => {
                self.write(Touch::new(job.id))?;
                Ok(self.push_slot_as(expect, State::Confirming(job.into())))
            }
            None => self.reserve_afresh(expect.wait),
        }
    }

    /// A slot for a request that has come some way already.
    fn push_slot_as(&mut self, expect: Expect, state: State) -> u64 {
        let seq = self.push_slot(expect, false);
        if let Some(slot) = self.slots.get_mut(seq) {
            slot.state = state;
        }
        seq
    }

    /// Queues a request of our own, limits or not: there is at most one for each request of the caller's.
    pub(super) fn write<R: Request>(&mut self, request: R) -> Result<(), SendError> {
        let mut encoder = Encoder::new(&mut self.transmit);
        request.encode(&mut encoder)?;
        encoder.finish()?;
        encoder.commit();
        Ok(())
    }

    /// Queues the reserve that a slot stood for, and gives the slot it continues in.
    pub(super) fn reserve_afresh(&mut self, wait: Wait) -> Result<u64, SendError> {
        let kind = match wait {
            Wait::Seconds(timeout) => {
                self.write(ReserveWithTimeout::new(timeout))?;
                Kind::ReserveWithTimeout
            }
            Wait::No | Wait::Forever => {
                self.write(Reserve::new())?;
                Kind::Reserve
            }
        };
        Ok(self.push_slot(Expect::of(kind).wait(wait), false))
    }

    /// Ends a reserve whose own deadline has passed: the reply if it is here after all, else `TIMED_OUT`. The request is
    /// abandoned, and adopted by the next reserve if it still waits.
    ///
    /// # Errors
    ///
    /// As [`Connection::poll_reply`].
    pub fn give_up<T>(&mut self, mut ticket: Ticket<T>) -> Result<T, Error> {
        if let Poll::Ready(result) = self.poll_reply(&mut ticket) {
            return result;
        }
        let command = Kind::ReserveWithTimeout.word();
        let result =
            (ticket.decode)(Reply::TimedOut).map_err(|error| Error::from_decode(command, Subject::None, error));
        self.abandon(ticket);
        result
    }

    /// The jobs that arrived for nobody, unconfirmed: the time to run of each may be over. They are no longer parked
    /// afterwards. A job whose body was over a limit is not among them.
    pub fn take_orphaned(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        self.parked.retain_mut(|parked| match parked {
            Parked::Job(job) => {
                self.untaken = self.untaken.saturating_sub(job.body.len());
                jobs.push(Job { id: job.id, body: mem::take(&mut job.body) });
                false
            }
            Parked::TooBig(_) => true,
        });
        jobs
    }
}
