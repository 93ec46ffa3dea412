//! The outbound queue: lines and small bodies joined in one buffer, large bodies moved in and never copied.

mod segments;
mod written;

pub use segments::Segments;

use alloc::{collections::VecDeque, vec::Vec};
use core::{iter, mem};

use crate::types::Body;

/// CR LF.
const LINE_END: usize = 2;
/// An owned body of at least this many bytes is written from its own allocation.
const MOVED_FROM: usize = 4096;
/// The buffer's first size.
const FIRST: usize = 1024;
/// A buffer that was written is kept for the next request unless it has grown beyond this.
const KEPT: usize = 1024 * 1024;
/// So many times in a row it must have been needed for little, or not at all, before it is given back.
const SELDOM: u8 = 64;
/// Written bytes at the start of the buffer are dropped once there are so many.
const COMPACT_FROM: usize = 16 * 1024;

/// Room for a line, for the number behind which it turns out to be too long, and for a small body.
#[derive(Debug)]
pub(crate) struct Line(pub(crate) [u8; Line::LEN]);

impl Line {
    pub(crate) const LEN: usize = 512;
}

impl Default for Line {
    fn default() -> Self {
        Self([0; Self::LEN])
    }
}

/// What the queue's lines and small bodies are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// The buffer that all are joined in.
    #[default]
    Joined,
    /// Still where it was made: it is one small request.
    Line,
    /// Still where it was made: it is one request with a large body, which is pending still and comes before the last line end.
    LineAndBody,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Transmit {
    /// Where a request writes its line: of a fixed size, so that checking its bounds costs next to nothing.
    pub(crate) line: Line,
    /// Where what waits lies but for large bodies: `filled` and `joined_sent` count there.
    place: Place,
    /// Lines, small bodies and the CRLFs behind large ones, as far as `filled`; behind that, room.
    joined: Vec<u8>,
    /// Where the room begins.
    filled: usize,
    /// How much of `joined` was written.
    joined_sent: usize,
    /// A large body that is only to be queued once its request is whole, or that of the request in the line.
    pub(crate) pending: Vec<u8>,
    /// Large bodies, each with its place in `joined`.
    moved: VecDeque<Moved>,
    /// How much of the first large body was written.
    moved_sent: usize,
    /// Bytes that wait.
    queued: usize,
    /// Bytes that were [taken](Transmit::take) and not reported as written.
    taken: usize,
    /// How often in a row the buffer was needed for little.
    seldom: u8,
    /// Bytes ever queued, and so the place in the stream where the next request starts.
    total: u64,
}

#[derive(Debug)]
struct Moved {
    at: usize,
    bytes: Vec<u8>,
}

impl Transmit {
    /// Bytes that wait to be written.
    pub(crate) const fn queued(&self) -> usize {
        self.queued
    }

    /// Where in the stream of all bytes the last request queued ends.
    pub(crate) const fn end(&self) -> u64 {
        self.total
    }

    /// How many bytes of the stream may be on their way.
    #[inline]
    pub(crate) const fn handed_out(&self) -> u64 {
        self.total.wrapping_sub(self.queued as u64)
    }

    /// How many bytes of the stream were written.
    #[inline]
    pub(crate) const fn written(&self) -> u64 {
        self.handed_out().wrapping_sub(self.taken as u64)
    }

    /// How many bytes were queued and not written, including those that were taken.
    pub(crate) const fn unwritten(&self) -> usize {
        self.queued.wrapping_add(self.taken)
    }

    /// How many bytes may be reported as written now.
    pub(crate) const fn due(&self) -> usize {
        if self.taken > 0 { self.taken } else { self.queued }
    }

    /// Sees to it that there is room for so many bytes.
    #[inline]
    pub(crate) fn reserve(&mut self, bytes: usize) {
        // What is queued is in memory, so that counting it cannot overflow; the same goes for the sums below.
        if self.joined.len().wrapping_sub(self.filled) < bytes {
            self.grow(self.filled.saturating_add(bytes));
        }
    }

    #[cold]
    fn grow(&mut self, end: usize) {
        self.joined.resize(end.max(self.joined.len().saturating_mul(2)).max(FIRST), 0);
    }

    /// Sees to it that a request can be written to the line.
    #[inline(always)]
    pub(crate) fn free_line(&mut self) {
        if self.place != Place::Joined {
            self.leave_line();
        }
    }

