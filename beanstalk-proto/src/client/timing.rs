//! Time: whose reply is late, and the read that is due before anybody's is.
//!
//! ```text
//!                  due                            due, and the read found nothing
//!   (nothing) ───────────▶ a read is wanted ─────────────────────────────────────▶ late: Error::TimedOut, or TIMED_OUT
//!       ▲                     │        ▲ │
//!       │ a reply came, or    │        │ │ bytes came: read once more,
//!       └─ nothing is due ────┘        └─┘ up to 1 MiB in all
//! ```
//!
//! A reserve that takes over another's slot wants a read from the start, so that what came for the other is not taken for its own reply.

use core::time::Duration;

use super::{
    Connection, Stream,
    slot::{Caller, Patience, Slot, State},
};
use crate::{reply::Reply, request::Wait, time::Instant};

/// So much may have lain with the transport, unread, when a reply became late.
const UNREAD: usize = 1024 * 1024;

/// A connection's time: the last that was given, and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The latest time given.
    pub(super) now: Instant,
    /// When the last reply came.
    pub(super) replied: Instant,
    /// A read is to be done before anything becomes late.
    wanted: bool,
    /// It is for a reserve that has taken over a slot.
    adopting: bool,
    /// How many bytes have come since a read was wanted.
    came: usize,
    /// Some of them since the last call of `handle_timeout`.
    fresh: bool,
}

/// Something that happens at a time unless something else happens before.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The reply to the request in this slot is late.
    Late(u64),
    /// The reserve that has taken over this slot has waited as long as its caller likes.
    TimedOut(u64),
    /// The server did not end the connection.
    NotClosed,
}

impl Patience {
    pub(super) fn of(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::ENDLESS, |timeout| {
            Self(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX.saturating_sub(1)))
        })
    }

    /// The end of it.
    #[inline]
    pub(super) fn from(self, start: Instant) -> Option<Instant> {
        if self == Self::ENDLESS { None } else { Some(Instant::from_nanos(start.as_nanos().saturating_add(self.0))) }
    }
}

impl Clock {
    #[inline(always)]
    pub(super) fn set(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Wants a read for a reserve that takes over a slot.
    pub(super) const fn adopt(&mut self) {
        self.adopting = true;
        self.want();
    }

    const fn want(&mut self) {
        self.wanted = true;
        self.came = 0;
        self.fresh = false;
    }

    /// Takes note that another's time counts now.
    pub(super) const fn withdraw(&mut self) {
        self.wanted = self.adopting;
    }

    #[inline(always)]
    pub(super) const fn wanted(&self) -> bool {
        self.wanted
    }

    /// Takes note that bytes came while a read was wanted.
    #[cold]
    pub(super) const fn bytes_came(&mut self, n: usize) {
        self.came = self.came.saturating_add(n);
        self.fresh = true;
    }
}

/// Step 5, let time count.
impl Connection {
    /// Returns when to call [`Connection::handle_timeout`] unless something happens before; `None` if time alone changes nothing.
    ///
    /// Asking again changes nothing. Ask after every other call.
    #[must_use]
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        debug_assert_eq!(self.due, self.find_due(), "what it follows from has changed since it was found");
        self.due
    }

    /// Finds when something is due, after what that follows from may have changed: it is asked for more often than it changes.
    #[inline(always)]
    pub(super) fn renew_due(&mut self) {
        // Nearly always no reply is awaited any more.
        let idle = self.slots.first_pending().is_none() && self.stream == Stream::Open && !self.clock.adopting;
        self.due = if idle { None } else { self.find_due() };
    }

    /// The same after a request was sent, which has the slot at this place. (A reserve that takes over a slot renews it as above.)
    #[inline(always)]
    pub(super) fn renew_due_with(&mut self, place: u64, wait: Wait, patience: Patience) {
        match wait {
            _ if self.clock.adopting => self.due = self.find_due(),
            // Nearly always no other reply is awaited before.
            Wait::No if place == self.slots.next_place() => self.due = patience.from(self.clock.now),
            // That of a reply before it stays, unless it is that of a reserve which has taken over a slot.
            _ if self.due.is_some() && !self.slots.may_wait() => {}
            _ => self.due = self.find_due(),
        }
    }

    #[inline(never)]
    fn find_due(&self) -> Option<Instant> {
        match self.clock.adopting {
            _ if self.is_ended() => None,
            true => Some(self.clock.now),
            false => self.next_due().map(|due| due.at),
        }
    }

    /// Returns when the next reply is late, whether or not anybody still waits for it: the request may have been abandoned, or be late
    /// already. `None` if no reply is owed, or if it may take as long as it takes.
    ///
    /// Who abandons every call before it is late never finds out that the path swallows what is sent. A driver that outlives calls gives
    /// up such a connection, with [`Connection::abort`], some time after this.
    #[must_use]
    pub fn reply_due(&self) -> Option<Instant> {
        let slot = self.slots.first_pending().filter(|_| !self.is_ended())?;
        let from = slot.sent.at.max(self.clock.replied);
        match slot.server_wait() {
            Wait::Forever => None,
            wait => slot.sent.patience.from(from + wait.duration()),
        }
    }

