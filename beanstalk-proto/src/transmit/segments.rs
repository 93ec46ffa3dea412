//! What waits to be written, piece by piece.

use core::mem;

use super::{Place, Transmit};

/// The pieces of an outbound queue, in order; none is empty.
#[derive(Clone, Debug)]
pub struct Segments<'a>(Left<'a>);

/// What is left of them.
#[derive(Clone, Debug)]
enum Left<'a> {
    /// One at most: nearly always it is all in one place.
    Single(&'a [u8]),
    Many(Many<'a>),
}

/// Pieces with large bodies among them.
#[derive(Clone, Debug)]
struct Many<'a> {
    queue: &'a Transmit,
    joined_at: usize,
    moved_at: usize,
    moved_skip: usize,
}

impl<'a> Segments<'a> {
    #[inline]
    pub(super) fn of(queue: &'a Transmit) -> Self {
        let (joined_at, end) = (queue.joined_sent, queue.filled);
        Self(match queue.place {
            // Nearly always a small request is written at once.
            Place::Line if joined_at == 0 => Left::Single(queue.line.0.get(..end).unwrap_or_default()),
            Place::Line => Left::Single(queue.line.0.get(joined_at..end).unwrap_or_default()),
            Place::Joined if queue.moved.is_empty() => {
                Left::Single(queue.joined.get(joined_at..end).unwrap_or_default())
            }
            _ => Left::Many(Many { queue, joined_at, moved_at: 0, moved_skip: queue.moved_sent }),
        })
    }

    /// Returns what is left, if it is in one piece: what is written need not be gathered then. Nothing at all is an empty piece.
    #[must_use]
    #[inline]
    pub const fn single(&self) -> Option<&'a [u8]> {
        match &self.0 {
            Left::Single(piece) => Some(piece),
            Left::Many(_) => None,
        }
    }

    /// Returns what is left, if it is one request with a large body and nothing of it was taken: its line, the body, and the line end. For a
    /// vectored write that is quicker than to gather an unknown number of pieces.
    #[must_use]
    #[inline]
    pub fn line_and_body(&self) -> Option<[&'a [u8]; 3]> {
        match &self.0 {
            Left::Many(many) if many.joined_at == 0 => many.queue.line_and_body(),
            _ => None,
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        match &mut self.0 {
            Left::Single([]) => None,
            Left::Single(piece) => Some(mem::take(piece)),
            Left::Many(many) => many.next(),
        }
    }
}

impl<'a> Many<'a> {
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
