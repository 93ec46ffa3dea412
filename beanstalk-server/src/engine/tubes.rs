//! The tubes, by name and in beanstalkd's order.
//!
//! A tube exists while a connection uses or watches it or it has jobs; `default` always does. The list of tubes is an
//! array from which a tube is removed by moving the last one into its place, and `list-tubes` shows that.

use std::collections::{BTreeMap, BTreeSet};

use beanstalk_proto::{Instant, TubeName};

use super::{slab::Slab, waiters::Waiters};

/// Names a tube as long as it exists.
pub(super) type TubeKey = usize;

/// A pause in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) seconds: u32,
    pub(super) until: Instant,
}

#[derive(Debug)]
pub(super) struct Tube {
    pub(super) name: TubeName,
    /// Users, watchers, jobs, and one for `default`.
    refs: usize,
    /// Its place in the list.
    place: usize,
    /// By priority, then id.
    pub(super) ready: BTreeSet<(u32, u64)>,
    /// By end of the delay, then id.
    pub(super) delayed: BTreeSet<(Instant, u64)>,
    /// In the order of burying.
    pub(super) buried: BTreeSet<(u64, u64)>,
    pub(super) waiters: Waiters,
    pub(super) pause: Option<Pause>,
    pub(super) urgent: u64,
    pub(super) reserved: u64,
    pub(super) total_jobs: u64,
    pub(super) using: u64,
    pub(super) watching: u64,
    pub(super) deletes: u64,
    pub(super) pauses: u64,
}

impl Tube {
    fn new(name: TubeName, place: usize) -> Self {
        Self {
            name,
            refs: 0,
            place,
            ready: BTreeSet::new(),
            delayed: BTreeSet::new(),
            buried: BTreeSet::new(),
            waiters: Waiters::default(),
            pause: None,
            urgent: 0,
            reserved: 0,
            total_jobs: 0,
            using: 0,
            watching: 0,
            deletes: 0,
            pauses: 0,
        }
    }

    /// The job that a reserve would take now.
    pub(super) fn available(&self) -> Option<(u32, u64)> {
        if self.pause.is_some() { None } else { self.ready.first().copied() }
    }

    /// Whether there is both a job and a connection that waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiters.is_empty() && self.available().is_some()
    }
}

#[derive(Debug)]
pub(super) struct Tubes {
    slab: Slab<Tube>,
    by_name: BTreeMap<TubeName, TubeKey>,
    list: Vec<TubeKey>,
    /// Paused tubes by the end of their pause.
    paused: BTreeSet<(Instant, TubeKey)>,
}

impl Tubes {
    /// The key of `default`: it is made first and never goes.
    pub(super) const DEFAULT: TubeKey = 0;

    pub(super) fn new() -> Self {
        let mut tubes =
            Self { slab: Slab::default(), by_name: BTreeMap::new(), list: Vec::new(), paused: BTreeSet::new() };
        let default = tubes.find_or_make(TubeName::default());
        debug_assert_eq!(default, Self::DEFAULT, "the first key of a slab");
        tubes.hold(default);
        tubes
    }

    pub(super) fn find(&self, name: &str) -> Option<TubeKey> {
        self.by_name.get(name).copied()
    }

    /// The tube of this name. A new one goes at the next [`release`](Self::release), unless a connection uses or watches it.
    pub(super) fn find_or_make(&mut self, name: TubeName) -> TubeKey {
        if let Some(key) = self.find(&name) {
            return key;
        }
        let key = self.slab.insert(Tube::new(name.clone(), self.list.len()));
        self.list.push(key);
        self.by_name.insert(name, key);
        key
    }

    /// One more reason for the tube to exist.
    pub(super) fn hold(&mut self, key: TubeKey) {
        self.slab[key].refs += 1;
    }

    /// One reason less. The last one takes the tube with it, its pause and its counters included.
    pub(super) fn release(&mut self, key: TubeKey) {
        let tube = &mut self.slab[key];
        tube.refs -= 1;
        if tube.refs > 0 {
            return;
        }
        let Some(tube) = self.slab.remove(key) else { return };
        if let Some(pause) = tube.pause {
            self.paused.remove(&(pause.until, key));
        }
        self.by_name.remove(&tube.name);
        self.list.swap_remove(tube.place);
        if let Some(&moved) = self.list.get(tube.place) {
            self.slab[moved].place = tube.place;
        }
    }

    pub(super) fn get(&self, key: TubeKey) -> &Tube {
        &self.slab[key]
    }

    pub(super) fn get_mut(&mut self, key: TubeKey) -> &mut Tube {
        &mut self.slab[key]
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Every tube, in the order of `list-tubes`.
    pub(super) fn names(&self) -> impl Iterator<Item = &TubeName> {
        self.list.iter().map(|&key| &self.slab[key].name)
    }

    pub(super) fn pause(&mut self, key: TubeKey, pause: Pause) {
        self.unpause(key);
        self.slab[key].pause = Some(pause);
        self.paused.insert((pause.until, key));
    }

    fn unpause(&mut self, key: TubeKey) {
        if let Some(pause) = self.slab[key].pause.take() {
            self.paused.remove(&(pause.until, key));
        }
    }

    /// When the first pause ends.
    pub(super) fn first_unpause(&self) -> Option<Instant> {
        self.paused.first().map(|&(until, _)| until)
    }

    /// Ends one pause that is over, and returns whose.
    pub(super) fn unpause_one(&mut self, now: Instant) -> Option<TubeKey> {
        let &(_, key) = self.paused.first().filter(|&&(until, _)| until <= now)?;
        self.unpause(key);
        Some(key)
    }
}
