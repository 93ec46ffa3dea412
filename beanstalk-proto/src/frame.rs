//! Lines and bodies out of a stream of bytes, in both roles.
//!
//! ```text
//!            ┌──────────── line ────────────┐
//!            │                              ▼
//!   received ┤ (scratch: lines, small bodies)  ── start_body ──▶ keep    ──▶ Vec + trailer
//!            │                                                └▶ discard ──▶ trailer
//!            └───────────── a large body's own Vec ◀── receive_buf lends its tail
//! ```
//!
//! The scratch is small until a read fills it, and again after many small reads, so that an idle connection costs little. A body that
//! is kept and does not lie in the scratch whole gets an allocation of its own, whose tail is lent to the transport, so that the kernel
//! writes the bytes where they stay.

use alloc::{vec, vec::Vec};
use core::{iter, mem};

use crate::scan::LineSearch;

/// The longest that the room for lines and small bodies gets.
const SCRATCH: usize = 8 * 1024;
/// Its length at first: a line fits.
const FIRST: usize = 256;
/// So many small reads in a row make it that short again.
const SELDOM: u8 = 64;
/// Stands for a read that has filled the scratch.
const FULL: u8 = u8::MAX;
/// How far the memory for a body may run ahead of what has arrived; once more than this has, by as much again.
const AHEAD: usize = 64 * 1024;
/// CR LF.
const TRAILER: usize = 2;

/// What lies behind a body where CR LF should.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// The body; empty if it was discarded.
    pub(crate) bytes: Vec<u8>,
    /// Whether CR LF followed it.
    pub(crate) trailer_ok: bool,
}

/// A body on its way in.
#[derive(Debug)]
struct Incoming {
    /// The body and its CR LF as far as they have arrived, and some zeros after that.
    bytes: Vec<u8>,
    /// How much has arrived.
    filled: u64,
    /// How much will have, CR LF included.
    total: u64,
    keep: bool,
    /// The last two bytes seen of a body that is discarded.
    trailer: [u8; TRAILER],
}

/// The receiving half of a connection.
#[derive(Debug)]
pub(crate) struct Framer {
    scratch: Vec<u8>,
    /// Where in the scratch the bytes start that were not used yet.
    start: usize,
    end: usize,
    /// How much room was lent for the next read.
    lent: usize,
    /// How many reads in a row would not have filled the shortest scratch; `FULL` after one that has filled this.
    small: u8,
    search: LineSearch,
    incoming: Option<Incoming>,
}

impl Default for Framer {
    fn default() -> Self {
        let scratch = vec![0; FIRST];
        Self { scratch, start: 0, end: 0, lent: 0, small: 0, search: LineSearch::default(), incoming: None }
    }
}

impl Framer {
    /// Where the next bytes of the stream go; empty only if as much lies here unused as ever may.
    #[inline]
    pub(crate) fn receive_buf(&mut self) -> &mut [u8] {
        if self.start > 0 || self.small >= SELDOM || self.incoming.is_some() {
            return self.receive_buf_closely();
        }
        let room = self.scratch.get_mut(self.end..).unwrap_or_default();
        self.lent = room.len();
        room
    }

    #[inline(never)]
    fn receive_buf_closely(&mut self) -> &mut [u8] {
        if self.lends_body() {
            let room = self.incoming.as_mut().map(Incoming::tail).unwrap_or_default();
            self.lent = room.len();
            return room;
        }
        if self.start > 0 {
            self.scratch.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
        }
        match self.small {
            FULL => {
                self.scratch.resize(self.scratch.len().saturating_mul(4).min(SCRATCH), 0);
                self.small = 0;
            }
            SELDOM.. if self.end == 0 => {
                self.scratch = vec![0; FIRST];
                self.small = 0;
            }
            _ => {}
        }
        self.lent = self.scratch.len().saturating_sub(self.end);
        self.scratch.get_mut(self.end..).unwrap_or_default()
    }

    /// Copies to where the next bytes of the stream go, as much as there is room for, and returns how much that was.
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> usize {
        iter::zip(self.receive_buf(), bytes).map(|(to, from)| *to = *from).count()
    }

    /// Takes note of `n` bytes that were written to what [`Framer::receive_buf`] has lent last. `false` if it has lent less, or
    /// this was reported already; then nothing has happened.
    #[inline]
    #[must_use]
    pub(crate) fn received(&mut self, n: usize) -> bool {
        let room = mem::take(&mut self.lent);
        if n > room {
            return false;
        }
        let lends_body = self.lends_body();
        match &mut self.incoming {
            Some(body) if lends_body => body.arrived(n),
            _ => {
                self.end = self.end.wrapping_add(n);
                if n == room || self.scratch.len() > FIRST {
                    self.filled(n == room);
                }
            }
        }
        true
    }

    /// Whether the next bytes go to where the body stays: some are missing, and none lies in the scratch before them.
    #[inline]
    fn lends_body(&self) -> bool {
        let missing = self.incoming.as_ref().is_some_and(|body| body.keep && body.filled < body.total);
        missing && self.start == self.end
    }

    /// Takes note of a read that has filled the scratch, or has not although it has grown.
    #[cold]
    fn filled(&mut self, full: bool) {
        self.small = match full {
            true if self.scratch.len() < SCRATCH => FULL,
            false if self.end < FIRST => self.small.saturating_add(1).min(SELDOM),
            _ => 0,
        };
    }

