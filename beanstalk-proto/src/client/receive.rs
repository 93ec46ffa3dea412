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
    reply::{Head, MAX_LINE, OtherReply, Reply, ReplyKind, name_in},
    request::Wait,
    scan,
    table::Kind,
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
            Self::Known(Head { kind: ReplyKind::Reserved | ReplyKind::Found, number, .. }) => Some(JobId(*number)),
            _ => None,
        }
    }

    const fn is_reserved(&self) -> bool {
        matches!(self, Self::Known(Head { kind: ReplyKind::Reserved, .. }))
    }
}

impl Connection {
    /// Where to put the next bytes from the transport. Lent for one read; then call [`Connection::received`]. It is
    /// empty only once the connection is ended or poisoned.
    #[inline]
    pub fn receive_buf(&mut self) -> &mut [u8] {
        match self.stream {
            Stream::Open | Stream::Quitting => self.framer.receive_buf(),
            Stream::Ended | Stream::Poisoned(_) => &mut [],
        }
    }

    /// Takes note that `n` bytes were written to [`Connection::receive_buf`]. Afterwards poll the tickets.
    #[inline(always)]
    pub fn received(&mut self, n: usize) {
        if self.is_ended() {
            return;
        }
        self.framer.received(n);
        loop {
            let whole_line = !self.framer.is_in_body() && !self.framer.is_searching();
            let result = match if whole_line { Head::parse(self.framer.unread()) } else { None } {
                Some((head, len)) => self.head_arrived(head, len),
                None => match self.next_reply() {
                    Some(result) => result,
                    None => return,
                },
            };
            if let Err(error) = result {
                self.stream = Stream::Poisoned(error);
                return;
            }
            // Nearly always one read brings one reply.
            if self.framer.is_drained() {
                return;
            }
        }
    }

    /// Takes note that the peer has closed its half: whatever has no reply by now fails with
    /// [`Error::Closed`](crate::Error::Closed). Afterwards poll the tickets.
    pub fn received_eof(&mut self) {
        if self.is_ended() {
            return;
        }
        let written = self.transmit.written();
        if let Some((_, slot)) = self.slots.next_pending() {
            if slot.kind == Some(Kind::Quit) && slot.end <= written {
                slot.state = State::Answered(Reply::Closed);
            }
        }
        self.stream = Stream::Ended;
    }

    /// Takes note that the transport has failed: whatever has no reply by now fails with
    /// [`Error::Closed`](crate::Error::Closed). Afterwards poll the tickets.
    pub fn abort(&mut self) {
        if !self.is_ended() {
            self.stream = Stream::Ended;
        }
    }

    /// Deals with one complete reply, if there is one, that is not a line of the protocol in one piece.
    #[inline(never)]
    fn next_reply(&mut self) -> Option<Result<(), ProtocolError>> {
        if self.arriving.is_some() {
            return self.body_arrived();
        }
        if self.framer.unread().is_empty() {
            return None;
        }
        let Some(len) = self.framer.find_line().filter(|&len| len <= MAX_LINE) else {
            let unread = self.framer.unread();
            return (unread.len() >= MAX_LINE).then(|| Err(crate::reply::line_too_long(unread)));
        };
        match Head::parse_complete(self.framer.unread().get(..len).unwrap_or_default()) {
            Ok(Some(head)) => Some(self.head_arrived_closely(head, len)),
            Ok(None) => Some(self.other_arrived(len)),
            Err(error) => Some(self.malformed(error, len)),
        }
    }

    /// A word of the protocol with bad arguments: fine only for a request that uses the word in its own way.
    fn malformed(&mut self, error: ProtocolError, len: usize) -> Result<(), ProtocolError> {
        let line = self.framer.unread().get(..len.saturating_sub(2)).unwrap_or_default();
        let word = word_of(line);
        match self.slots.next_pending() {
            Some((_, slot)) if slot.other().own_word(word).is_some() => self.other_arrived(len),
            _ => Err(error),
        }
    }