    /// Moves what waits in the line to the buffer, as something is to follow.
    #[inline(never)]
    fn leave_line(&mut self) {
        let len = mem::take(&mut self.filled);
        if mem::take(&mut self.place) == Place::LineAndBody {
            self.push_pending(len);
        }
        self.reserve(len);
        iter::zip(&mut self.joined, self.line.0.iter().take(len)).for_each(|(to, from)| *to = *from);
        self.filled = len;
    }

    /// Queues the first `len` bytes of the line. If nothing else waits, they are written from there.
    #[inline(always)]
    pub(crate) fn commit_line(&mut self, len: usize) {
        if self.queued == 0 {
            self.place = Place::Line;
            self.filled = len;
            self.count(len);
        } else {
            self.join_line(len);
        }
    }

    #[inline(never)]
    fn join_line(&mut self, len: usize) {
        /// Nearly every line fits in these; to copy so many takes no loop and no call.
        const SHORT: usize = 32;
        self.reserve(len.max(SHORT));
        let room = self.joined.get_mut(self.filled..).unwrap_or_default();
        match (self.line.0.first_chunk::<SHORT>(), room.first_chunk_mut::<SHORT>()) {
            (Some(line), Some(room)) if len <= SHORT => *room = *line,
            _ => iter::zip(room, self.line.0.iter().take(len)).for_each(|(to, from)| *to = *from),
        }
        self.commit(len);
    }

    /// What the buffer holds, or the line that stands for it.
    #[inline(always)]
    fn buffer(&self) -> &[u8] {
        if self.place == Place::Joined { &self.joined } else { &self.line.0 }
    }

    /// Queues the first `len` bytes of the room.
    #[inline]
    pub(crate) fn commit(&mut self, len: usize) {
        self.filled = self.filled.wrapping_add(len);
        self.count(len);
    }

    /// Takes a body for which there is no room on the line, of which `len` bytes were written: copies it to the room of the buffer,
    /// behind the line, or lets it move. Returns whether it moves, and the request's length without it.
    #[inline(always)]
    pub(crate) fn take_body(&mut self, len: usize, body: Body<'_>) -> (bool, usize) {
        match body {
            Body::Owned(bytes) if bytes.len() >= MOVED_FROM => {
                if let Some(ends) = self.line.0.get_mut(len..).and_then(<[u8]>::first_chunk_mut) {
                    *ends = *b"\r\n\r\n";
                }
                self.pending = bytes;
                (true, len.wrapping_add(4))
            }
            body => (false, self.join_body(len, &body)),
        }
    }

    #[inline(never)]
    fn join_body(&mut self, len: usize, body: &[u8]) -> usize {
        let body_at = len.saturating_add(2);
        let body_end = body_at.saturating_add(body.len());
        let end = body_end.saturating_add(2);
        self.reserve(end);
        let Self { line: Line(line), joined, filled, .. } = &mut *self;
        let room = joined.get_mut(*filled..).unwrap_or_default();
        let line = line.get(..len).unwrap_or_default();
        for (at, piece) in [(0, line), (len, b"\r\n"), (body_at, body), (body_end, b"\r\n")] {
            if let Some(place) = room.get_mut(at..).and_then(|room| room.get_mut(..piece.len())) {
                place.copy_from_slice(piece);
            }
        }
        end
    }

    /// Queues the first `len` bytes of the line, and before the last line end of these the body that is pending.
    #[inline(always)]
    pub(crate) fn commit_moved(&mut self, len: usize) {
        if self.queued == 0 {
            self.place = Place::LineAndBody;
            self.filled = len;
            self.count(len.wrapping_add(self.pending.len()));
        } else {
            self.join_moved(len);
        }
    }

    #[inline(never)]
    fn join_moved(&mut self, len: usize) {
        self.count(self.pending.len());
        self.push_pending(len);
        self.join_line(len);
    }

    /// Lets the body that is pending move to its place before the last line end of so many bytes.
    fn push_pending(&mut self, len: usize) {
        let at = self.filled.saturating_add(len).saturating_sub(LINE_END);
        self.moved.push_back(Moved { at, bytes: mem::take(&mut self.pending) });
    }

    /// Gives up the body of a request that was refused, and what was made room for it.
    pub(crate) fn drop_pending(&mut self) {
        self.pending = Vec::new();
        if self.queued == 0 && self.joined.len() > KEPT {
            self.release(KEPT);
        }
    }

