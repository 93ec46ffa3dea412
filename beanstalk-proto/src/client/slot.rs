//! What is owed to one request, and the queue of these.
//!
//! ```text
//!              reply          Plain     taken, or abandoned
//!   Waiting ──────────▶ or Answered ────────────────────────▶ Free
//!      │                   ▲                                   ▲
//!      │ TIMED_OUT of an   │ TOUCHED                           │
//!      │ adopted request   │                                   │
//!      ├──────────────▶ Moved ─────────────────────────────────┤
//!      │                   ▲ NOT_FOUND                         │
//!   Confirming ────────────┘ (reserve afresh)                  │
//!      └── abandoned: when the reply comes ────────────────────┘
//! ```

use alloc::{boxed::Box, vec::Vec};
use core::mem;

use crate::{
    error::{DecodeError, Error, Lost, Subject},
    reply::{Head, Reply, ReplyKind, ReplySet},
    request::{Echo, Expect, OtherReplies, Wait},
    table::Kind,
    time::Instant,
    types::{Job, JobId, TubeName},
};

/// A body that was discarded because it is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooBig {
    pub(super) id: Option<JobId>,
    /// Whether the job is reserved by this connection now.
    pub(super) reserved: bool,
    pub(super) bytes: u64,
    pub(super) limit: usize,
}

/// What became of a request so far.
#[derive(Debug, Default)]
pub(super) enum State {
    /// The reply has not come.
    Waiting,
    /// The `touch` of a parked job is under way; the job is what the caller gets if it succeeds.
    Confirming(Box<Job>),
    /// The reply is here, and no more than a line: nearly every reply but for jobs, so it is kept as small as that.
    Plain(Head),
    /// The reply is here.
    Answered(Reply),
    /// The reply is here, but its body was over a limit.
    TooBig(TooBig),
    /// The request goes on in the slot with this number.
    Moved(u64),
    /// Nobody wants anything from this slot any more.
    #[default]
    Free,
}

/// A reserve that took over the slot of another, which nobody waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adopted {
    /// What to ask for should the slot's own request end without a job.
    pub(super) wait: Wait,
    /// When its caller gives up, once that was asked for.
    pub(super) until: Option<Instant>,
}

const INSERTED: ReplySet = ReplySet::of(&[ReplyKind::Inserted]);

/// One request in flight. There may be many, so it is small, and what only few requests have is boxed.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) kind: Option<Kind>,
    pub(super) has_body: bool,
    pub(super) abandoned: bool,
    pub(super) replies: ReplySet,
    /// Those of them that are only a line and answer it with no other check, unless somebody went away.
    pub(super) direct: ReplySet,
    pub(super) wait: Wait,
    /// Where in the outbound stream the request ends.
    pub(super) end: u64,
    /// The job that `FOUND` and `RESERVED` must be about.
    pub(super) id: Option<JobId>,
    /// What it is about, if that is no tube nor what the reply must repeat.
    about: About,
    /// When the server answers at the latest, once that was asked for.
    pub(super) until: Option<Instant>,
    pub(super) rare: Option<Box<Rare>>,
    pub(super) state: State,
}

/// What nearly every request is about, with nothing to free.
#[derive(Clone, Copy, Debug, Default)]
enum About {
    #[default]
    None,
    Job(JobId),
    Body(usize),
}

/// What few requests have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// The name in errors of a request that is not of the table.
    command: Option<&'static str>,
    /// Replies that the table does not know.
    other: OtherReplies,
    /// The tube that `USING` must be about.
    pub(super) tube: Option<TubeName>,
    /// What it is about otherwise, if that is a name or a line.
    about: Option<Subject>,
    /// A reserve that took over this waiting slot.
    pub(super) adopted: Option<Adopted>,
}

