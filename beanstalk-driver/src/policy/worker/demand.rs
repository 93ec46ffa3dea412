//! Which slots may reserve, and whose job may begin, where that is not for each to decide alone: as there is a limit for all servers
//! together, or as there may be no caller that waits for a job.
//!
//! ```text
//!   Free ── Go ──▶ Asking ── RESERVED ──▶ Holding ── Go ──▶ Running ── the handler has ended ──▶ Free
//!                    │                       │
//!                    │ nothing is wanted     └── nothing was wanted for a second: GiveBack ──────▶ Free
//!                    └── any more, and nothing was sent ──▶ Free
//! ```
//!
//! What is wanted is as many jobs as there are calls that wait for one, and as the limit leaves room for. No server is asked for more
//! than that. Several servers may each have a job when one is wanted, so they are asked one after the other: the one whose turn it
//! is, in the order after the server of the last job, and the next one if none has come within [`HEDGE`]. So a full server is not
//! kept waiting by an empty one, servers that are full take turns, and a job that comes beyond what is wanted is rare. It is kept
//! alive for the next to want one, for [`KEEP`]; then its connection is closed, which gives it back.

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use super::{Permit, Stage};
use beanstalk_proto::Instant;

/// How long one server may take to answer before the next is asked for the same job.
const HEDGE: Duration = Duration::from_millis(20);

/// How long a job is kept without a caller that waits for one.
const KEEP: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Idle,
    Ready,
    Connecting,
    Asking,
    Holding,
    /// Its job was allowed to begin.
    Beginning,
    Running,
}

#[derive(Debug)]
struct Slot {
    server: u64,
    place: Place,
    /// It was refused, and is to be woken once that may have changed.
    refused: bool,
}

/// What the slots of a worker or a consumer share, if they share anything: a limit of handlers that run at a time, and calls that wait
/// for a job.
#[derive(Debug)]
pub struct Demand {
    limit: Option<usize>,
    waiting: Option<usize>,
    slots: BTreeMap<u64, Slot>,
    added: u64,
    /// How many slots of each server are at what: those that concern its turn.
    servers: BTreeMap<u64, Server>,
    total: Server,
    /// The server of the job that began last.
    last: u64,
    /// Until then it is the turn of one server.
    turn_until: Instant,
    /// Until then the server that was asked last may answer.
    hedge_until: Instant,
    /// Since when nothing is wanted.
    unwanted: Option<Instant>,
    wakes: Vec<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Server {
    ready: usize,
    connecting: usize,
    asking: usize,
    holding: usize,
    running: usize,
    beginning: usize,
}

impl Server {
    fn count(&mut self, place: Place) -> Option<&mut usize> {
        match place {
            Place::Idle => None,
            Place::Ready => Some(&mut self.ready),
            Place::Connecting => Some(&mut self.connecting),
            Place::Asking => Some(&mut self.asking),
            Place::Holding => Some(&mut self.holding),
            Place::Beginning => Some(&mut self.beginning),
            Place::Running => Some(&mut self.running),
        }
    }

    fn change(&mut self, from: Option<Place>, to: Option<Place>) {
        if let Some(count) = from.and_then(|from| self.count(from)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = to.and_then(|to| self.count(to)) {
            *count = count.saturating_add(1);
        }
    }
}

impl Demand {
    /// Makes one by which at most `limit` handlers run at a time, if there is a limit. If `awaited`, jobs are wanted only while a caller waits for one,
    /// which none does yet.
    #[must_use]
    pub fn new(limit: Option<usize>, awaited: bool) -> Self {
        Self {
            limit,
            waiting: awaited.then_some(0),
            slots: BTreeMap::new(),
            added: 0,
            servers: BTreeMap::new(),
            total: Server::default(),
            last: 0,
            turn_until: Instant::ZERO,
            hedge_until: Instant::ZERO,
            unwanted: awaited.then_some(Instant::ZERO),
            wakes: Vec::new(),
        }
    }

    /// Adds a slot of this server, and returns its number.
    pub fn add_slot(&mut self, server: u64) -> u64 {
        self.added = self.added.saturating_add(1);
        self.slots.insert(self.added, Slot { server, place: Place::Idle, refused: false });
        self.servers.entry(server).or_default();
        self.added
    }

    /// Removes a slot that has ended.
    pub fn remove_slot(&mut self, slot: u64, now: Instant) {
        self.changing(slot, now, |demand| {
            demand.set(slot, None);
            if let Some(Slot { server, .. }) = demand.slots.remove(&slot) {
                if !demand.slots.values().any(|other| other.server == server) {
                    demand.servers.remove(&server);
                }
            }
        });
    }

    /// Reports that so many calls wait for a job now.
    pub fn set_waiting(&mut self, waiting: usize, now: Instant) {
        self.changing(0, now, |demand| demand.waiting = Some(waiting));
    }

    /// Returns what a slot may do. Asked again with everything that it does, before it goes on, and when the time has come.
    pub fn poll_permit(&mut self, slot: u64, stage: Stage, now: Instant) -> Permit {
        self.changing(slot, now, |demand| demand.permit(slot, stage, now))
    }

    /// Returns the slots that may do more than when they last asked, of those that were to wait.
    pub fn poll_wakes(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.wakes)
    }

