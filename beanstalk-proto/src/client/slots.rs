//! The requests in flight, in a ring.
//!
//! What a ticket is owed that no longer has a slot is kept beside the ring: the unclaimed replies of old requests, and
//! lateness.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::mem;

use super::{
    slot::{Caller, Expected, Name, Rare, Sent, Slot, State},
    ticket::NOWHERE,
};
use crate::{reply::ReplySet, request::Wait};

/// The requests in flight, in the order in which they were sent.
///
/// They lie in a ring, each at the place that its number gives, and are written and read where they are: to move them in
/// and out for every command costs more than everything else that is done to them. Those before `pending` have their reply or are
/// free, those from there on wait for theirs.
#[derive(Debug)]
pub(super) struct Slots {
    /// Free but for those in flight; its length is 0 or a power of two.
    ring: Vec<Slot>,
    /// The place of the slot at the front.
    front: u64,
    /// The place behind the last.
    end: u64,
    /// The slot whose reply comes next.
    pending: u64,
    /// The place behind the last request that the server may keep waiting.
    after_wait: u64,
    /// How many are not free.
    occupied: usize,
    /// What tickets are owed that no longer have a slot, by their numbers: the request's name, and what became of it.
    kept: BTreeMap<u64, (Name, State)>,
}

/// The first size of the ring.
const FIRST: usize = 4;
/// A ring that has grown beyond this is given back when nothing is in flight.
const KEPT: usize = 128;

impl Default for Slots {
    fn default() -> Self {
        const FIRST: u64 = NOWHERE + 1;
        Self {
            ring: Vec::new(),
            front: FIRST,
            end: FIRST,
            pending: FIRST,
            after_wait: FIRST,
            occupied: 0,
            kept: BTreeMap::new(),
        }
    }
}

