//! Claiming a reply, or giving up the claim.

use alloc::vec::Vec;
use core::{mem, task::Poll};

use super::{
    Connection, Ticket, TicketId,
    reserve::Parked,
    slot::{Name, State, TooBig},
};
use crate::{
    error::{DecodeError, Error, Lost, TicketError},
    reply::Reply,
};

/// Step 3, look: the reply to a ticket, and what became of its request.
impl Connection {
    /// Returns the reply to a request, if it is here. Poll again after [`Connection::received`], [`Connection::received_eof`] and
    /// [`Connection::handle_timeout`].
    ///
    /// # Errors
    ///
    /// What the server answered, if it is an error reply; [`Error::TimedOut`] if it is late; what ended the connection; or
    /// [`Error::Ticket`] for a ticket whose reply was claimed.
    ///
    /// # Panics
    ///
    /// With debug assertions, for a ticket of another connection. Without, that is an [`Error::Ticket`].
    #[inline(always)]
    pub fn poll_reply<T>(&mut self, ticket: &mut Ticket<T>) -> Poll<Result<T, Error>> {
        // Nearly always a line answers the request at the front.
        let Some(slot) = self.slots.answered_front(ticket.place) else { return self.poll_elsewhere(ticket) };
        if slot.sent.owner != ticket.number || self.identity != ticket.connection {
            return self.poll_elsewhere(ticket);
        }
        let State::Plain(head) = slot.state else {
            ticket.spend();
            return Poll::Ready(self.claim_front(ticket.decode));
        };
        let decoded = (ticket.decode)(head.into_reply(&[], Vec::new()));
        ticket.spend();
        match decoded {
            Ok(value) => {
                mem::forget(mem::take(&mut slot.state));
                self.slots.front_leaves();
                Poll::Ready(Ok(value))
            }
            Err(error) => Poll::Ready(Err(self.front_failed(error))),
        }
    }

    /// The error reply to the request at the front, which leaves.
    #[cold]
    fn front_failed(&mut self, error: DecodeError) -> Error {
        let error = match self.slots.front_mut() {
            Some(slot) => {
                slot.state = State::Free;
                failed(&slot.name(), error)
            }
            None => TicketError::Spent.into(),
        };
        self.slots.front_leaves();
        error
    }

    /// Claims what the slot at the front has, whose reply has a body, or is none.
    #[inline(never)]
    fn claim_front<T>(&mut self, decode: fn(Reply) -> Result<T, DecodeError>) -> Result<T, Error> {
        let Some(slot) = self.slots.front_mut() else { return Err(TicketError::Spent.into()) };
        let state = mem::take(&mut slot.state);
        let result = settle(decode, state, &mut self.unclaimed, || slot.name());
        self.slots.front_leaves();
        result
    }

    /// As [`Connection::poll_reply`], for a slot that is not at the front, or has no reply. That works on a copy of the ticket: nearly always, when it
    /// is not called, nothing refers to the ticket then, and it needs no place in memory.
    #[inline(always)]
    fn poll_elsewhere<T>(&mut self, ticket: &mut Ticket<T>) -> Poll<Result<T, Error>> {
        let mut copy = ticket.copy();
        let polled = self.poll_closely(&mut copy);
        (ticket.number, ticket.place) = (copy.number, copy.place);
        polled
    }

    #[inline(never)]
    fn poll_closely<T>(&mut self, ticket: &mut Ticket<T>) -> Poll<Result<T, Error>> {
        ticket.check(self.identity)?;
        let Some(place) = self.slots.find(ticket.number, ticket.place) else {
            let kept = self.slots.take_kept(ticket.number);
            ticket.spend();
            return Poll::Ready(match kept {
                Some((name, state)) => settle(ticket.decode, state, &mut self.unclaimed, || name),
                None => Err(TicketError::Spent.into()),
            });
        };
        ticket.place = place;
        let pending = self.slots.is_pending(place);
        if pending && !self.is_ended() {
            return Poll::Pending;
        }
        let end = if pending { self.end(self.lost(ticket)) } else { None };
        let Some(slot) = self.slots.get_mut(place) else { return Poll::Pending };
        let state = mem::take(&mut slot.state);
        let result = match end {
            Some(error) => Err(error),
            None => settle(ticket.decode, state, &mut self.unclaimed, || slot.name()),
        };
        self.slots.free(place);
        ticket.spend();
        Poll::Ready(result)
    }

