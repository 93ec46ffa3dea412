//! What waits to be written, piece by piece.

use super::Transmit;

/// The pieces of an outbound queue, in order; none is empty.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    queue: &'a Transmit,
    joined_at: usize,
    moved_at: usize,
    moved_skip: usize,
}

impl<'a> Segments<'a> {
    #[inline]
    pub(super) fn of(queue: &'a Transmit) -> Self {
        Self { queue, joined_at: queue.joined_sent, moved_at: 0, moved_skip: queue.moved_sent }
    }

    /// What is left, if it is in one piece: what is written need not be gathered then. Nothing at all is an empty piece.
    #[must_use]
    #[inline]
    pub fn single(&self) -> Option<&'a [u8]> {
        let queue = self.queue;
        if queue.moved(0).is_none() { queue.buffer().get(self.joined_at..queue.filled) } else { None }
    }

    /// What is left, if it is one request with a large body and nothing of it was taken: its line, the body, and the line end. For a
    /// vectored write that is quicker than to gather an unknown number of pieces.
    #[must_use]
    #[inline]
    pub fn line_and_body(&self) -> Option<[&'a [u8]; 3]> {
        if self.joined_at == 0 { self.queue.line_and_body() } else { None }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let body = self.queue.moved(self.moved_at);
        let until = body.map_or(self.queue.filled, |(at, _)| at);
        if self.joined_at < until {
            let piece = self.queue.buffer().get(self.joined_at..until)?;
            self.joined_at = until;
            return Some(piece);
        }
        let piece = body?.1.get(self.moved_skip..)?;
        self.moved_at = self.moved_at.saturating_add(1);
        self.moved_skip = 0;
        Some(piece)
    }
}