    /// Checks a line of the protocol against the slot whose turn it is, and either answers it or waits for the body.
    #[inline(always)]
    fn head_arrived(&mut self, head: Head, len: usize) -> Result<(), ProtocolError> {
        let Some((_, slot)) = self.slots.next_pending() else { return self.other_arrived(len) };
        // All checks for nearly every reply that has no body.
        if matches!(slot.state, State::Waiting) && slot.direct.contains(head.kind) {
            mem::forget(mem::replace(&mut slot.state, State::Plain(head)));
            self.framer.consume(len);
            return Ok(());
        }
        self.head_arrived_closely(head, len)
    }

    /// As [`Connection::head_arrived`], with every check there is.
    #[inline(never)]
    fn head_arrived_closely(&mut self, head: Head, len: usize) -> Result<(), ProtocolError> {
        let line = self.framer.unread().get(..len.saturating_sub(2)).unwrap_or_default();
        let Some((_, slot)) = self.slots.next_pending() else { return self.other_arrived(len) };
        // A request may use a word of the protocol in its own way, unless it allows the protocol's too.
        let own = || slot.other().own_word(head.kind.word().as_bytes()).is_some();
        if !slot.replies.contains(head.kind) && own() {
            return self.other_arrived(len);
        }
        check(slot, &head, line)?;
        if head.kind.has_body() {
            self.body_begins(Shape::Known(head), head.bytes, len);
            return Ok(());
        }
        let reply = head.into_reply(name_in(line), Vec::new());
        self.framer.consume(len);
        self.answer(reply);
        Ok(())
    }

    /// Checks a line whose word is not of the protocol, or is used in the request's own way.
    #[cold]
    fn other_arrived(&mut self, len: usize) -> Result<(), ProtocolError> {
        let line = self.framer.unread().get(..len.saturating_sub(2)).unwrap_or_default();
        let Some((_, slot)) = self.slots.next_pending() else {
            return Err(ProtocolError::Unsolicited { line: Excerpt::new(line) });
        };
        let Some(has_body) = slot.other().shape_of(word_of(line)) else {
            return Err(ProtocolError::WrongReply { command: slot.command(), line: Excerpt::new(line) });
        };
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
        let untaken = (self.untaken as u64).saturating_add(bytes);
        match () {
            () if bytes > limits.reply_body as u64 => Some(limits.reply_body),
            () if self.untaken > 0 && untaken > limits.untaken_replies as u64 => Some(limits.untaken_replies),
            () => None,
        }
    }

    fn body_arrived(&mut self) -> Option<Result<(), ProtocolError>> {
        let whole = self.framer.poll_body()?;
        let Arriving { shape, bytes, over } = self.arriving.take()?;
        let (_, slot) = self.slots.next_pending()?;
        if !whole.trailer_ok {
            return Some(Err(ProtocolError::MissingCrlf { command: slot.command(), bytes }));
        }
        if let Some(limit) = over {
            let too_big = TooBig { id: shape.id(), reserved: shape.is_reserved(), bytes, limit };
            self.answer_too_big(too_big);
            return Some(Ok(()));
        }
        let reply = match shape {
            Shape::Known(head) => head.into_reply(&[], whole.bytes),
            Shape::Other(line) => Reply::Other(OtherReply::from_wire(line, Some(whole.bytes))),
        };
        self.answer(reply);
        Some(Ok(()))
    }

    /// Gives the slot whose turn it is its reply.
    #[inline]
    fn answer(&mut self, reply: Reply) {
        let Some((seq, slot)) = self.slots.next_pending() else { return };
        if matches!(slot.state, State::Waiting) && !slot.abandoned && slot.adopted().is_none() {
            self.untaken = self.untaken.saturating_add(reply.body().map_or(0, <[u8]>::len));
            slot.state = State::Answered(reply);
            return;
        }
        self.answer_left(seq, reply);
    }

