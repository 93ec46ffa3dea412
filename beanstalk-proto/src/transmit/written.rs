//! Taking off the queue what was written.

use alloc::vec::Vec;
use core::mem;

use super::{COMPACT_FROM, FIRST, KEPT, Place, SELDOM, Transmit};

impl Transmit {
    /// Takes `n` written bytes off the front, or off what was taken. `false` if there are not so many; then nothing has happened.
    #[inline]
    #[must_use]
    pub(crate) fn advance(&mut self, n: usize) -> bool {
        if self.taken > 0 {
            return self.advance_taken(n);
        }
        match n {
            n if n > self.queued => return false,
            n if n == self.queued => self.advance_all(),
            n => self.advance_within(n),
        }
        true
    }

    #[cold]
    fn advance_taken(&mut self, n: usize) -> bool {
        let left = self.taken.checked_sub(n);
        self.taken = left.unwrap_or(self.taken);
        left.is_some()
    }

    /// Gives the first piece away: a large body in its own allocation, or what lies before or behind one.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let is_body = self.moved(0).is_some_and(|(at, _)| at == self.joined_sent);
        let bytes = match (is_body, self.moved_sent) {
            (true, 0) => self.drop_moved(),
            _ => {
                let bytes = self.segments().next()?.to_vec();
                match is_body {
                    true => drop(self.drop_moved()),
                    false => self.joined_sent = self.joined_sent.saturating_add(bytes.len()),
                }
                bytes
            }
        };
        self.queued = self.queued.saturating_sub(bytes.len());
        self.taken = self.taken.saturating_add(bytes.len());
        if self.queued == 0 {
            self.advance_all();
        }
        Some(bytes)
    }

    /// Takes everything off.
    #[inline(always)]
    fn advance_all(&mut self) {
        let used = if self.place == Place::Joined { self.filled } else { 0 };
        self.queued = 0;
        self.filled = 0;
        self.joined_sent = 0;
        if mem::take(&mut self.place) == Place::LineAndBody {
            self.pending = Vec::new();
            self.moved_sent = 0;
        }
        if !self.moved.is_empty() || self.joined.len() > FIRST {
            self.tidy(used);
        }
    }

    /// Gives back the memory of what was written, and the buffer's if it is longer than what it is needed for.
    #[cold]
    fn tidy(&mut self, used: usize) {
        self.seldom = if used > self.joined.len() / 4 { 0 } else { self.seldom.saturating_add(1) };
        self.release(if self.seldom < SELDOM { KEPT } else { FIRST });
    }

    /// Gives back the memory of large bodies that were written, and of the buffer what is over this length.
    pub(super) fn release(&mut self, kept: usize) {
        self.moved.clear();
        self.moved_sent = 0;
        self.joined.truncate(kept);
        self.joined.shrink_to(kept);
    }

    /// Takes the first large body off.
    fn drop_moved(&mut self) -> Vec<u8> {
        self.moved_sent = 0;
        if self.place == Place::LineAndBody {
            self.place = Place::Line;
            return mem::take(&mut self.pending);
        }
        self.moved.pop_front().map(|body| body.bytes).unwrap_or_default()
    }

    fn advance_within(&mut self, mut n: usize) {
        self.queued = self.queued.saturating_sub(n);
        while n > 0 {
            let body = self.moved(0).map(|(at, bytes)| (at, bytes.len()));
            let until = body.map_or(self.filled, |(at, _)| at);
            let joined = until.saturating_sub(self.joined_sent).min(n);
            self.joined_sent = self.joined_sent.saturating_add(joined);
            n = n.saturating_sub(joined);
            if let (true, Some((_, len))) = (self.joined_sent == until, body) {
                let left = len.saturating_sub(self.moved_sent);
                let taken = left.min(n);
                n = n.saturating_sub(taken);
                self.moved_sent = self.moved_sent.saturating_add(taken);
                if taken == left {
                    drop(self.drop_moved());
                }
            }
        }
        if self.joined_sent >= COMPACT_FROM && self.joined_sent > self.filled / 2 {
            self.joined.copy_within(self.joined_sent..self.filled, 0);
            for body in &mut self.moved {
                body.at = body.at.saturating_sub(self.joined_sent);
            }
            self.filled = self.filled.saturating_sub(self.joined_sent);
            self.joined_sent = 0;
        }
    }
}
