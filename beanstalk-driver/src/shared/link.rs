//! One connection of a shared client, with the tubes that its calls use.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use core::task::{Poll, Waker};
use std::sync::OnceLock;

use super::line::Line;
use crate::{driver::PollTransport, runtime::Runtime};
use beanstalk_proto::{
    CommandError, Error, Instant, Request, TubeName, Use,
    client::{Config, Connection, SendOptions, Ticket, TicketId, Timeout},
};

/// A connection, and what concerns it alone.
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) connection: Connection,
    pub(super) clocks: Clocks,
    /// Calls that wait for their replies.
    pub(super) answers: Line<TicketId>,
    /// How many calls have a ticket.
    pub(super) claims: usize,
    /// Who waits until something is flushed.
    pub(super) flushing: Vec<Waker>,
    /// When something moved last, by the transport's clock.
    pub(super) moved: Instant,
    /// The tube in use once everything sent has been answered; `None` if that is unknown.
    used: Option<Arc<Used>>,
    /// The tube in use as far as replies have come.
    confirmed: TubeName,
    /// Each `use` that was sent and not answered yet.
    uses: VecDeque<(Ticket<()>, Arc<Used>)>,
}

/// What a transport's clock and the runtime's showed at the same moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clocks {
    transport: Instant,
    runtime: Instant,
}

impl Clocks {
    pub(super) fn of<R: Runtime, T: PollTransport>(runtime: &R, transport: &T) -> Self {
        Self { transport: transport.now(), runtime: runtime.now() }
    }

    /// What the transport's clock shows when the runtime's shows this; what is before both is as early as can be.
    pub(super) fn transport_time(self, at: Instant) -> Instant {
        self.transport + at.saturating_duration_since(self.runtime)
    }

    pub(super) fn runtime_time(self, at: Instant) -> Instant {
        self.runtime + at.saturating_duration_since(self.transport)
    }
}

/// A `use` that was sent, for the calls that rely on it.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) tube: TubeName,
    /// If the server refused: its error reply, and the tube that stayed in use. `None` if its answer was late, so that nobody knows.
    pub(super) refused: OnceLock<Option<(CommandError, TubeName)>>,
}

/// A connection that nothing can be sent on.
pub(super) fn ended(config: Config) -> Connection {
    let mut connection = Connection::new(config);
    connection.abort();
    connection
}

impl Link {
    pub(super) fn new(number: u64, connection: Connection, clocks: Clocks) -> Self {
        Self {
            number,
            connection,
            clocks,
            answers: Line::default(),
            claims: 0,
            flushing: Vec::new(),
            moved: Instant::ZERO,
            used: Some(Arc::new(Used { tube: TubeName::default(), refused: OnceLock::new() })),
            confirmed: TubeName::default(),
            uses: VecDeque::new(),
        }
    }

    /// It was greeted: it uses this tube, as far as is known.
    pub(super) fn greeted(&mut self, tube: TubeName) {
        (self.used, self.confirmed) = (None, tube);
    }

    pub(super) fn send_now<Q: Request>(
        &mut self,
        now: Instant,
        request: Q,
        timeout: Timeout,
    ) -> Result<Ticket<Q::Reply>, Error> {
        self.connection.send_with(now, request, SendOptions::default().timeout(timeout).beyond_limits())
    }

    pub(super) fn use_tube(&mut self, now: Instant, tube: &TubeName, timeout: Timeout) -> Result<Arc<Used>, Error> {
        if let Some(used) = self.used.as_ref().filter(|used| used.tube == *tube) {
            return Ok(Arc::clone(used));
        }
        let ticket = self.send_now(now, Use::new(tube), timeout)?;
        let used = Arc::new(Used { tube: tube.clone(), refused: OnceLock::new() });
        self.uses.push_back((ticket, Arc::clone(&used)));
        self.used = Some(Arc::clone(&used));
        Ok(used)
    }

    /// Takes the answers to `use` as they come; they are here before those of the commands behind them.
    ///
    /// Fails, and ends the connection, if one is late: in which tube runs what relies on it would be known to nobody.
    pub(super) fn settle_uses(&mut self) -> Result<(), Error> {
        while let Some((ticket, used)) = self.uses.front_mut() {
            match self.connection.poll_reply(ticket) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => self.confirmed = used.tube.clone(),
                Poll::Ready(Err(Error::Command { error, .. })) => {
                    let _first = used.refused.set(Some((error, self.confirmed.clone())));
                    if self.used.as_ref().is_some_and(|last| Arc::ptr_eq(last, used)) {
                        self.used = None;
                    }
                }
                Poll::Ready(Err(late @ Error::TimedOut { .. })) => {
                    self.connection.abort();
                    // What is behind it may have been answered in the same turn.
                    for (_, used) in self.uses.drain(..) {
                        let _first = used.refused.set(None);
                    }
                    return Err(late);
                }
                // The connection has ended; so do the calls that rely on it.
                Poll::Ready(Err(_)) => {}
            }
            self.uses.pop_front();
        }
        Ok(())
    }
}