    /// Gives a slot its reply whose caller went away, or that stands for more than its own request.
    #[cold]
    fn answer_left(&mut self, seq: u64, reply: Reply) {
        let Some(slot) = self.slots.get_mut(seq) else { return };
        let abandoned = slot.abandoned;
        if let State::Confirming(_) = slot.state {
            return self.confirmed(seq, abandoned, reply);
        }
        if let (Some(adopted), Reply::TimedOut, Stream::Open) = (slot.adopted(), &reply, &self.stream) {
            let wait = adopted.wait;
            return self.go_on(seq, wait);
        }
        if !abandoned {
            self.untaken = self.untaken.saturating_add(reply.body().map_or(0, <[u8]>::len));
            slot.state = State::Answered(reply);
            return;
        }
        if let Reply::Reserved(job) = reply {
            self.untaken = self.untaken.saturating_add(job.body.len());
            self.parked.push_back(Parked::Job(job));
        }
        self.slots.free(seq);
    }

    fn answer_too_big(&mut self, too_big: TooBig) {
        let Some((seq, slot)) = self.slots.next_pending() else { return };
        if !slot.abandoned {
            slot.state = State::TooBig(too_big);
            return;
        }
        if too_big.reserved {
            self.parked.push_back(Parked::TooBig(too_big));
        }
        self.slots.free(seq);
    }

    /// The `touch` of a parked job was answered: the job is still ours, or it is not and the reserve begins.
    fn confirmed(&mut self, seq: u64, abandoned: bool, reply: Reply) {
        let Some(slot) = self.slots.get_mut(seq) else { return };
        let wait = slot.wait;
        let State::Confirming(job) = mem::replace(&mut slot.state, State::Free) else { return };
        match reply {
            Reply::NotFound => {
                self.untaken = self.untaken.saturating_sub(job.body.len());
                match (&self.stream, abandoned) {
                    (_, true) => self.slots.free(seq),
                    (Stream::Open, false) => self.go_on(seq, wait),
                    _ => slot.state = State::Answered(Reply::TimedOut),
                }
            }
            Reply::Touched if !abandoned => slot.state = State::Answered(Reply::Reserved(*job)),
            // Nobody waits, or the server has trouble of its own: keep the job for the next reserve.
            reply => {
                self.parked.push_back(Parked::Job(*job));
                match abandoned {
                    true => self.slots.free(seq),
                    false => slot.state = State::Answered(reply),
                }
            }
        }
    }

    /// Continues a reserve that somebody waits for in a slot of its own.
    fn go_on(&mut self, seq: u64, wait: Wait) {
        let next = self.reserve_afresh(wait);
        if let (Ok(next), Some(slot)) = (next, self.slots.get_mut(seq)) {
            slot.state = State::Moved(next);
        }
    }
}

/// Whether this line may answer this request.
fn check(slot: &Slot, head: &Head, line: &[u8]) -> Result<(), ProtocolError> {
    let confirming = matches!(slot.state, State::Confirming(_));
    let (replies, command) = match confirming {
        true => (Kind::Touch.replies(), Kind::Touch.word()),
        false => (slot.replies, slot.command()),
    };
    if !replies.contains(head.kind) || slot.kind == Some(Kind::Quit) {
        return Err(ProtocolError::WrongReply { command, line: Excerpt::new(line) });
    }
    let tube = || slot.rare.as_ref().and_then(|rare| rare.tube.as_ref());
    let same = match head.kind {
        ReplyKind::Found | ReplyKind::Reserved => slot.id.is_none_or(|id| id.0 == head.number),
        ReplyKind::Using => tube().is_none_or(|tube| line.strip_prefix(b"USING ") == Some(tube.as_bytes())),
        _ => true,
    };
    match same {
        false => Err(ProtocolError::WrongEcho { command, line: Excerpt::new(line) }),
        true if slot.has_body => check_framing(slot.command(), head.kind),
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

fn word_of(line: &[u8]) -> &[u8] {
    line.split(|&byte| byte == b' ').next().unwrap_or_default()
}

/// The number that ends a line: a body's length.
fn last_number(line: &[u8]) -> Option<u64> {
    let mut words = line.rsplitn(2, |&byte| byte == b' ');
    let last = words.next()?;
    words.next()?;
    scan::number(last).filter(|&bytes| bytes <= scan::MAX_LENGTH)
}