    /// How many more jobs may begin.
    fn wanted(&self) -> usize {
        let begun = self.total.running.saturating_add(self.total.beginning);
        let room = self.limit.map_or(usize::MAX, |limit| limit.saturating_sub(begun));
        // One that is beginning takes a call that waits, and has not yet.
        let awaited = self.waiting.map_or(usize::MAX, |waiting| waiting.saturating_sub(self.total.beginning));
        room.min(awaited)
    }

    /// How many jobs are wanted beyond those that are held.
    fn missing(&self) -> usize {
        self.wanted().saturating_sub(self.total.holding)
    }

    fn permit(&mut self, slot: u64, stage: Stage, now: Instant) -> Permit {
        let Some(&Slot { server, place, .. }) = self.slots.get(&slot) else { return Permit::Go };
        let permit = match stage {
            Stage::Running => {
                self.set(slot, Some(Place::Running));
                Permit::Go
            }
            Stage::Asking => {
                self.set(slot, Some(Place::Asking));
                Permit::Go
            }
            Stage::Holding if place == Place::Beginning => Permit::Go,
            Stage::Holding => {
                if place != Place::Holding {
                    self.hedge_until = Instant::ZERO;
                }
                self.set(slot, Some(Place::Holding));
                let keep_until = self.unwanted.unwrap_or(now) + KEEP;
                if self.wanted() > 0 {
                    self.set(slot, Some(Place::Beginning));
                    self.last = server;
                    Permit::Go
                } else if now >= keep_until {
                    Permit::GiveBack
                } else {
                    Permit::Wait(Some(keep_until))
                }
            }
            Stage::Free { connected } => self.permit_reserve(slot, server, place, connected, now),
        };
        if let Some(slot) = self.slots.get_mut(&slot) {
            slot.refused = permit != Permit::Go;
        }
        permit
    }

    fn permit_reserve(&mut self, slot: u64, server: u64, place: Place, connected: bool, now: Instant) -> Permit {
        // What was allowed stays so for as long as there is a need.
        if place == Place::Asking && connected && self.missing() > 0 {
            return Permit::Go;
        }
        self.set(slot, Some(if connected { Place::Ready } else { Place::Idle }));
        self.note_wanted(now);
        let missing = self.missing();
        let of_server = self.servers.get(&server).copied().unwrap_or_default();
        if of_server.asking >= missing {
            return Permit::Wait(None);
        }
        if !connected {
            if of_server.asking.saturating_add(of_server.connecting) >= missing {
                return Permit::Wait(None);
            }
            self.set(slot, Some(Place::Connecting));
            return Permit::Go;
        }
        if now < self.turn_until && self.turn(missing).is_some_and(|turn| turn != server) {
            return Permit::Wait(Some(self.turn_until));
        }
        if self.total.asking >= missing && now < self.hedge_until {
            return Permit::Wait(Some(self.hedge_until));
        }
        self.set(slot, Some(Place::Asking));
        self.hedge_until = now + HEDGE;
        Permit::Go
    }

    /// Whose turn it is: the first server after the last one that has a slot to ask it with, and is not asked enough.
    fn turn(&self, missing: usize) -> Option<u64> {
        let can = |(_, server): &(&u64, &Server)| server.ready > 0 && server.asking < missing;
        let after = self.servers.range(self.last.saturating_add(1)..).find(can);
        after.or_else(|| self.servers.iter().find(can)).map(|(server, _)| *server)
    }

    fn set(&mut self, slot: u64, to: Option<Place>) {
        let Some(Slot { server, place, .. }) = self.slots.get_mut(&slot) else { return };
        let from = *place;
        *place = to.unwrap_or(Place::Idle);
        let server = *server;
        self.total.change(Some(from), to);
        if let Some(server) = self.servers.get_mut(&server) {
            server.change(Some(from), to);
        }
    }

    /// Changes something, and notes what follows for the others.
    fn changing<T>(&mut self, slot: u64, now: Instant, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = (self.missing(), self.wanted(), self.total);
        let result = change(self);
        self.note_wanted(now);
        let more = self.missing() > before.0 || self.wanted() > before.1;
        let fewer = self.total.asking < before.2.asking || self.total.connecting < before.2.connecting;
        if more || fewer {
            self.wake_others(slot);
        }
        result
    }

    /// Once something is wanted again, it is the turn of one server.
    fn note_wanted(&mut self, now: Instant) {
        if self.wanted() == 0 {
            self.unwanted.get_or_insert(now);
        } else if self.unwanted.take().is_some() {
            self.turn_until = now + HEDGE;
        }
    }

    /// Has those woken that were refused, and may not be any more: as many as are needed, of each server.
    fn wake_others(&mut self, changed: u64) {
        let (mut begin, missing) = (self.wanted(), self.missing());
        if begin == 0 {
            return;
        }
        let mut woken = BTreeMap::<u64, usize>::new();
        for (number, slot) in self.slots.iter_mut().filter(|(number, slot)| slot.refused && **number != changed) {
            let wakes = match slot.place {
                Place::Holding => {
                    let wakes = begin > 0;
                    begin = begin.saturating_sub(1);
                    wakes
                }
                _ => {
                    let asking = self.servers.get(&slot.server).map_or(0, |server| server.asking);
                    let woken = woken.entry(slot.server).or_default();
                    *woken = woken.saturating_add(1);
                    asking.saturating_add(*woken) <= missing
                }
            };
            if wakes {
                slot.refused = false;
                self.wakes.push(*number);
            }
        }
    }
}

#[cfg(test)]
mod tests;