impl Slot {
    /// Makes a free slot one for a request.
    #[inline(always)]
    fn occupy(&mut self, expect: Expect, has_body: bool, end: u64) {
        let Expect { command, kind, replies, other, wait, echo, subject } = expect;
        let (id, tube) = match echo {
            Echo::None => (None, None),
            Echo::Id(id) => (Some(id), None),
            Echo::Tube(tube) => (None, Some(tube)),
        };
        let about = match subject {
            Subject::None => {
                self.about = About::None;
                None
            }
            Subject::Job(id) => {
                self.about = About::Job(id);
                None
            }
            Subject::Body(bytes) => {
                self.about = About::Body(bytes);
                None
            }
            about => {
                self.about = About::None;
                Some(about)
            }
        };
        self.rare = match (kind, other, &tube, &about) {
            (Some(_), OtherReplies::None, None, None) => None,
            _ => Some(Box::new(Rare { command: Some(command), other, tube, about, adopted: None })),
        };
        self.kind = kind;
        self.has_body = has_body;
        self.abandoned = false;
        self.replies = replies;
        // A `put` could also be answered so that it is fatal.
        self.direct = match (&self.rare, kind, has_body) {
            (Some(_), ..) | (_, Some(Kind::Quit), _) => ReplySet::EMPTY,
            (None, _, true) => replies.and(INSERTED),
            (None, _, false) => replies.and(ReplySet::PLAIN),
        };
        self.wait = wait;
        self.end = end;
        self.id = id;
        self.until = None;
        // It was free: to look for something to drop would cost more than all of the above.
        mem::forget(mem::replace(&mut self.state, State::Waiting));
    }

    /// The request's name in errors.
    pub(super) fn command(&self) -> &'static str {
        self.rare.as_ref().and_then(|rare| rare.command).or(self.kind.map(Kind::word)).unwrap_or_default()
    }

    /// What the request is about.
    pub(super) fn subject(&self) -> Subject {
        let rare = self.rare.as_ref();
        let named = rare.and_then(|rare| rare.about.clone().or_else(|| rare.tube.clone().map(Subject::Tube)));
        match (self.about, self.id) {
            (About::Job(id), _) | (About::None, Some(id)) => Subject::Job(id),
            (About::Body(bytes), _) => Subject::Body(bytes),
            (About::None, None) => named.unwrap_or_default(),
        }
    }

    /// What its caller fails with, if this is what its reply comes to.
    #[cold]
    pub(super) fn failed(&self, error: DecodeError) -> Error {
        Error::from_decode(self.command(), self.subject(), error)
    }

    /// The replies that the table does not know.
    #[inline]
    pub(super) fn other(&self) -> OtherReplies {
        self.rare.as_ref().map_or(OtherReplies::None, |rare| rare.other)
    }

    /// The reserve that took over this slot.
    pub(super) fn adopted(&mut self) -> Option<&mut Adopted> {
        self.rare.as_mut()?.adopted.as_mut()
    }

    /// Whether its caller may have to go on in another slot, because this one's request ends without a job.
    pub(super) fn may_move(&self) -> bool {
        let adopted = self.rare.as_ref().is_some_and(|rare| rare.adopted.is_some());
        self.is_pending() && (adopted || matches!(self.state, State::Confirming(_)))
    }

    /// Notes that a reserve has taken over this slot, or has gone again.
    pub(super) fn set_adopted(&mut self, adopted: Option<Adopted>) {
        if adopted.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().adopted = adopted;
        }
    }

    /// Whether it is one of the two commands that wait for any job.
    pub(super) const fn is_reserve(&self) -> bool {
        matches!(self.kind, Some(Kind::Reserve | Kind::ReserveWithTimeout))
    }

    #[inline]
    pub(super) const fn is_pending(&self) -> bool {
        matches!(self.state, State::Waiting | State::Confirming(_))
    }

    /// What can have become of the request, if no reply comes any more.
    pub(super) const fn lost(&self, written: u64) -> Lost {
        if self.end > written { Lost::NotSent } else { Lost::Unknown }
    }
}

/// The requests in flight, in the order in which they were sent.
///
/// They lie in a ring, each at the place that its number says, and are written and read where they are: to move them in
/// and out for every command costs more than everything else that is done to them.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// Free but for those in flight; its length is 0 or a power of two.
    ring: Vec<Slot>,
    /// The number of the slot at the front.
    front: u64,
    /// The number behind the last.
    end: u64,
    /// No slot before this one waits for its reply.
    pending: u64,
    /// The number behind the last request that the server may keep waiting.
    after_wait: u64,
}

/// The first size of the ring.
const FIRST: usize = 4;
/// A ring that has grown beyond this is given back when nothing is in flight.
const KEPT: usize = 128;

