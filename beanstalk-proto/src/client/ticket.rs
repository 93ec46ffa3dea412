//! The caller's side of a request in flight.

use core::{fmt, marker::PhantomData};

use crate::{
    error::{DecodeError, TicketError},
    reply::Reply,
};

/// A claim to the reply of one request.
///
/// It borrows nothing, so it can be stored; replies can be claimed in any order. Dropping it leaves the reply in the
/// connection for good: give it to a client's `abandon` instead, or to [`Connection::abandon`](super::Connection::abandon).
///
/// An adapter's `send` returns one, and its `reply` takes it:
///
/// ```
/// use beanstalk_proto::{
///     Instant, Stats, Touch,
///     client::{Config, Connection, Ticket},
///     stats::ServerStats,
/// };
///
/// let mut connection = Connection::new(Config::default());
/// let stats: Ticket<ServerStats> = connection.send(Instant::ZERO, Stats::new())?;
/// let touched: Ticket<()> = connection.send(Instant::ZERO, Touch::new(7))?;
/// // In the order in which they were sent.
/// assert!(stats.id() < touched.id());
/// # connection.abandon(stats);
/// # connection.abandon(touched);
/// # Ok::<(), beanstalk_proto::Error>(())
/// ```
#[must_use = "a ticket that is dropped leaves its reply in the connection; abandon it instead"]
pub struct Ticket<T> {
    /// The number that the slot is owned by; `SPENT` once the reply was claimed.
    pub(super) number: u64,
    /// The slot's place when it was last looked at.
    pub(super) place: u64,
    pub(super) connection: usize,
    pub(super) decode: fn(Reply) -> Result<T, DecodeError>,
    pub(super) reply: PhantomData<fn() -> T>,
}

/// The place of no slot, before the first.
pub(super) const NOWHERE: u64 = 0;

/// Names a ticket without its type, for code that keeps account of many. Ordered as the requests were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId {
    pub(super) number: u64,
    pub(super) place: u64,
    pub(super) connection: usize,
}

impl<T> Ticket<T> {
    const SPENT: u64 = u64::MAX;

    /// Returns its name, which is not used again.
    #[must_use]
    pub const fn id(&self) -> TicketId {
        TicketId { number: self.number, place: self.place, connection: self.connection }
    }

    /// Makes it a claim to the reply as it came, error replies too.
    pub fn untyped(self) -> Ticket<Reply> {
        let Self { number, place, connection, .. } = self;
        Ticket { number, place, connection, decode: Ok, reply: PhantomData }
    }

    /// Returns whether its reply was claimed.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.number == Self::SPENT
    }

    /// Moves the claim out; what stays is spent.
    pub const fn take(&mut self) -> Self {
        let taken = self.copy();
        self.spend();
        taken
    }

    pub(super) const fn copy(&self) -> Self {
        Self { ..*self }
    }

    pub(super) const fn spend(&mut self) {
        self.number = Self::SPENT;
        self.place = NOWHERE;
    }

    /// Whether the ticket is good for this connection.
    pub(super) fn check(&self, connection: usize) -> Result<(), TicketError> {
        debug_assert!(self.connection == connection, "the ticket belongs to another connection");
        match () {
            () if self.connection != connection => Err(TicketError::Foreign),
            () if self.is_spent() => Err(TicketError::Spent),
            () => Ok(()),
        }
    }
}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Self::SPENT => f.write_str("Ticket(spent)"),
            number => write!(f, "Ticket({number})"),
        }
    }
}
