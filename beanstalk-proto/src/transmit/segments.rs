//! What waits to be written, piece by piece.

use super::{LINE_END, Place, Transmit};

/// The pieces of an outbound queue, in order; none is empty.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    queue: &'a Transmit,
    /// Where in the buffer the next piece begins.
    at: usize,
    /// Which large body is next, and how much of it was written.
    body: usize,
    skip: usize,
}

impl<'a> Segments<'a> {
    #[inline]
    pub(super) const fn of(queue: &'a Transmit) -> Self {
        Self { queue, at: queue.joined_sent, body: 0, skip: queue.moved_sent }
    }

    /// Returns what is left, if it is in one piece: what is written need not be gathered then. Nothing at all is an empty piece.
    #[must_use]
    #[inline]
    pub fn single(&self) -> Option<&'a [u8]> {
        match self.queue.place {
            // Nearly always a small request is written at once.
            Place::Line => self.queue.line.0.get(self.at..self.queue.filled),
            Place::Joined if self.body >= self.queue.moved.len() => self.queue.joined.get(self.at..self.queue.filled),
            _ => None,
        }
    }

    /// Returns what is left, if it is one request with a large body and nothing of it was taken: its line, the body, and the line end. For a
    /// vectored write that is quicker than to gather an unknown number of pieces.
    #[must_use]
    #[inline]
    pub fn line_and_body(&self) -> Option<[&'a [u8]; 3]> {
        if self.queue.place != Place::LineAndBody || self.at > 0 {
            return None;
        }
        let (line, line_end) = self.queue.line.0.get(..self.queue.filled)?.split_last_chunk::<LINE_END>()?;
        Some([line, &self.queue.pending, line_end])
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let body = self.queue.moved(self.body);
        let until = body.map_or(self.queue.filled, |(at, _)| at);
        if self.at < until {
            let piece = self.queue.buffer().get(self.at..until)?;
            self.at = until;
            return Some(piece);
        }
        let piece = body?.1.get(self.skip..)?;
        self.body = self.body.saturating_add(1);
        self.skip = 0;
        Some(piece)
    }
}

#[cfg(feature = "std")]
impl<'a> Segments<'a> {
    /// Returns the first pieces, for a vectored write, and how many there are.
    #[must_use]
    pub fn io_slices<const N: usize>(self) -> ([std::io::IoSlice<'a>; N], usize) {
        let mut slices = [std::io::IoSlice::new(&[]); N];
        let used = slices.iter_mut().zip(self).map(|(slice, piece)| *slice = std::io::IoSlice::new(piece)).count();
        (slices, used)
    }
}