impl Slots {
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.end.wrapping_sub(self.front)).unwrap_or(usize::MAX)
    }

    /// Whether one of them may be a request that the server keeps waiting; `false` is certain.
    #[inline]
    pub(super) const fn may_wait(&self) -> bool {
        self.after_wait > self.front
    }

    /// Appends a slot and gives its number.
    #[inline(always)]
    pub(super) fn push(&mut self, expect: Expect, has_body: bool, end: u64) -> u64 {
        if self.len() >= self.ring.len() {
            self.grow();
        }
        let seq = self.end;
        if expect.wait != Wait::No {
            self.after_wait = seq.wrapping_add(1);
        }
        let place = self.place(seq);
        if let Some(slot) = self.ring.get_mut(place) {
            slot.occupy(expect, has_body, end);
            self.end = seq.wrapping_add(1);
        }
        seq
    }

    #[cold]
    fn grow(&mut self) {
        let len = self.ring.len().saturating_mul(2).max(FIRST);
        let old = Self { ring: mem::take(&mut self.ring), ..*self };
        self.ring.resize_with(len, Slot::default);
        let mut ring = old.ring;
        for seq in self.front..self.end {
            let from = place(ring.len(), seq);
            let to = self.place(seq);
            if let (Some(from), Some(to)) = (ring.get_mut(from), self.ring.get_mut(to)) {
                mem::swap(from, to);
            }
        }
    }

    #[inline]
    fn place(&self, seq: u64) -> usize {
        place(self.ring.len(), seq)
    }

    #[inline]
    fn holds(&self, seq: u64) -> bool {
        seq >= self.front && seq < self.end
    }

    #[inline]
    pub(super) fn get(&self, seq: u64) -> Option<&Slot> {
        if self.holds(seq) { self.ring.get(self.place(seq)) } else { None }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, seq: u64) -> Option<&mut Slot> {
        let place = self.place(seq);
        if self.holds(seq) { self.ring.get_mut(place) } else { None }
    }

    /// The slot at the front, if it has this number.
    #[inline]
    pub(super) fn front(&mut self, seq: u64) -> Option<&mut Slot> {
        let place = self.place(seq);
        if seq == self.front && seq != self.end { self.ring.get_mut(place) } else { None }
    }

    /// The slot whose reply comes next, and its number.
    #[inline(always)]
    pub(super) fn next_pending(&mut self) -> Option<(u64, &mut Slot)> {
        while self.get(self.pending).is_some_and(|slot| !slot.is_pending()) {
            self.pending = self.pending.wrapping_add(1);
        }
        let seq = self.pending;
        self.get_mut(seq).map(|slot| (seq, slot))
    }

    /// Shows those of [`Slots::pending_waits`] before a slot, for noting how long they may take.
    pub(super) fn each_pending_wait_before(&mut self, seq: u64, mut note: impl FnMut(&mut Slot)) {
        for earlier in self.pending..self.after_wait.min(seq) {
            if let Some(slot) = self.get_mut(earlier).filter(|slot| slot.is_pending() && slot.wait != Wait::No) {
                note(slot);
            }
        }
    }

    /// The slots whose replies have not come because the server may keep them waiting.
    pub(super) fn pending_waits(&self) -> impl Iterator<Item = (u64, &Slot)> {
        let slots = (self.pending..self.after_wait).filter_map(|seq| Some((seq, self.get(seq)?)));
        slots.filter(|(_, slot)| slot.is_pending() && slot.wait != Wait::No)
    }

    /// Gives up a slot; slots leave from the front.
    pub(super) fn free(&mut self, seq: u64) {
        if let Some(slot) = self.get_mut(seq) {
            slot.state = State::Free;
        }
        while let Some(Slot { state: State::Free, .. }) = self.get(self.front) {
            self.front_leaves();
        }
    }

    /// Lets the front go, which is free.
    #[inline(always)]
    pub(super) fn front_leaves(&mut self) {
        self.front = self.front.wrapping_add(1);
        self.pending = self.pending.max(self.front);
        if self.front == self.end && self.ring.len() > KEPT {
            self.ring = Vec::new();
        }
    }

    /// Lets go what is free behind the front that has left.
    #[inline]
    pub(super) fn followers_leave(&mut self) {
        if self.front != self.end {
            self.free(self.front.wrapping_sub(1));
        }
    }
}

/// Where in a ring of this length a slot lies.
#[inline]
fn place(len: usize, seq: u64) -> usize {
    #[allow(clippy::cast_possible_truncation, reason = "the lower bits are all that counts")]
    let seq = seq as usize;
    seq & len.wrapping_sub(1)
}
