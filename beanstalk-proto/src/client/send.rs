//! The sending half of a client connection: whether a request may be sent, and queueing it whole.

use alloc::boxed::Box;
use core::marker::PhantomData;

use super::{
    Connection, SendOptions, Stream, Ticket, Timeout,
    slot::{Expected, Patience, Sent},
};
use crate::{
    error::{Error, Full, Lost},
    request::{Encoder, Expect, Request, is_reserve},
    table::Kind,
    time::Instant,
    types::ArgumentError,
};

/// The number of a ticket, and the place of its slot.
pub(super) type Claim = (u64, u64);

/// Step 1, send.
impl Connection {
    /// Queues a request, whole, and returns the ticket for its reply. Nothing is queued if it fails.
    ///
    /// Afterwards write what [`Connection::transmit`] holds. Until when the reply has to be here is in [`Connection::poll_timeout`].
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what the protocol cannot express, [`Error::ReserveWaiting`], [`Error::Full`], and [`Error::Closed`] or [`Error::Protocol`] on a
    /// connection that has ended or was sent `quit`. A waiting reserve's job, or replies that make room, may be with the transport, unread.
    #[inline(always)]
    pub fn send<R: Request>(&mut self, now: Instant, request: R) -> Result<Ticket<R::Reply>, Error> {
        self.send_with(now, request, SendOptions::default())
    }

    /// As [`Connection::send`], with a time of its own for the reply, or beyond the limits.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    #[inline(always)]
    pub fn send_with<R: Request>(
        &mut self,
        now: Instant,
        request: R,
        options: SendOptions,
    ) -> Result<Ticket<R::Reply>, Error> {
        let adoptable =
            if self.has_room() { None } else { self.check_closely(&request.expect(), options.beyond_limits)? };
        self.clock.set(now);
        match self.enqueue(request, adoptable, options) {
            Ok((number, place)) => {
                Ok(Ticket { number, place, connection: self.identity, decode: R::decode, reply: PhantomData })
            }
            Err(error) => Err(*error),
        }
    }

    /// Queues a request that there is room for. The error is boxed, so that what nearly always comes back is two numbers.
    #[inline(always)]
    fn enqueue<R: Request>(
        &mut self,
        request: R,
        adoptable: Option<u64>,
        options: SendOptions,
    ) -> Result<Claim, Box<Error>> {
        // Taken apart before anything else, so that it nearly always needs no place in memory.
        let expect = request.expect();
        let (kind, wait) = (expect.kind, expect.wait);
        let (expected, rare) = Expected::of(expect);
        let patience = match options.timeout {
            Timeout::Default => self.patience,
            Timeout::None => Patience::ENDLESS,
            Timeout::After(timeout) => Patience::of(Some(timeout)),
        };
        // What is here in no time depends on the transport, and on chance.
        if patience == Patience::NONE {
            let why = "a timeout of zero leaves no time for a reply; `None` waits as long as it takes";
            return Err(self.refused(ArgumentError::setting("reply_timeout", why)));
        }
        let (queued, start) = (self.transmit.queued(), self.transmit.end());
        let mut encoder = Encoder::new(&mut self.transmit);
        if let Err(error) = request.encode(&mut encoder) {
            return Err(self.refused(error));
        }
        let (bytes, line) = match encoder.finish() {
            Ok(lengths) => lengths,
            Err(error) => return Err(self.refused(error)),
        };
        if is_reserve(kind) && (adoptable.is_some() || !self.parked.is_empty()) {
            let claim = self.take_over(wait, patience);
            self.renew_due();
            return Ok(claim);
        }
        let limit = self.config.limits.queued;
        if queued > 0 && queued.saturating_add(bytes) > limit && !options.beyond_limits {
            return Err(self.refused(Full::Queued { bytes: queued, limit }));
        }
        encoder.commit();
        if kind == Some(Kind::Quit) {
            self.stream = Stream::Quitting;
        }
        let owner = self.next_number();
        let body_at = start.wrapping_add(line as u64);
        let end = start.wrapping_add(bytes as u64);
        let place = self.slots.push(expected, rare, Sent { owner, at: self.clock.now, patience, body_at, end });
        self.renew_due_with(place, wait, patience);
        Ok((owner, place))
    }

    #[cold]
    fn refused(&mut self, error: impl Into<Error>) -> Box<Error> {
        self.transmit.drop_pending();
        self.renew_due();
        Box::new(error.into())
    }

    #[inline(always)]
    pub(super) const fn next_number(&mut self) -> u64 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    /// Checks whether [`Connection::send`] would refuse a request for the state that the connection is in. Its arguments and
    /// its length are not looked at.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    #[inline]
    pub fn check_send(&self, expect: &Expect) -> Result<(), Error> {
        if self.has_room() { Ok(()) } else { self.check_closely(expect, false).map(|_| ()) }
    }

    /// Whether any request may be sent now, with nothing to take over. Nearly always so; `false` means to look closely.
    #[inline(always)]
    fn has_room(&self) -> bool {
        let limits = &self.config.limits;
        let room = self.slots.len() < limits.in_flight && self.transmit.queued() < limits.queued;
        room && self.stream == Stream::Open && !self.slots.may_wait()
    }

    /// Whether a request may be sent now, and which abandoned reserve it takes over.
    #[cold]
    fn check_closely(&self, expect: &Expect, beyond_limits: bool) -> Result<Option<u64>, Error> {
        if self.stream != Stream::Open {
            return Err(self.end(Lost::NotSent).unwrap_or(Error::Closed { lost: Lost::NotSent }));
        }
        let adoptable = self.check_waiting(expect)?;
        if beyond_limits {
            return Ok(adoptable);
        }
        let limits = &self.config.limits;
        // What is taken over is not sent, and has a slot. But the claims to it that are late stay until they are polled.
        let slots = if adoptable.is_some() { self.slots.claims() } else { self.slots.len() };
        let (bytes, limit) = (self.transmit.queued(), limits.queued);
        match adoptable {
            _ if slots >= limits.in_flight => Err(Full::InFlight { limit: limits.in_flight }.into()),
            None if bytes >= limit => Err(Full::Queued { bytes, limit }.into()),
            adoptable => Ok(adoptable),
        }
    }
}
