//! What is owed to one request, and the queue of these.
//!
//! ```text
//!               reply            Plain or     claimed, or abandoned
//!   Waiting ───────────────────▶ Answered ─────────────────────────▶ Free
//!      │ TIMED_OUT of an            ▲ TOUCHED                          ▲
//!      │ adopted request            │                                  │
//!      ├──▶ a new slot's Waiting    │        abandoned: when the reply comes
//!      │          ▲ NOT_FOUND       │                                  │
//!   Confirming ───┴─────────────────┴──────────────────────────────────┘
//! ```
//!
//! A slot belongs to whoever holds the ticket with its owner's number; to nobody, once that was abandoned or is late. What a ticket
//! is owed that no longer has a slot is kept beside the ring: the replies of old requests that nobody claims, and lateness.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::{mem, time::Duration};

use crate::{
    error::{Lost, Subject},
    reply::{Head, Reply, ReplyKind, ReplySet, name_in},
    request::{Expect, OtherReplies, Wait},
    table::Kind,
    time::Instant,
    types::{Job, JobId},
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
    /// The reply did not come in that time. Only beside the ring.
    Late(Duration),
    /// Nobody wants anything from this slot any more.
    #[default]
    Free,
}

/// How long a reserve's caller waits, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) wait: Wait,
    pub(super) since: Instant,
    /// What answers the slot may have come before the caller did, as the transport was not read since.
    pub(super) unread: bool,
}

/// How many nanoseconds a reply may take, at the end of the count without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Patience(pub(super) u64);

impl Patience {
    pub(super) const ENDLESS: Self = Self(u64::MAX);
    pub(super) const NONE: Self = Self(0);
}

/// What a slot is made of, beside what its request expects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// The number of the ticket that it belongs to; 0 is nobody's.
    pub(super) owner: u64,
    /// When the request was sent.
    pub(super) at: Instant,
    pub(super) patience: Patience,
    /// Where in the outbound stream the request's body starts; its end, if it has none.
    pub(super) body_at: u64,
    /// Where in the outbound stream the request ends.
    pub(super) end: u64,
}

/// One request in flight. There may be many, so it is small, and what only few requests have is boxed.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) sent: Sent,
    pub(super) kind: Option<Kind>,
    pub(super) replies: ReplySet,
    /// Those of them that are only a line and answer it with no other check; none, once somebody went away.
    pub(super) direct: ReplySet,
    pub(super) wait: Wait,
    /// The job that it is about.
    job: Option<JobId>,
    /// The reply must repeat what it is about.
    echoed: bool,
    pub(super) rare: Option<Box<Rare>>,
    pub(super) state: State,
}

/// How a request is called in errors.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) command: &'static str,
    pub(super) subject: Subject,
}

/// What few requests have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// The name in errors of a request that is not of the table.
    command: Option<&'static str>,
    /// Replies that the table does not know.
    other: OtherReplies,
    /// What it is about.
    about: Subject,
    /// The reserve that took over this slot, or that its job is confirmed for.
    pub(super) caller: Option<Caller>,
}

impl Slot {
    const FREE: Self = Self {
        sent: Sent { owner: 0, at: Instant::ZERO, patience: Patience(0), body_at: 0, end: 0 },
        kind: None,
        replies: ReplySet::EMPTY,
        direct: ReplySet::EMPTY,
        wait: Wait::No,
        job: None,
        echoed: false,
        rare: None,
        state: State::Free,
    };

    /// Makes a free slot one for a request.
    #[inline(always)]
    fn occupy(&mut self, expect: Expect, sent: Sent) {
        const INSERTED: ReplySet = ReplySet::of(&[ReplyKind::Inserted]);
        self.sent = sent;
        self.kind = expect.kind;
        self.replies = expect.replies;
        self.wait = expect.wait;
        self.echoed = expect.echoed;
        self.job = if let Subject::Job(id) = expect.subject { Some(id) } else { None };
        // It was free: to look for something to drop would cost more than all of the above.
        mem::forget(mem::replace(&mut self.state, State::Waiting));
        match (&expect.kind, &expect.other, &expect.subject) {
            (Some(kind), OtherReplies::None, Subject::None | Subject::Job(_) | Subject::Body(_))
                if *kind != Kind::Quit && self.rare.is_none() =>
            {
                // A `put` could also be answered so that it is fatal.
                let direct = if sent.body_at < sent.end { INSERTED } else { ReplySet::PLAIN };
                self.direct = expect.replies.and(direct);
                mem::forget(expect);
            }
            _ => self.occupy_closely(expect),
        }
    }

    /// As [`Slot::occupy`], for a request of which more has to be kept, or that comes after one.
    #[cold]
    fn occupy_closely(&mut self, expect: Expect) {
        let Expect { command, kind, other, subject, .. } = expect;
        let named = matches!(subject, Subject::Tube(_) | Subject::Line(_));
        let plain = kind.is_some() && other == OtherReplies::None && !named;
        let direct = plain && kind != Some(Kind::Quit) && self.sent.body_at == self.sent.end;
        self.direct = if direct { self.replies.and(ReplySet::PLAIN) } else { ReplySet::EMPTY };
        let rare = Rare { command: Some(command), other, about: subject, caller: None };
        self.rare = if plain { None } else { Some(Box::new(rare)) };
    }

