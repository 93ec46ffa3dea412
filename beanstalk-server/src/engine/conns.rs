//! The connections, as the engine sees them: what they use, watch, hold and wait for.

use std::collections::{BTreeMap, BTreeSet};

use beanstalk_proto::Instant;

use super::{slab::Slab, tubes::TubeKey};

/// A job is "about to expire" this long before it does: 1 s.
const MARGIN: u64 = 1_000_000_000;

/// Names a connection of an [`Engine`](super::Engine), for as long as it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    slot: u32,
    generation: u32,
}

impl ConnId {
    /// Returns a small number that no other connection has at the same time: good for indexing. It is used again later.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

#[derive(Debug)]
pub(super) struct Conn {
    generation: u32,
    pub(super) using: TubeKey,
    pub(super) watch: WatchList,
    pub(super) waiting: Option<Waiting>,
    /// This connection's place among the waiters of each watched tube, while it waits.
    pub(super) places: Vec<usize>,
    /// Held jobs by deadline, then by the order of reservation.
    pub(super) reserved: BTreeMap<(Instant, u64), u64>,
    /// When something happens to this connection if nothing else does; also in [`Conns::ticks`].
    tick: Option<Instant>,
    pub(super) producer: bool,
    pub(super) worker: bool,
    pub(super) half_closed: bool,
    /// A put whose body is on the way: its id and when its line was read.
    pub(super) announced: Option<(u64, Instant)>,
}

/// A reserve that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// `None`: without a limit.
    pub(super) until: Option<Instant>,
}

impl Conn {
    /// Whether a held job is within a second of its deadline.
    pub(super) fn deadline_soon(&self, now: Instant) -> bool {
        self.first_deadline().is_some_and(|until| now >= margin_of(until))
    }

    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.reserved.first_key_value().map(|(&(until, _), _)| until)
    }

    /// When the first of these happens: a held job expires; while waiting, that is a second away; the wait is over.
    fn next_tick(&self) -> Option<Instant> {
        let deadline = self.first_deadline();
        let Some(waiting) = &self.waiting else { return deadline };
        match (deadline.map(margin_of), waiting.until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// When the last second before a deadline begins.
fn margin_of(deadline: Instant) -> Instant {
    Instant::from_nanos(deadline.as_nanos().saturating_sub(MARGIN))
}

#[derive(Debug, Default)]
pub(super) struct Conns {
    slab: Slab<Conn>,
    generations: u32,
    len: usize,
    ticks: BTreeSet<(Instant, usize)>,
}

impl Conns {
    /// Adds a connection that uses a tube and watches nothing yet.
    pub(super) fn insert(&mut self, using: TubeKey) -> ConnId {
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let slot = self.slab.insert(Conn {
            generation,
            using,
            watch: WatchList::default(),
            waiting: None,
            places: Vec::new(),
            reserved: BTreeMap::new(),
            tick: None,
            producer: false,
            worker: false,
            half_closed: false,
            announced: None,
        });
        self.len += 1;
        ConnId { slot: u32::try_from(slot).expect("fewer connections than that"), generation }
    }

    /// The slot of a connection, if it is still connected.
    pub(super) fn slot(&self, id: ConnId) -> Option<usize> {
        let conn = self.slab.get(id.slot())?;
        (conn.generation == id.generation).then(|| id.slot())
    }

    pub(super) fn id(&self, slot: usize) -> ConnId {
        ConnId { slot: slot as u32, generation: self.slab[slot].generation }
    }

    pub(super) fn get(&self, slot: usize) -> &Conn {
        &self.slab[slot]
    }

    pub(super) fn get_mut(&mut self, slot: usize) -> &mut Conn {
        &mut self.slab[slot]
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn remove(&mut self, slot: usize) {
        if let Some(conn) = self.slab.remove(slot) {
            self.len -= 1;
            if let Some(tick) = conn.tick {
                self.ticks.remove(&(tick, slot));
            }
        }
    }

    /// Works out anew when something happens to a connection. To be called whenever it starts or stops waiting, and
    /// when the first deadline of its jobs changes.
    pub(super) fn schedule(&mut self, slot: usize) {
        let conn = &mut self.slab[slot];
        let tick = conn.next_tick();
        if tick == conn.tick {
            return;
        }
        if let Some(old) = std::mem::replace(&mut conn.tick, tick) {
            self.ticks.remove(&(old, slot));
        }
        if let Some(new) = tick {
            self.ticks.insert((new, slot));
        }
    }

    /// When the first thing happens to any connection.
    pub(super) fn first_tick(&self) -> Option<(Instant, usize)> {
        self.ticks.first().copied()
    }
}

/// The tubes a connection watches, in beanstalkd's order: the last one moves into the place of one that goes.
#[derive(Debug, Default)]
pub(super) struct WatchList {
    list: Vec<TubeKey>,
    /// Where each is in the list.
    places: BTreeMap<TubeKey, usize>,
}

impl WatchList {
    pub(super) fn tubes(&self) -> &[TubeKey] {
        &self.list
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn place(&self, tube: TubeKey) -> Option<usize> {
        self.places.get(&tube).copied()
    }

    pub(super) fn push(&mut self, tube: TubeKey) {
        self.places.insert(tube, self.list.len());
        self.list.push(tube);
    }

    /// Removes the tube at a place, if there is one.
    pub(super) fn remove(&mut self, place: usize) -> Option<TubeKey> {
        if place >= self.list.len() {
            return None;
        }
        let tube = self.list.swap_remove(place);
        self.places.remove(&tube);
        if let Some(&moved) = self.list.get(place) {
            self.places.insert(moved, place);
        }
        Some(tube)
    }
}
