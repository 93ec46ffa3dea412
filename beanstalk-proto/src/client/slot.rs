//! What is owed to one request.
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
//! A slot belongs to the holder of the ticket with its owner's number, until that ticket was abandoned or is late.

use alloc::boxed::Box;
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
    TooBig(Box<TooBig>),
    /// The reply did not come in that time. Only beside the ring.
    Late(Duration),
    /// The slot is no longer needed.
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
    /// The number of the ticket that it belongs to; 0 if it belongs to none.
    pub(super) owner: u64,
    /// When the request was sent.
    pub(super) at: Instant,
    pub(super) patience: Patience,
    /// Where in the outbound stream the request's body starts; its end, if it has none.
    pub(super) body_at: u64,
    /// Where in the outbound stream the request ends.
    pub(super) end: u64,
}

/// What a request expects in return, as far as it is the same size for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) kind: Option<Kind>,
    pub(super) replies: ReplySet,
    pub(super) wait: Wait,
    /// The job that it is about.
    job: Option<JobId>,
    /// The reply must repeat what it is about.
    echoed: bool,
}

/// One request in flight. There may be many, so it is small, and what only few requests have is boxed.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) sent: Sent,
    pub(super) expected: Expected,
    /// Those of the replies that answer it with no other check; none, once its ticket was abandoned.
    pub(super) direct: ReplySet,
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
    /// Replies that are not in the table.
    other: OtherReplies,
    /// What it is about.
    about: Subject,
    /// The reserve that took over this slot, or that its job is confirmed for.
    pub(super) caller: Option<Caller>,
}

impl Expected {
    /// Takes apart what a request expects in return. The rest is something only if more has to be kept of it.
    #[inline(always)]
    pub(super) fn of(expect: Expect) -> (Self, Option<Box<Rare>>) {
        let Expect { kind, replies, wait, echoed, .. } = expect;
        let job = if let Subject::Job(id) = expect.subject { Some(id) } else { None };
        let rare = match (&kind, &expect.other, &expect.subject) {
            (Some(kind), OtherReplies::None, Subject::None | Subject::Job(_) | Subject::Body(_))
                if *kind != Kind::Quit =>
            {
                mem::forget(expect);
                None
            }
            _ => Some(Rare::of(expect)),
        };
        (Self { kind, replies, wait, job, echoed }, rare)
    }
}

impl Rare {
    #[cold]
    #[inline(never)]
    fn of(expect: Expect) -> Box<Self> {
        let Expect { command, other, subject, .. } = expect;
        Box::new(Self { command: Some(command), other, about: subject, caller: None })
    }
}

impl Slot {
    pub(super) const FREE: Self = Self {
        sent: Sent { owner: 0, at: Instant::ZERO, patience: Patience(0), body_at: 0, end: 0 },
        expected: Expected { kind: None, replies: ReplySet::EMPTY, wait: Wait::No, job: None, echoed: false },
        direct: ReplySet::EMPTY,
        rare: None,
        state: State::Free,
    };

    /// Makes a free slot one for a request.
    #[inline(always)]
    pub(super) fn occupy(&mut self, expected: Expected, rare: Option<Box<Rare>>, sent: Sent) {
        const INSERTED: ReplySet = ReplySet::of(&[ReplyKind::Inserted]);
        let replies = expected.replies;
        self.sent = sent;
        self.expected = expected;
        // It was free: to look for something to drop would cost more than all of the above.
        mem::forget(mem::replace(&mut self.state, State::Waiting));
        self.direct = match (&rare, sent.body_at < sent.end) {
            (Some(_), _) => ReplySet::EMPTY,
            // A `put` could also be answered so that it is fatal.
            (None, true) => replies.and(INSERTED),
            (None, false) if expected.echoed => replies.and(ReplySet::PLAIN),
            (None, false) => replies.and(ReplySet::PLAIN.or(ReplySet::BODIES)),
        };
        if self.rare.is_some() || rare.is_some() {
            self.keep(rare);
        }
    }

    #[cold]
    #[inline(never)]
    fn keep(&mut self, rare: Option<Box<Rare>>) {
        self.rare = rare;
    }

    /// Whether a reply with this line repeats what it has to.
    pub(super) fn is_echoed(&self, head: &Head, line: &[u8]) -> bool {
        match (head.kind, self.expected.job, &self.rare) {
            _ if !self.expected.echoed => true,
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
        self.rare.as_ref().and_then(|rare| rare.command).or(self.expected.kind.map(Kind::word)).unwrap_or_default()
    }

    /// What the request is about.
    fn subject(&self) -> Subject {
        let body = self.sent.end.saturating_sub(self.sent.body_at);
        match (&self.rare, self.expected.job, body.checked_sub(2)) {
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

    /// The replies that are not in the table.
    #[inline]
    pub(super) fn other(&self) -> OtherReplies {
        self.rare.as_ref().map_or(OtherReplies::None, |rare| rare.other)
    }

    /// The reserve that took over this slot, or that its job is confirmed for.
    pub(super) fn caller(&self) -> Option<Caller> {
        self.rare.as_ref()?.caller
    }

    /// Leaves the slot without an owner.
    pub(super) fn orphan(&mut self) {
        self.sent.owner = 0;
        self.direct = ReplySet::EMPTY;
        if let Some(rare) = &mut self.rare {
            rare.caller = None;
        }
    }

    /// Whether it is no longer needed.
    pub(super) const fn is_free(&self) -> bool {
        matches!(self.state, State::Free)
    }

    /// How long the server may wait on purpose before it answers.
    pub(super) const fn server_wait(&self) -> Wait {
        if matches!(self.state, State::Confirming(_)) { Wait::No } else { self.expected.wait }
    }

    /// What can have become of the request, if no reply comes any more and so much was flushed.
    pub(super) const fn lost(&self, handed_out: u64) -> Lost {
        if self.sent.end > handed_out { Lost::NotSent } else { Lost::Unknown }
    }
}
