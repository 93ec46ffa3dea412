//! The sending half of a client connection: whether a request may be sent, and queueing it whole.

use alloc::boxed::Box;

use super::{Connection, Stream, Ticket};
use crate::{
    error::{Full, SendError},
    request::{Encoder, Expect, Request},
    table::Kind,
};

impl Connection {
    /// Queues a request, whole, and gives the ticket for its reply. Nothing is queued if it fails.
    ///
    /// Afterwards write what [`Connection::transmit`] holds.
    ///
    /// # Errors
    ///
    /// A [`SendError`]: an argument that cannot be said, a waiting `reserve`, a limit, or an ended connection.
    #[inline(always)]
    pub fn send<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, SendError> {
        let expect = request.expect();
        let adoptable = if self.has_room() { None } else { self.check_room_closely(&expect)? };
        self.send_into(request, expect, adoptable, self.config.limits.queued)
    }

    /// As [`Connection::send`], however much is queued: for drivers that have found room for it or for the request before it, and
    /// send nothing else meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`], but for [`Full::Queued`].
    #[doc(hidden)]
    pub fn send_over<R: Request>(&mut self, request: R) -> Result<Ticket<R::Reply>, SendError> {
        let expect = request.expect();
        let adoptable = if self.has_room() { None } else { self.check_slots(&expect)? };
        self.send_into(request, expect, adoptable, usize::MAX)
    }

    /// Queues a request that there is room for, unless it makes the queue longer than `limit`.
    #[inline(always)]
    #[doc(hidden)]
    pub fn send_into<R: Request>(
        &mut self,
        request: R,
        expect: Expect,
        adoptable: Option<u64>,
        limit: usize,
    ) -> Result<Ticket<R::Reply>, SendError> {
        match self.enqueue(request, expect, adoptable, limit) {
            Ok(seq) => Ok(Ticket::new(self.identity, seq, R::decode)),
            Err(error) => Err(*error),
        }
    }

    /// As [`Connection::send_into`]; the error is boxed, so that what nearly always comes back is a number.
    #[inline(always)]
    pub(super) fn enqueue<R: Request>(
        &mut self,
        request: R,
        expect: Expect,
        adoptable: Option<u64>,
        limit: usize,
    ) -> Result<u64, Box<SendError>> {
        let queued = self.transmit.queued();
        let mut encoder = Encoder::new(&mut self.transmit);
        if let Err(error) = request.encode(&mut encoder) {
            return Err(self.refused(error));
        }
        let bytes = match encoder.finish() {
            Ok(bytes) => bytes,
            Err(error) => return Err(self.refused(error)),
        };
        if expect.is_reserve() && (adoptable.is_some() || !self.parked.is_empty()) {
            return self.take_over(expect, adoptable).map_err(|error| self.refused(error));
        }
        if queued > 0 && queued.saturating_add(bytes) > limit {
            return Err(self.refused(Full::Queued { bytes: queued, limit }));
        }
        let has_body = encoder.commit();
        if expect.kind == Some(Kind::Quit) {
            self.stream = Stream::Quitting;
        }
        Ok(self.push_slot(expect, has_body))
    }

    #[cold]
    pub(super) fn refused(&mut self, error: impl Into<SendError>) -> Box<SendError> {
        self.transmit.drop_pending();
        Box::new(error.into())
    }

    /// Says whether [`Connection::send`] would refuse a request for the state that the connection is in. Its arguments and
    /// its length are not looked at.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn check_send<R: Request>(&self, request: &R) -> Result<(), SendError> {
        self.check_room(&request.expect()).map(|_| ())
    }

    /// Whether this reserve would take over one that was abandoned and still waits. A job for that one may be with the
    /// transport, unread, for longer than it is ours: so first read what there is, without waiting. Then the job is parked,
    /// and is confirmed before it is handed over.
    pub fn would_adopt<R: Request>(&self, request: &R) -> bool {
        matches!(self.check_room(&request.expect()), Ok(Some(_)))
    }

    /// Whether a request may be sent now, and which abandoned reserve it could take over.
    #[doc(hidden)]
    #[inline]
    pub fn check_room(&self, expect: &Expect) -> Result<Option<u64>, SendError> {
        if self.has_room() { Ok(None) } else { self.check_room_closely(expect) }
    }

    /// Whether any request may be sent now, with nothing to take over. Nearly always so; `false` means to look closely.
    #[inline(always)]
    fn has_room(&self) -> bool {
        let limits = &self.config.limits;
        let room = self.slots.len() < limits.in_flight && self.transmit.queued() < limits.queued;
        room && matches!(self.stream, Stream::Open) && !self.slots.may_wait()
    }

    #[cold]
    pub(super) fn check_room_closely(&self, expect: &Expect) -> Result<Option<u64>, SendError> {
        let adoptable = self.check_slots(expect)?;
        let (bytes, limit) = (self.transmit.queued(), self.config.limits.queued);
        match adoptable {
            // What is taken over is not sent.
            None if bytes >= limit => Err(Full::Queued { bytes, limit }.into()),
            adoptable => Ok(adoptable),
        }
    }

    /// As [`Connection::check_room`], without a look at what is queued.
    #[cold]
    fn check_slots(&self, expect: &Expect) -> Result<Option<u64>, SendError> {
        self.check_open()?;
        let adoptable = self.check_waiting(expect)?;
        let limits = &self.config.limits;
        if adoptable.is_some() {
            // It needs no slot yet, but one more if it has to be sent again, and the one it leaves stays until its caller polls.
            let slots =
                self.slots.len().saturating_add(self.slots.pending_waits().filter(|(_, slot)| slot.may_move()).count());
            return match slots < limits.in_flight.saturating_mul(2) {
                true => Ok(adoptable),
                false => Err(Full::InFlight { limit: limits.in_flight }.into()),
            };
        }
        if self.slots.len() >= limits.in_flight {
            return Err(Full::InFlight { limit: limits.in_flight }.into());
        }
        Ok(None)
    }

    #[inline(always)]
    pub(super) fn push_slot(&mut self, expect: Expect, has_body: bool) -> u64 {
        let end = self.transmit.end();
        self.slots.push(expect, has_body, end)
    }

    pub(super) fn check_open(&self) -> Result<(), SendError> {
        match &self.stream {
            Stream::Open => Ok(()),
            Stream::Quitting | Stream::Ended => Err(SendError::Closed),
            Stream::Poisoned(error) => Err(error.clone().into()),
        }
    }
}
