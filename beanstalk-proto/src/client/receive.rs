//! The receiving half of a client connection: bytes to replies, replies to slots.

use alloc::vec::Vec;
use core::mem;

use super::{
    Connection, Stream,
    reserve::Parked,
    slot::{Slot, State, TooBig},
};
use crate::{
    error::{CommandError, Excerpt, ProtocolError},
    reply::{Head, MAX_LINE, OtherReply, Reply, ReplyKind, ReplySet},
    scan,
    table::Kind,
    time::Instant,
    types::JobId,
};

/// The line of a reply whose body is on its way.
#[derive(Debug)]
pub(super) struct Arriving {
    shape: Shape,
    /// The announced length.
    bytes: u64,
    /// The limit that the body is over; it is being discarded.
    over: Option<usize>,
}

/// What a reply line is, once it was allowed.
#[derive(Debug)]
enum Shape {
    Known(Head),
    Other(Vec<u8>),
}

impl Shape {
    fn id(&self) -> Option<JobId> {
        match self {
            Self::Known(head) => head.id(),
            Self::Other(_) => None,
        }
    }

    const fn is_reserved(&self) -> bool {
        matches!(self, Self::Known(Head { kind: ReplyKind::Reserved, .. }))
    }
}

/// Step 4, read.
impl Connection {
    /// Returns where to put the next bytes from the transport. Lent for one read; then call [`Connection::received`]. It is
    /// empty only once the connection has ended.
    #[inline]
    pub fn receive_buf(&mut self) -> &mut [u8] {
        if self.is_ended() { &mut [] } else { self.framer.receive_buf() }
    }

    /// Reports that `n` bytes were written to what [`Connection::receive_buf`] has lent. Afterwards poll the tickets.
    ///
    /// # Panics
    ///
    /// With debug assertions, if it has lent less, or the read was reported before. Without, that poisons the connection. A driver that gets
    /// `n` from code that is not its own compares it with the length of the buffer first.
    #[inline(always)]
    pub fn received(&mut self, now: Instant, n: usize) {
        self.clock.set(now);
        if self.is_ended() {
            return;
        }
        if !self.framer.received(n) {
            return self.overreported(n, 0);
        }
        if self.clock.wanted() {
            self.clock.bytes_came(n);
        }
        self.take_replies();
        self.renew_due();
    }

    /// Answers the slots whose turn it is with what has arrived.
    #[inline(always)]
    fn take_replies(&mut self) {
        let written = self.transmit.written();
        loop {
            let whole_line = !self.framer.is_in_body() && !self.framer.is_searching();
            let result = match if whole_line { Head::parse(self.framer.unread()) } else { None } {
                Some((head, len)) => match self.slots.next_pending() {
                    // All checks for nearly every reply.
                    Some(slot) if slot.direct.contains(head.kind) && slot.sent.end <= written => {
                        if !head.kind.has_body() {
                            mem::forget(mem::replace(&mut slot.state, State::Plain(head)));
                            self.slots.answered();
                            self.reply_came();
                            // Nearly always one read brings one reply.
                            if self.framer.consume(len) {
                                return;
                            }
                            continue;
                        }
                        self.body_follows(head.kind, head.number, head.bytes, len);
                        Some(Ok(()))
                    }
                    _ => Some(self.head_arrived(head.kind, head.number, head.bytes, len)),
                },
                None => self.next_reply(),
            };
            match result {
                Some(Ok(())) if self.framer.is_drained() => return,
                Some(Ok(())) => {}
                Some(Err(error)) => return self.poison(error),
                None => return,
            }
        }
    }

    /// Hands over bytes that the transport has read to a place of its own; otherwise as [`Connection::received`].
    pub fn receive(&mut self, now: Instant, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_ended() {
            let n = self.framer.copy(bytes);
            bytes = bytes.get(n..).unwrap_or_default();
            self.received(now, n);
        }
    }

    /// Deals with one complete reply, if there is one, with every check there is.
    #[inline(never)]
    fn next_reply(&mut self) -> Option<Result<(), ProtocolError>> {
        if self.arriving.is_some() {
            return self.body_arrived();
        }
        if self.framer.unread().is_empty() {
            return None;
        }
        let Some(len) = self.framer.find_line().filter(|&len| len <= MAX_LINE) else {
            return crate::reply::check_unfinished(self.framer.unread()).err().map(Err);
        };
        match Head::parse_complete(self.framer.unread().get(..len).unwrap_or_default()) {
            Ok(Some(head)) => Some(self.head_arrived(head.kind, head.number, head.bytes, len)),
            Ok(None) => Some(self.other_arrived(len)),
            Err(error @ ProtocolError::Malformed { .. }) => Some(self.malformed(error, len)),
            Err(error) => Some(Err(error)),
        }
    }

    /// A word of the protocol with bad arguments: fine only for a request that uses the word in its own way.
    fn malformed(&mut self, error: ProtocolError, len: usize) -> Result<(), ProtocolError> {
        let line = self.framer.unread().get(..len.saturating_sub(2)).unwrap_or_default();
        let word = scan::word(line);
        match self.slots.next_pending() {
            Some(slot) if slot.other().own_word(word).is_some() => self.other_arrived(len),
            _ => Err(error),
        }
    }