impl Slots {
    /// How many are in flight, or answered and not claimed.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.occupied.wrapping_add(self.kept.len())
    }

    /// How many tickets are owed something, including those that have no slot any more.
    pub(super) fn claims(&self) -> usize {
        let slots = (self.front..self.end).filter_map(|place| self.get(place));
        slots.filter(|slot| slot.sent.owner != 0 && !slot.is_free()).count().saturating_add(self.kept.len())
    }

    /// Whether one of those that wait for their reply may be a request that the server keeps waiting; `false` is certain.
    #[inline]
    pub(super) const fn may_wait(&self) -> bool {
        self.after_wait > self.pending
    }

    /// Appends a slot and gives its place.
    #[inline(always)]
    pub(super) fn push(&mut self, expected: Expected, rare: Option<Box<Rare>>, sent: Sent) -> u64 {
        let place = self.end;
        if place.wrapping_sub(self.front) >= self.ring.len() as u64 {
            self.make_room();
        }
        if expected.wait != Wait::No {
            self.after_wait = place.wrapping_add(1);
        }
        let at = self.at(place);
        if let Some(slot) = self.ring.get_mut(at) {
            slot.occupy(expected, rare, sent);
            self.occupied = self.occupied.wrapping_add(1);
            self.end = place.wrapping_add(1);
        }
        place
    }

    /// Moves unclaimed replies out of the way if they are what fills the ring, or makes it longer.
    #[cold]
    fn make_room(&mut self) {
        while self.front < self.pending && self.occupied.saturating_mul(2) <= self.ring.len() {
            let at = self.at(self.front);
            let Some(slot) = self.ring.get_mut(at) else { break };
            let (owner, state) = (slot.sent.owner, mem::take(&mut slot.state));
            self.kept.insert(owner, (slot.name(), state));
            self.free(self.front);
        }
        let waiting = usize::try_from(self.end.wrapping_sub(self.front)).unwrap_or(usize::MAX);
        if waiting < self.ring.len() {
            return;
        }
        let len = self.ring.len().saturating_mul(2).max(FIRST);
        let mut old = mem::take(&mut self.ring);
        self.ring.resize_with(len, || Slot::FREE);
        for place in self.front..self.end {
            let (from, to) = (index(old.len(), place), self.at(place));
            if let (Some(from), Some(to)) = (old.get_mut(from), self.ring.get_mut(to)) {
                mem::swap(from, to);
            }
        }
    }

    #[inline]
    fn at(&self, place: u64) -> usize {
        index(self.ring.len(), place)
    }

    #[inline]
    pub(super) fn get(&self, place: u64) -> Option<&Slot> {
        if place >= self.front && place < self.end { self.ring.get(self.at(place)) } else { None }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u64) -> Option<&mut Slot> {
        let at = self.at(place);
        if place >= self.front && place < self.end { self.ring.get_mut(at) } else { None }
    }

    /// The slot at the front, if it has this place and its reply is here.
    #[inline(always)]
    pub(super) fn answered_front(&mut self, place: u64) -> Option<&mut Slot> {
        if self.is_front(place) && !self.is_pending(place) { self.front_mut() } else { None }
    }

    /// The slot at the front.
    #[inline(always)]
    pub(super) fn front_mut(&mut self) -> Option<&mut Slot> {
        let at = self.at(self.front);
        self.ring.get_mut(at)
    }

    /// Whether this is the place of the slot at the front.
    #[inline(always)]
    pub(super) const fn is_front(&self, place: u64) -> bool {
        place == self.front
    }

    /// The place of the slot that belongs to a ticket, which was last seen at `hint`.
    pub(super) fn find(&self, owner: u64, hint: u64) -> Option<u64> {
        let belongs = |place: &u64| self.get(*place).is_some_and(|slot| slot.sent.owner == owner && !slot.is_free());
        if belongs(&hint) || self.kept.contains_key(&owner) {
            return Some(hint).filter(belongs);
        }
        // Only a reserve that was sent again lies somewhere else, and that only until it is looked for.
        (self.front..self.end).rev().find(belongs)
    }

    /// Whether the slot at this place belongs to this ticket: not if that was abandoned, or is late.
    #[inline(always)]
    pub(super) fn is_owned(&self, place: u64, owner: u64) -> bool {
        self.get(place).is_some_and(|slot| slot.sent.owner == owner)
    }

    /// Whether the slot at this place waits for its reply.
    #[inline(always)]
    pub(super) const fn is_pending(&self, place: u64) -> bool {
        place >= self.pending
    }

    /// The place of the slot whose reply comes next, whether or not there is one.
    #[inline(always)]
    pub(super) const fn next_place(&self) -> u64 {
        self.pending
    }

    /// The slot whose reply comes next.
    #[inline(always)]
    pub(super) fn next_pending(&mut self) -> Option<&mut Slot> {
        let at = self.at(self.pending);
        if self.pending < self.end { self.ring.get_mut(at) } else { None }
    }

    /// Takes note that the slot whose reply comes next has it.
    #[inline(always)]
    pub(super) fn answered(&mut self) {
        self.pending = self.pending.wrapping_add(1);
    }

    /// The slot whose reply comes next, to look at.
    #[inline(always)]
    pub(super) fn first_pending(&self) -> Option<&Slot> {
        if self.pending < self.end { self.ring.get(self.at(self.pending)) } else { None }
    }

    /// Notes for whom a slot stands now.
    pub(super) fn set_caller(&mut self, place: u64, caller: Caller) {
        if let Some(slot) = self.get_mut(place) {
            slot.rare.get_or_insert_default().caller = Some(caller);
            slot.direct = ReplySet::EMPTY;
        }
    }

    /// The slots whose replies have not come, and their places.
    pub(super) fn pending(&self) -> impl Iterator<Item = (u64, &Slot)> {
        (self.pending..self.end).filter_map(|place| Some((place, self.get(place)?)))
    }

    /// Those of them that the server may keep waiting.
    pub(super) fn pending_waits(&self) -> impl Iterator<Item = (u64, &Slot)> {
        let slots = (self.pending..self.after_wait).filter_map(|place| Some((place, self.get(place)?)));
        slots.filter(|(_, slot)| slot.expected.wait != Wait::No)
    }

    /// Keeps what became of a request for a ticket that has no slot.
    pub(super) fn keep(&mut self, owner: u64, name: Name, state: State) {
        self.kept.insert(owner, (name, state));
    }

    /// Whether lateness is kept for a ticket.
    pub(super) fn is_late(&self, owner: u64) -> bool {
        matches!(self.kept.get(&owner), Some((_, State::Late(_))))
    }

    /// Gives what was kept for a ticket.
    pub(super) fn take_kept(&mut self, owner: u64) -> Option<(Name, State)> {
        self.kept.remove(&owner)
    }

    /// Gives up a slot that does not wait for its reply; slots leave from the front, and until then it has no owner: the one it had may
    /// have another by now.
    pub(super) fn free(&mut self, place: u64) {
        if let Some(slot) = self.get_mut(place) {
            slot.state = State::Free;
            slot.sent.owner = 0;
            self.occupied = self.occupied.saturating_sub(1);
        }
        self.leave();
    }

    /// Lets the front go, whose reply was taken.
    #[inline(always)]
    pub(super) fn front_leaves(&mut self) {
        self.occupied = self.occupied.wrapping_sub(1);
        self.front = self.front.wrapping_add(1);
        // Nearly always nothing is behind it, or what is waits for its reply.
        if self.front != self.pending {
            self.leave();
        } else if self.front == self.end && self.ring.len() > KEPT {
            self.ring = Vec::new();
        }
    }

    /// Lets go what is free at the front.
    #[inline(never)]
    fn leave(&mut self) {
        while self.front < self.pending && self.get(self.front).is_none_or(Slot::is_free) {
            self.front = self.front.wrapping_add(1);
        }
        if self.front == self.end && self.ring.len() > KEPT {
            self.ring = Vec::new();
        }
    }
}

/// Where in a ring of this length a slot lies.
#[inline]
fn index(len: usize, place: u64) -> usize {
    #[allow(clippy::cast_possible_truncation, reason = "the lower bits are all that counts")]
    let place = place as usize;
    place & len.wrapping_sub(1)
}

#[cfg(test)]
mod tests;