    /// Returns whether [`Connection::poll_reply`] has something for this ticket: the reply, or that there will be none. A spent ticket has.
    #[must_use]
    #[inline(always)]
    pub fn is_ready(&self, id: TicketId) -> bool {
        // Nearly always the slot waits where it was, or has its reply and is at the front.
        match self.slots.is_pending(id.place) {
            true if id.connection == self.identity && self.slots.is_owned(id.place, id.number) => self.is_ended(),
            false if self.slots.is_front(id.place) => true,
            _ => self.is_ready_elsewhere(id),
        }
    }

    /// As [`Connection::is_ready`], for a ticket whose slot is not where it was, or is gone.
    #[inline(never)]
    fn is_ready_elsewhere(&self, id: TicketId) -> bool {
        self.is_ended() || self.place_of(id).is_none_or(|place| !self.slots.is_pending(place))
    }

    /// The place of the slot that belongs to a ticket.
    fn place_of(&self, id: TicketId) -> Option<u64> {
        self.slots.find(id.number, id.place).filter(|_| id.connection == self.identity)
    }

    /// Gives up the claim to a reply. Its slot stays until it arrives; a job that it brings is parked.
    ///
    /// # Panics
    ///
    /// With debug assertions, for a ticket of another connection. Without, that does nothing.
    pub fn abandon<T>(&mut self, ticket: Ticket<T>) {
        if ticket.check(self.identity).is_err() {
            return;
        }
        if let Some((_, state)) = self.slots.take_kept(ticket.number) {
            return self.discard(state);
        }
        let Some(place) = self.slots.find(ticket.number, ticket.place) else { return };
        let pending = self.slots.is_pending(place);
        let Some(slot) = self.slots.get_mut(place) else { return };
        if pending {
            slot.orphan();
            // Another's time counts now, and a read was asked for before that of this one.
            self.clock.withdraw();
            self.renew_due();
        } else {
            let state = mem::take(&mut slot.state);
            self.slots.free(place);
            self.discard(state);
        }
    }

    /// Drops the result of an abandoned request, unless it is a job.
    pub(super) fn discard(&mut self, state: State) {
        match state {
            State::Answered(Reply::Reserved(job)) => self.parked.push_back(Parked::Job(job)),
            State::Answered(reply) => self.forget_body(&reply),
            State::TooBig(too_big) if too_big.reserved => self.parked.push_back(Parked::TooBig(too_big)),
            _ => {}
        }
    }

    pub(super) fn forget_body(&mut self, reply: &Reply) {
        self.unclaimed = self.unclaimed.saturating_sub(reply.body().map_or(0, <[u8]>::len));
    }

    /// Returns what can have become of a request if its reply never comes.
    #[must_use]
    #[inline(always)]
    pub fn lost<T>(&self, ticket: &Ticket<T>) -> Lost {
        self.lost_by(ticket.id())
    }

    #[cold]
    fn lost_by(&self, id: TicketId) -> Lost {
        let slot = self.place_of(id).and_then(|place| self.slots.get(place));
        slot.map_or(Lost::Unknown, |slot| slot.lost(self.transmit.handed_out()))
    }

    /// Returns whether all of a request was written, and a flush after that completed. So it was if its reply is here, but not if that is late.
    #[must_use]
    pub fn is_flushed<T>(&self, ticket: &Ticket<T>) -> bool {
        let pending = self.place_of(ticket.id()).filter(|place| self.slots.is_pending(*place));
        match pending.and_then(|place| self.slots.get(place)) {
            Some(slot) => slot.sent.end <= self.flushed,
            None => !self.slots.is_late(ticket.number),
        }
    }
}

/// Turns what became of a request into its result.
fn settle<T>(
    decode: fn(Reply) -> Result<T, DecodeError>,
    state: State,
    unclaimed: &mut usize,
    name: impl FnOnce() -> Name,
) -> Result<T, Error> {
    let reply = match state {
        State::Plain(head) => head.into_reply(&[], Vec::new()),
        State::Answered(reply) => {
            *unclaimed = unclaimed.saturating_sub(reply.body().map_or(0, <[u8]>::len));
            reply
        }
        State::TooBig(too_big) => {
            let TooBig { id, bytes, limit, .. } = *too_big;
            return Err(Error::ReplyTooBig { command: name().command, id, bytes, limit });
        }
        // While the connection goes on, so does the request: what of it waits to be written will be, and it may run after all.
        State::Late(waited) => {
            let Name { command, subject } = name();
            return Err(Error::TimedOut { command, subject, waited, lost: Lost::Unknown });
        }
        State::Waiting | State::Confirming(_) | State::Free => return Err(TicketError::Spent.into()),
    };
    decode(reply).map_err(|error| failed(&name(), error))
}

#[cold]
fn failed(name: &Name, error: DecodeError) -> Error {
    Error::from_decode(name.command, name.subject.clone(), error)
}