    /// Checks a line of the protocol against the slot whose turn it is, and either answers it or waits for the body. What the line is comes
    /// in pieces, here and below, so that it needs no place in memory.
    #[inline(never)]
    fn head_arrived(&mut self, kind: ReplyKind, number: u64, bytes: u64, len: usize) -> Result<(), ProtocolError> {
        let head = Head { kind, number, bytes };
        let line = self.framer.unread().get(..len.saturating_sub(2)).unwrap_or_default();
        let written = self.transmit.written();
        let Some(slot) = self.slots.next_pending() else { return self.other_arrived(len) };
        // A request may use a word of the protocol in its own way, unless it allows the protocol's too.
        let own = || slot.other().own_word(head.kind.word().as_bytes()).is_some();
        if !slot.expected.replies.contains(head.kind) && own() {
            return self.other_arrived(len);
        }
        check(slot, &head, line)?;
        if slot.sent.end > written && !(REFUSALS.contains(head.kind) && slot.sent.body_at <= written) {
            return Err(early(slot, line, written));
        }
        if head.kind.has_body() {
            self.body_follows(kind, number, bytes, len);
            return Ok(());
        }
        let reply = head.into_reply(line, Vec::new());
        self.framer.consume(len);
        self.answer(reply);
        Ok(())
    }

    /// Checks a line whose word is not of the protocol, or is used in the request's own way.
    #[cold]
    fn other_arrived(&mut self, len: usize) -> Result<(), ProtocolError> {
        let line = self.framer.unread().get(..len.saturating_sub(2)).unwrap_or_default();
        let written = self.transmit.written();
        let Some(slot) = self.slots.next_pending() else {
            return Err(ProtocolError::Unsolicited { line: Excerpt::new(line) });
        };
        let Some(has_body) = slot.other().shape_of(scan::word(line)) else {
            return Err(ProtocolError::WrongReply { command: slot.command(), line: Excerpt::new(line) });
        };
        if slot.sent.end > written {
            return Err(early(slot, line, written));
        }
        if has_body {
            let bytes = last_number(line).ok_or(ProtocolError::Malformed { line: Excerpt::new(line) })?;
            self.body_begins(Shape::Other(line.to_vec()), bytes, len);
            return Ok(());
        }
        let reply = Reply::Other(OtherReply::from_wire(line.to_vec(), None));
        self.framer.consume(len);
        self.answer(reply);
        Ok(())
    }

    /// Answers with the body that a line of this length has announced, or waits for it.
    #[inline(never)]
    fn body_follows(&mut self, kind: ReplyKind, number: u64, bytes: u64, len: usize) {
        let head = Head { kind, number, bytes };
        let rest = self.framer.unread().get(len..).unwrap_or_default();
        // Nearly always a small body came with its line, and nothing is unclaimed.
        match rest.split_last_chunk() {
            Some((body, b"\r\n")) if body.len() as u64 == head.bytes && self.over_limit(head.bytes).is_none() => {
                let (reply, whole) = (head.into_reply(&[], body.to_vec()), len.saturating_add(rest.len()));
                self.framer.consume(whole);
                self.answer(reply);
            }
            _ => self.body_begins(Shape::Known(head), head.bytes, len),
        }
    }

    /// Waits for the body that a line of this length has announced.
    fn body_begins(&mut self, shape: Shape, bytes: u64, len: usize) {
        let over = self.over_limit(bytes);
        self.framer.consume(len);
        self.framer.start_body(bytes, over.is_none());
        self.arriving = Some(Arriving { shape, bytes, over });
    }

    /// The limit that a body of this length would exceed.
    fn over_limit(&self, bytes: u64) -> Option<usize> {
        let mut limits = self.config.limits;
        // With its CRLF, what an allocation can hold at all: where addresses have 32 bits, less than can be announced.
        limits.reply_body = limits.reply_body.min(isize::MAX.unsigned_abs().saturating_sub(2));
        let unclaimed = (self.unclaimed as u64).saturating_add(bytes);
        match () {
            () if bytes > limits.reply_body as u64 => Some(limits.reply_body),
            () if self.unclaimed > 0 && unclaimed > limits.unclaimed_replies as u64 => Some(limits.unclaimed_replies),
            () => None,
        }
    }

    fn body_arrived(&mut self) -> Option<Result<(), ProtocolError>> {
        let whole = self.framer.poll_body()?;
        let Arriving { shape, bytes, over } = self.arriving.take()?;
        if !whole.trailer_ok {
            let command = self.slots.next_pending().map_or("", |slot| slot.command());
            return Some(Err(ProtocolError::MissingCrlf { command, id: shape.id(), bytes }));
        }
        match (over, shape) {
            (Some(limit), shape) => {
                let too_big = TooBig { id: shape.id(), reserved: shape.is_reserved(), bytes, limit };
                self.answer_as(State::TooBig(too_big.into()));
            }
            (None, Shape::Known(head)) => self.answer(head.into_reply(&[], whole.bytes)),
            (None, Shape::Other(line)) => self.answer(Reply::Other(OtherReply::from_wire(line, Some(whole.bytes)))),
        }
        Some(Ok(()))
    }