    /// Whether a reply with this line repeats what it has to.
    pub(super) fn is_echoed(&self, head: &Head, line: &[u8]) -> bool {
        match (head.kind, self.job, &self.rare) {
            _ if !self.echoed => true,
            (ReplyKind::Found | ReplyKind::Reserved, Some(id), _) => id.0 == head.number,
            (ReplyKind::Using, _, Some(rare)) => match &rare.about {
                Subject::Tube(tube) => name_in(line) == tube.as_bytes(),
                _ => true,
            },
            _ => true,
        }
    }

    /// The request's name in errors.
    pub(super) fn command(&self) -> &'static str {
        self.rare.as_ref().and_then(|rare| rare.command).or(self.kind.map(Kind::word)).unwrap_or_default()
    }

    /// What the request is about.
    fn subject(&self) -> Subject {
        let body = self.sent.end.saturating_sub(self.sent.body_at);
        match (&self.rare, self.job, body.checked_sub(2)) {
            (Some(rare), ..) if rare.about != Subject::None => rare.about.clone(),
            (_, Some(id), _) => Subject::Job(id),
            (_, None, Some(body)) => Subject::Body(usize::try_from(body).unwrap_or(usize::MAX)),
            (_, None, None) => Subject::None,
        }
    }

    /// How the request is called in errors.
    #[cold]
    pub(super) fn name(&self) -> Name {
        Name { command: self.command(), subject: self.subject() }
    }

    /// The replies that the table does not know.
    #[inline]
    pub(super) fn other(&self) -> OtherReplies {
        self.rare.as_ref().map_or(OtherReplies::None, |rare| rare.other)
    }

    /// The reserve that took over this slot, or that its job is confirmed for.
    pub(super) fn caller(&self) -> Option<Caller> {
        self.rare.as_ref()?.caller
    }

    /// Leaves the slot to nobody.
    pub(super) fn orphan(&mut self) {
        self.sent.owner = 0;
        self.direct = ReplySet::EMPTY;
        if let Some(rare) = &mut self.rare {
            rare.caller = None;
        }
    }

    /// Whether it is one of the two commands that wait for any job.
    pub(super) const fn is_reserve(&self) -> bool {
        matches!(self.kind, Some(Kind::Reserve | Kind::ReserveWithTimeout))
    }

    /// How long the server may wait on purpose before it answers.
    pub(super) const fn server_wait(&self) -> Wait {
        if matches!(self.state, State::Confirming(_)) { Wait::No } else { self.wait }
    }

    /// What can have become of the request, if no reply comes any more and so much was handed out.
    pub(super) const fn lost(&self, handed_out: u64) -> Lost {
        if self.sent.end > handed_out { Lost::NotSent } else { Lost::Unknown }
    }
}

/// The requests in flight, in the order in which they were sent.
///
/// They lie in a ring, each at the place that its number says, and are written and read where they are: to move them in
/// and out for every command costs more than everything else that is done to them. Those before `pending` have their reply or are
/// free, those from there on wait for theirs.
#[derive(Debug, Default)]
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
    /// The place behind the last that a reserve has taken over, or that confirms a job for one.
    after_caller: u64,
    /// How many are not free.
    occupied: usize,
    /// What tickets are owed that no longer have a slot, by their numbers: the request's name, and what became of it.
    kept: BTreeMap<u64, (Name, State)>,
}

/// The first size of the ring.
const FIRST: usize = 4;
/// A ring that has grown beyond this is given back when nothing is in flight.
const KEPT: usize = 128;

impl Slots {
    /// How many are in flight, or answered and not claimed.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.occupied.wrapping_add(self.kept.len())
    }

    /// How many tickets are owed something, be it that they have no slot any more.
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
    pub(super) fn push(&mut self, expect: Expect, sent: Sent) -> u64 {
        let place = self.end;
        if place.wrapping_sub(self.front) >= self.ring.len() as u64 {
            self.make_room();
        }
        if expect.wait != Wait::No {
            self.after_wait = place.wrapping_add(1);
        }
        let at = self.at(place);
        if let Some(slot) = self.ring.get_mut(at) {
            slot.occupy(expect, sent);
            self.occupied = self.occupied.wrapping_add(1);
            self.end = place.wrapping_add(1);
        }
        place
    }

    /// Moves replies that nobody claims out of the way if they are what fills the ring, or makes it longer.
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
        let at = self.at(place);
        if place == self.front && place < self.pending { self.ring.get_mut(at) } else { None }
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

    /// Whether the slot at this place waits for its reply.
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

    /// Whether one of those that wait for their reply may stand for another request than its own; `false` is certain.
    #[inline(always)]
    pub(super) const fn has_callers(&self) -> bool {
        self.after_caller > self.pending
    }

    /// Notes for whom a slot stands now.
    pub(super) fn set_caller(&mut self, place: u64, caller: Caller) {
        self.after_caller = self.after_caller.max(place.wrapping_add(1));
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
        slots.filter(|(_, slot)| slot.wait != Wait::No)
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

    /// Gives up a slot that does not wait for its reply; slots leave from the front.
    pub(super) fn free(&mut self, place: u64) {
        if let Some(slot) = self.get_mut(place) {
            slot.state = State::Free;
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

impl Slot {
    const fn is_free(&self) -> bool {
        matches!(self.state, State::Free)
    }
}

/// Where in a ring of this length a slot lies.
#[inline]
fn index(len: usize, place: u64) -> usize {
    #[allow(clippy::cast_possible_truncation, reason = "the lower bits are all that counts")]
    let place = place as usize;
    place & len.wrapping_sub(1)
}