    /// Whether there is no room for more.
    pub(crate) fn is_full(&self) -> bool {
        self.end.saturating_sub(self.start) >= SCRATCH
    }

    /// Bytes that have arrived and were not used yet, from the start of a line.
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        match self.scratch.get(..self.end) {
            // Nearly always nothing before it waits to be moved out of the way.
            Some(all) if self.start == 0 => all,
            Some(all) => all.get(self.start..).unwrap_or_default(),
            None => &[],
        }
    }

    /// Whether a body is on its way, rather than a line.
    #[inline]
    pub(crate) const fn is_in_body(&self) -> bool {
        self.incoming.is_some()
    }

    /// Whether everything that has arrived was used, and a line comes next.
    #[inline]
    pub(crate) const fn is_drained(&self) -> bool {
        self.start == self.end && self.incoming.is_none()
    }

    /// Whether the search for this line's end has begun, so that parsing it in one pass was tried already.
    #[inline]
    pub(crate) const fn is_searching(&self) -> bool {
        self.search.is_resuming()
    }

    /// The length with CRLF of the line at the front, if its end has arrived.
    pub(crate) fn find_line(&mut self) -> Option<usize> {
        let unread = self.scratch.get(self.start..self.end)?;
        self.search.find(unread).map(|len| len.saturating_add(TRAILER))
    }

    /// Uses up bytes of the scratch, and returns whether that was all of it.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) -> bool {
        self.search = LineSearch::default();
        let all = n >= self.end.wrapping_sub(self.start);
        if all {
            self.start = 0;
            self.end = 0;
        } else {
            self.start = self.start.wrapping_add(n);
        }
        all
    }

    /// Begins a body of this length, to be kept or thrown away as it arrives.
    pub(crate) fn start_body(&mut self, len: u64, keep: bool) {
        let total = len.saturating_add(TRAILER as u64);
        self.incoming = Some(Incoming { bytes: Vec::new(), filled: 0, total, keep, trailer: [0; TRAILER] });
    }

    /// The body, once it has arrived whole.
    pub(crate) fn poll_body(&mut self) -> Option<Whole> {
        let body = self.incoming.as_mut()?;
        let unread = self.scratch.get(self.start..self.end).unwrap_or_default();
        let wanted = usize::try_from(body.total.saturating_sub(body.filled)).unwrap_or(usize::MAX);
        let taken = unread.get(..wanted).unwrap_or(unread);
        if !taken.is_empty() {
            body.take(taken);
            let n = taken.len();
            self.consume(n);
        }
        self.incoming.take_if(|body| body.filled == body.total).map(Incoming::finish)
    }
}

impl Incoming {
    /// Takes bytes that arrived in the scratch.
    fn take(&mut self, bytes: &[u8]) {
        if self.keep {
            let whole = bytes.len() as u64 == self.total;
            // A small body that lies in the scratch whole is copied without its CR LF, at its exact size.
            let kept = if whole { bytes.get(..bytes.len().saturating_sub(TRAILER)).unwrap_or(bytes) } else { bytes };
            if self.bytes.capacity() == 0 {
                self.bytes.reserve_exact(if whole { kept.len() } else { self.target() });
            }
            self.bytes.truncate(usize::try_from(self.filled).unwrap_or(usize::MAX));
            self.bytes.extend_from_slice(kept);
        }
        self.filled = self.filled.saturating_add(bytes.len() as u64);
        match bytes {
            [.., before, last] => self.trailer = [*before, *last],
            [last] => self.trailer = [self.trailer[1], *last],
            [] => {}
        }
    }

    /// How long the allocation should be by now: all of it, or as far ahead as is allowed.
    fn target(&self) -> usize {
        let ahead = self.filled.saturating_add(AHEAD as u64);
        usize::try_from(self.total.min(ahead)).unwrap_or(usize::MAX)
    }

    /// The room behind what has arrived, for the transport to fill.
    fn tail(&mut self) -> &mut [u8] {
        let filled = usize::try_from(self.filled).unwrap_or(usize::MAX);
        if self.bytes.len() <= filled {
            let target = self.target();
            if target > self.bytes.capacity() {
                let total = usize::try_from(self.total).unwrap_or(usize::MAX);
                let capacity = filled.saturating_mul(2).max(target).min(total);
                self.bytes.reserve_exact(capacity.saturating_sub(self.bytes.len()));
            }
            self.bytes.resize(target, 0);
        }
        self.bytes.get_mut(filled..).unwrap_or_default()
    }

    fn arrived(&mut self, n: usize) {
        let room = (self.bytes.len() as u64).saturating_sub(self.filled);
        self.filled = self.filled.saturating_add((n as u64).min(room));
    }

    fn finish(mut self) -> Whole {
        if !self.keep || (self.bytes.len() as u64) < self.total {
            return Whole { bytes: self.bytes, trailer_ok: self.trailer == *b"\r\n" };
        }
        let trailer_ok = self.bytes.ends_with(b"\r\n");
        self.bytes.truncate(self.bytes.len().saturating_sub(TRAILER));
        Whole { bytes: self.bytes, trailer_ok }
    }
}

#[cfg(test)]
mod tests;
