//! Taking off the queue what was written.

use alloc::vec::Vec;
use core::mem;

use super::{COMPACT_FROM, KEPT, Place, Transmit};

impl Transmit {
    /// Takes `n` written bytes off the front.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        if n < self.queued {
            self.advance_within(n);
        } else {
            self.advance_all();
        }
    }

    /// Takes everything off.
    #[inline(always)]
    pub(crate) fn advance_all(&mut self) {
        self.queued = 0;
        self.filled = 0;
        self.joined_sent = 0;
        if mem::take(&mut self.place) == Place::LineAndBody {
            self.pending = Vec::new();
            self.moved_sent = 0;
        }
        if !self.moved.is_empty() || self.joined.len() > KEPT {
            self.release();
        }
    }

    /// Gives back the memory of what was written.
    #[cold]
    pub(super) fn release(&mut self) {
        while let Some(body) = self.moved.pop_front() {
            drop(body);
        }
        self.moved_sent = 0;
        self.joined.truncate(KEPT);
        self.joined.shrink_to(KEPT);
    }

    /// Drops the first large body, which was written.
    fn drop_moved(&mut self) {
        self.moved_sent = 0;
        if self.place == Place::LineAndBody {
            self.pending = Vec::new();
            self.place = Place::Line;
        } else {
            self.moved.pop_front();
        }
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
                    self.drop_moved();
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