    /// Queues bytes.
    pub(crate) fn push_line(&mut self, line: &[u8]) {
        self.reserve(line.len());
        if let Some(room) = self.joined.get_mut(self.filled..).and_then(|room| room.get_mut(..line.len())) {
            room.copy_from_slice(line);
        }
        self.commit(line.len());
    }

    /// Queues a body and its CRLF.
    pub(crate) fn push_body(&mut self, bytes: Vec<u8>) {
        if bytes.len() < MOVED_FROM {
            self.push_line(&bytes);
        } else {
            self.count(bytes.len());
            self.moved.push_back(Moved { at: self.filled, bytes });
        }
        self.push_line(b"\r\n");
    }

    #[inline]
    fn count(&mut self, bytes: usize) {
        self.queued = self.queued.wrapping_add(bytes);
        self.total = self.total.wrapping_add(bytes as u64);
    }

    /// What waits, in order, as few pieces as there are.
    #[inline]
    pub(crate) fn segments(&self) -> Segments<'_> {
        Segments::of(self)
    }

    /// A large body, counted from the first, and its place among everything else.
    #[inline]
    fn moved(&self, index: usize) -> Option<(usize, &[u8])> {
        match (self.place, index) {
            (Place::LineAndBody, 0) => Some((self.filled.saturating_sub(LINE_END), &self.pending)),
            _ => self.moved.get(index).map(|body| (body.at, &body.bytes[..])),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "a test asserts what it counts on")]

    use alloc::vec;

    use super::*;

    #[test]
    fn a_burst_that_was_written_out_does_not_stay_in_memory() {
        let mut queue = Transmit::default();
        for _ in 0..2000 {
            queue.push_body(vec![0; 4000]);
        }
        assert!(queue.joined.capacity() > 4 * KEPT);
        assert!(queue.advance(queue.queued()));
        assert!(queue.joined.capacity() <= KEPT);
    }

    #[test]
    fn what_was_refused_does_not_stay_in_memory() {
        let mut queue = Transmit::default();
        queue.take_body(0, Body::Borrowed(&[0; 4 * KEPT]));
        assert!(queue.joined.capacity() >= 4 * KEPT);
        queue.drop_pending();
        assert!(queue.joined.capacity() <= KEPT);
    }

    #[test]
    fn what_was_written_leaves_the_buffer_although_it_never_empties() {
        let mut queue = Transmit::default();
        queue.push_line(&[0; 100]);
        for _ in 0..100_000 {
            queue.push_line(&[0; 100]);
            assert!(queue.advance(100));
        }
        assert!(queue.joined.capacity() <= 8 * COMPACT_FROM);
        assert_eq!((queue.queued(), queue.end(), queue.written()), (100, 10_000_100, 10_000_000));
    }

    #[test]
    fn a_buffer_that_little_is_written_to_is_given_back() {
        let mut queue = Transmit::default();
        queue.push_line(&[0; 100_000]);
        assert!(queue.advance(100_000));
        for _ in 0..SELDOM {
            assert!(queue.joined.capacity() >= 100_000, "it may be needed again");
            queue.push_line(&[0; 10]);
            assert!(queue.advance(10));
        }
        assert!(queue.joined.capacity() <= FIRST);
    }

    #[test]
    fn what_is_taken_counts_as_possibly_sent_and_is_written_only_once_that_is_reported() {
        let mut queue = Transmit::default();
        queue.push_line(b"put 0 0 60 5000\r\n");
        queue.push_body(vec![b'x'; 5000]);
        queue.push_line(b"delete 1\r\n");
        assert!(queue.advance(3));
        let pieces: Vec<_> = iter::from_fn(|| queue.take()).collect();
        assert_eq!(pieces, [b" 0 0 60 5000\r\n".to_vec(), vec![b'x'; 5000], b"\r\ndelete 1\r\n".to_vec()]);
        assert_eq!((queue.queued(), queue.handed_out(), queue.written()), (0, queue.end(), 3));
        queue.push_line(b"late");
        assert!(!queue.advance(6000), "more than was taken");
        assert!(queue.advance(5000) && queue.advance(26));
        assert_eq!((queue.written(), queue.queued()), (queue.end() - 4, 4));
        assert!(queue.advance(4) && !queue.advance(1));
    }
}
