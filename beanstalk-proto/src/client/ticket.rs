//! The caller's side of a request in flight.

use core::{fmt, marker::PhantomData};

use crate::{
    error::{DecodeError, TicketError},
    reply::Reply,
};

/// A claim to the reply of one request.
///
/// It borrows nothing, so it can be stored; replies can be taken in any order. Dropping it leaves the reply in the
/// connection for good: give it to [`Connection::abandon`](super::Connection::abandon) instead.
#[must_use = "a ticket that is dropped leaves its reply in the connection; abandon it instead"]
pub struct Ticket<T> {
    /// Which slot, counted over the connection's life; `SPENT` once the reply was taken.
    pub(super) seq: u64,
    pub(super) connection: usize,
    pub(super) decode: fn(Reply) -> Result<T, DecodeError>,
    pub(super) reply: PhantomData<fn() -> T>,
}

impl<T> Ticket<T> {
    #[doc(hidden)]
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    const SPENT: u64 = u64::MAX;

    #[doc(hidden)]
    pub fn untyped(self) -> Ticket<Reply> {
        Ticket::new(self.connection, self.seq, Ok)
    }

    pub(super) fn new(connection: usize, seq: u64, decode: fn(Reply) -> Result<T, DecodeError>) -> Self {
        Self { seq, connection, decode, reply: PhantomData }
    }

    /// The slot, if the ticket is good for this connection.
    pub(super) const fn check(&self, connection: usize) -> Result<u64, TicketError> {
        if self.connection != connection {
            return Err(TicketError::Foreign);
        }
        match self.seq {
            Self::SPENT => Err(TicketError::Spent),
            seq => Ok(seq),
        }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.seq == Self::SPENT
    }

    /// The ticket, leaving a spent one.
    #[doc(hidden)]
    pub const fn take(&mut self) -> Self {
        let taken = Self { seq: self.seq, connection: self.connection, decode: self.decode, reply: PhantomData };
        self.spend();
        taken
    }

    pub(super) const fn spend(&mut self) {
        self.seq = Self::SPENT;
    }
}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            Self::SPENT => f.write_str("Ticket(spent)"),
            seq => write!(f, "Ticket({seq})"),
        }
    }
}