    /// Returns whether a read is due before time counts: read once, without waiting, and then call [`Connection::handle_timeout`].
    #[must_use]
    #[inline]
    pub const fn wants_read(&self) -> bool {
        self.clock.wanted && !self.is_ended()
    }

    /// Makes late what is late, once a read has found nothing. Until then it only asks for that read, with
    /// [`Connection::wants_read`]; [`Connection::poll_timeout`] stays due. So call it after a read, whenever something is due or a read was wanted.
    /// Afterwards poll the tickets.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.clock.set(now);
        if !self.is_ended() {
            self.pass_time();
            self.renew_due();
        }
    }

    fn pass_time(&mut self) {
        if !self.clock.adopting && self.first_due().is_none() {
            self.clock.wanted = false;
        } else if !self.clock.wanted {
            self.clock.want();
        } else if self.clock.fresh && self.clock.came < UNREAD {
            self.clock.fresh = false;
        } else {
            self.clock.wanted = false;
            self.adopted();
            while let Some(due) = self.first_due() {
                self.become_late(due.what);
            }
        }
    }

    /// Ends the wait for what was unread when a reserve took over a slot: what comes from now on is for it.
    fn adopted(&mut self) {
        if !core::mem::take(&mut self.clock.adopting) {
            return;
        }
        let next = self.slots.next_place();
        // A reply of which some is here began before.
        let begun = !self.framer.is_drained();
        let places: alloc::vec::Vec<u64> = self.slots.pending_waits().map(|(place, _)| place).collect();
        for place in places {
            let caller = self.slots.get(place).and_then(Slot::caller);
            if let (Some(caller), false) = (caller, begun && place == next) {
                self.slots.set_caller(place, Caller { unread: false, ..caller });
            }
        }
    }

    fn become_late(&mut self, what: What) {
        let (place, timed_out) = match what {
            What::Late(place) => (place, false),
            // Unless the server should have answered by now: it is dead, and would time out again and again. (A caller that does not wait does
            // not get that at once each time: one that tries again would not let any time pass.)
            What::TimedOut(place) => {
                let waits =
                    self.slots.get(place).and_then(Slot::caller).is_some_and(|caller| caller.since < self.clock.now);
                (place, !waits || self.late_at(place).is_none_or(|at| at > self.clock.now))
            }
            What::NotClosed => {
                return self.ends(Stream::EndedLate);
            }
        };
        let Some(slot) = self.slots.get_mut(place) else { return };
        let waited = Duration::from_nanos(slot.sent.patience.0).saturating_add(slot.server_wait().duration());
        let (owner, name) = (slot.sent.owner, slot.name());
        slot.orphan();
        self.slots.keep(owner, name, if timed_out { State::Answered(Reply::TimedOut) } else { State::Late(waited) });
    }

    /// What is due.
    fn first_due(&self) -> Option<Due> {
        self.next_due().filter(|due| due.at <= self.clock.now && !self.is_ended())
    }

    /// What happens next if nothing else does.
    #[inline(never)]
    fn next_due(&self) -> Option<Due> {
        let closed = self.closing.until.map(|at| Due { at, what: What::NotClosed });
        let given_up = self
            .slots
            .pending_waits()
            .filter_map(|(place, slot)| Some(Due { at: end_of_wait(slot)?, what: What::TimedOut(place) }));
        given_up.chain(self.next_late()).chain(closed).min_by_key(|due| due.at)
    }

    /// When the first request that is still awaited becomes late, if no reply comes before.
    fn next_late(&self) -> Option<Due> {
        // One that has taken over a slot waits as long as its caller likes, and those behind it only as long as the server may take.
        let (place, _) = self.slots.pending().find(|(_, slot)| slot.sent.owner != 0 && !stands_for_another(slot))?;
        Some(Due { at: self.late_at(place)?, what: What::Late(place) })
    }

    /// When the reply to a request that waits for it is late, if none comes before.
    fn late_at(&self, place: u64) -> Option<Instant> {
        let mut from = self.clock.replied;
        for (at, slot) in self.slots.pending() {
            from = from.max(slot.sent.at);
            match slot.server_wait() {
                Wait::No => {}
                wait @ Wait::Seconds(_) => from = from + wait.duration(),
                Wait::Forever => return None,
            }
            if at == place {
                // A caller that has taken over a job's confirmation was not there before.
                let since = slot.caller().filter(|_| !stands_for_another(slot)).map_or(from, |caller| caller.since);
                return slot.sent.patience.from(from.max(since));
            }
        }
        None
    }
}

/// Whether it was taken over by a reserve, and waits for the answer to its own request.
fn stands_for_another(slot: &Slot) -> bool {
    slot.caller().is_some() && matches!(slot.state, State::Waiting)
}

/// When a reserve that has taken over a slot has waited as long as its caller likes.
fn end_of_wait(slot: &Slot) -> Option<Instant> {
    let caller = slot.caller().filter(|_| stands_for_another(slot))?;
    match caller.wait {
        wait @ Wait::Seconds(_) => Some(caller.since + wait.duration()),
        Wait::No | Wait::Forever => None,
    }
}