    /// Takes note that a reply came: the time of the next runs from now.
    #[inline(always)]
    fn reply_came(&mut self) {
        self.clock.replied = self.clock.now;
        if self.clock.wanted() {
            self.clock.withdraw();
        }
    }

    /// Gives the slot whose turn it is its reply.
    #[inline]
    pub(super) fn answer(&mut self, reply: Reply) {
        self.unclaimed = self.unclaimed.saturating_add(reply.body().map_or(0, <[u8]>::len));
        self.answer_as(State::Answered(reply));
    }

    #[inline]
    fn answer_as(&mut self, state: State) {
        let place = self.slots.next_place();
        self.reply_came();
        let Some(slot) = self.slots.next_pending() else { return };
        if slot.sent.owner != 0 && slot.caller().is_none() {
            slot.state = state;
            self.slots.answered();
            return;
        }
        let was = mem::replace(&mut slot.state, State::Free);
        self.slots.answered();
        self.answer_left(place, was, state);
    }

    /// Gives a slot its reply whose caller went away, or that stands for another request than its own.
    #[cold]
    fn answer_left(&mut self, place: u64, was: State, answer: State) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        let (owner, patience, caller) = (slot.sent.owner, slot.sent.patience, slot.caller());
        let unread = caller.is_some_and(|caller| caller.unread);
        let timed_out = matches!(answer, State::Answered(Reply::TimedOut));
        // Whether the caller's own reserve is to begin now, and what the caller gets if not.
        let (again, state) = match (was, answer) {
            (State::Confirming(job), State::Answered(Reply::NotFound)) => {
                self.unclaimed = self.unclaimed.saturating_sub(job.body.len());
                (true, State::Answered(Reply::TimedOut))
            }
            (State::Confirming(job), State::Answered(Reply::Touched)) => {
                (unread, State::Answered(Reply::Reserved(*job)))
            }
            // The server has trouble of its own: the job is kept for the next reserve.
            (State::Confirming(job), answer) => {
                self.parked.push_back(Parked::Job(*job));
                (unread, answer)
            }
            (_, answer) => (unread || timed_out, answer),
        };
        if let (true, Some(caller), Stream::Open) = (again && owner != 0, caller, self.stream) {
            self.slots.free(place);
            self.discard(state);
            self.begin_reserve(owner, caller, patience);
        } else if owner != 0 {
            slot.state = state;
        } else {
            self.slots.free(place);
            self.discard(state);
        }
    }
}

/// What a server may answer to a `put` whose body is still under way. The rest of the body is owed nevertheless.
const REFUSALS: ReplySet = ReplySet::GENERAL.or(ReplySet::of(&[ReplyKind::JobTooBig, ReplyKind::Draining]));

/// An answer to what was not asked yet.
#[cold]
fn early(slot: &Slot, line: &[u8], written: u64) -> ProtocolError {
    let missing = slot.sent.end.saturating_sub(written);
    ProtocolError::EarlyReply { command: slot.command(), line: Excerpt::new(line), missing }
}

/// Whether this line may answer this request.
fn check(slot: &Slot, head: &Head, line: &[u8]) -> Result<(), ProtocolError> {
    let confirming = matches!(slot.state, State::Confirming(_));
    let (replies, command) = match confirming {
        true => (Kind::Touch.replies(), Kind::Touch.word()),
        false => (slot.expected.replies, slot.command()),
    };
    if !replies.contains(head.kind) || slot.expected.kind == Some(Kind::Quit) {
        return Err(ProtocolError::WrongReply { command, line: Excerpt::new(line) });
    }
    match slot.is_echoed(head, line) {
        false => Err(ProtocolError::WrongEcho { command, line: Excerpt::new(line) }),
        true if slot.sent.body_at < slot.sent.end => check_framing(slot.command(), head.kind),
        true => Ok(()),
    }
}

/// After these the server and we no longer agree where a body ends.
fn check_framing(command: &'static str, kind: ReplyKind) -> Result<(), ProtocolError> {
    let error = match kind {
        ReplyKind::BadFormat => CommandError::BadFormat,
        ReplyKind::UnknownCommand => CommandError::UnknownCommand,
        ReplyKind::ExpectedCrlf => CommandError::ExpectedCrlf,
        _ => return Ok(()),
    };
    Err(ProtocolError::BodyRefused { command, error })
}

/// The number that ends a line: a body's length.
fn last_number(line: &[u8]) -> Option<u64> {
    let mut words = line.rsplitn(2, |&byte| byte == b' ');
    let last = words.next()?;
    words.next()?;
    scan::number(last).filter(|&bytes| bytes <= scan::MAX_LENGTH)
}
