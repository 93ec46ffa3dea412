//! How a request writes itself, so that it is one command whatever it is given.

use alloc::vec::Vec;
use core::iter;

use crate::{
    command::Command,
    error::ArgumentError,
    reply::MAX_LINE,
    scan,
    table::Kind,
    transmit::{Line, MOVED_FROM, Transmit},
    types::{Body, Seconds, TubeArg, TubeName},
};

/// Writes one command: a word, arguments, at most one body. It adds the spaces, the length and the line ends itself,
/// and checks what it is given, so that a command cannot become two.
///
/// Nothing counts as queued before the request is whole: one that fails leaves no trace.
#[derive(Debug)]
pub struct Encoder<'c> {
    out: &'c mut Transmit,
    /// How much of the line was written; once it is in the queue's room, how much was written there.
    len: usize,
    body: Encoded,
    /// Whether the command is one of the table's, whose shape need not be checked.
    vouched: bool,
}

/// Where the body of a request is.
#[derive(Debug)]
enum Encoded {
    NoBody,
    /// Joined to the line.
    Joined,
    /// In its own allocation; the line before it takes so many bytes.
    Moved(usize, Vec<u8>),
}

impl<'c> Encoder<'c> {
    #[inline]
    pub(crate) fn new(out: &'c mut Transmit) -> Self {
        Self { out, len: 0, body: Encoded::NoBody, vouched: false }
    }

    /// Writes the command's word, or an argument that is a word.
    ///
    /// # Errors
    ///
    /// If it is empty, contains a space, CR, LF or NUL, or does not fit the line.
    pub fn word(&mut self, word: &str) -> Result<&mut Self, ArgumentError> {
        if word.is_empty() {
            return Err(ArgumentError::Shape("a word is empty"));
        }
        match word.bytes().position(|byte| matches!(byte, b' ' | b'\r' | b'\n' | 0)) {
            Some(at) => Err(ArgumentError::BadByte { byte: word.as_bytes().get(at).copied().unwrap_or(0), at }),
            None => self.push(word.as_bytes()),
        }
    }

    /// Writes a number.
    ///
    /// # Errors
    ///
    /// If it does not fit the line.
    #[inline]
    pub fn number(&mut self, number: impl Into<u64>) -> Result<&mut Self, ArgumentError> {
        let start = self.next_argument()?;
        // Where there is no room, neither is there on the line.
        let place = self.out.line.0.get_mut(start..).and_then(<[u8]>::first_chunk_mut);
        let digits = place.map_or(MAX_LINE, |place| scan::write_decimal(place, number.into()));
        self.written_to(start.wrapping_add(digits))
    }

    /// Writes a duration in whole seconds.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::TooManySeconds`] above `limit`.
    #[inline]
    pub fn seconds(&mut self, seconds: Seconds, limit: u32) -> Result<&mut Self, ArgumentError> {
        let limit = u64::from(limit);
        match seconds.get() {
            seconds if seconds > limit => Err(ArgumentError::TooManySeconds { seconds, limit }),
            seconds => self.number(seconds),
        }
    }

    /// Writes a tube name.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::Tube`] if it is not one.
    pub fn tube(&mut self, tube: &TubeArg<'_>) -> Result<&mut Self, ArgumentError> {
        let name = tube.as_str().as_bytes();
        TubeName::check(name)?;
        self.push(name)
    }

    /// Writes the body's length, ends the line, and takes the body. This is the last thing a request writes.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::BodyTooLong`] above 2^30 bytes.
    #[inline(always)]
    pub fn body<'b>(&mut self, body: impl Into<Body<'b>>) -> Result<&mut Self, ArgumentError> {
        let body = body.into();
        let bytes = body.len();
        if bytes > Body::MAX_LEN {
            return Err(ArgumentError::BodyTooLong { bytes, limit: Body::MAX_LEN });
        }
        self.number(bytes as u64)?;
        self.check_shape(Some(bytes))?;
        if bytes >= MOVED_FROM {
            if let Body::Owned(bytes) = body {
                return Ok(self.move_body(bytes));
            }
        }
        let body_at = self.end_line(bytes.wrapping_add(2));
        let room = self.out.room().get_mut(body_at..).unwrap_or_default();
        if let Some((place, room)) = room.split_at_mut_checked(bytes) {
            place.copy_from_slice(&body);
            if let Some(body_end) = room.first_chunk_mut() {
                *body_end = *b"\r\n";
            }
        }
        self.len = body_at.wrapping_add(bytes).wrapping_add(2);
        self.body = Encoded::Joined;
        Ok(self)
    }

    fn move_body(&mut self, bytes: Vec<u8>) -> &mut Self {
        let body_at = self.end_line(2);
        if let Some(body_end) = self.out.room().get_mut(body_at..).and_then(<[u8]>::first_chunk_mut) {
            *body_end = *b"\r\n";
        }
        self.len = body_at.wrapping_add(2);
        self.body = Encoded::Moved(body_at, bytes);
        self
    }

    /// Writes a command's word that the table vouches for.
    #[inline]
    pub(crate) fn command(&mut self, word: &'static str) -> Result<&mut Self, ArgumentError> {
        self.vouched = true;
        self.push(word.as_bytes())
    }

    /// Writes a whole line that was checked, but for its CRLF.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<&mut Self, ArgumentError> {
        check_line(line)?;
        self.push(line)
    }

    /// Ends the request, and says how many bytes it takes.
    #[inline(always)]
    pub(crate) fn finish(&mut self) -> Result<usize, ArgumentError> {
        match &self.body {
            Encoded::NoBody if self.len == 0 => Err(ArgumentError::Shape("nothing was written")),
            Encoded::NoBody => {
                self.check_shape(None)?;
                self.len = self.end_line(0);
                Ok(self.len)
            }
            Encoded::Joined => Ok(self.len),
            Encoded::Moved(_, body) => Ok(self.len.saturating_add(body.len())),
        }
    }

    /// Queues the finished request, and says whether it has a body.
    #[inline(always)]
    pub(crate) fn commit(self) -> bool {
        let has_body = !matches!(self.body, Encoded::NoBody);
        match self.body {
            Encoded::Moved(line, body) => self.out.commit_moved(line, body, self.len),
            Encoded::NoBody | Encoded::Joined => self.out.commit(self.len),
        }
        has_body
    }

    /// Refuses what a server would take for the wrong number of lines: a `put` whose body it would read as commands, or
    /// would go on waiting for, and a body behind a command that has none.
    #[inline]
    fn check_shape(&self, body: Option<usize>) -> Result<(), ArgumentError> {
        if self.vouched { Ok(()) } else { self.check_unvouched(body) }
    }

    fn check_unvouched(&self, body: Option<usize>) -> Result<(), ArgumentError> {
        let line = self.out.line.0.get(..self.len).unwrap_or_default();
        match (kind_of_verb(line), body) {
            (Some(Kind::Put), None) => Err(ArgumentError::Shape("put needs a body")),
            (Some(Kind::Put), Some(_)) => match Command::parse_line(line) {
                Ok(Command::Put { .. }) => Ok(()),
                _ => Err(ArgumentError::Shape("put takes a priority, a delay, a time to run and a body")),
            },
            (Some(_), Some(_)) => Err(ArgumentError::Shape("this command takes no body")),
            _ => Ok(()),
        }
    }

    #[inline]
    fn push(&mut self, piece: &[u8]) -> Result<&mut Self, ArgumentError> {
        let start = self.next_argument()?;
        let end = start.saturating_add(piece.len());
        if let Some(place) = self.out.line.0.get_mut(start..).and_then(|rest| rest.get_mut(..piece.len())) {
            place.copy_from_slice(piece);
        }
        self.written_to(end)
    }

    /// Where on the line the next argument goes: behind a space, unless it is the first.
    #[inline]
    fn next_argument(&mut self) -> Result<usize, ArgumentError> {
        if !matches!(self.body, Encoded::NoBody) {
            return Err(ArgumentError::Shape("something follows the body"));
        }
        if self.len == 0 {
            return Ok(0);
        }
        if let Some(space) = self.out.line.0.get_mut(self.len) {
            *space = b' ';
        }
        Ok(self.len.wrapping_add(1))
    }

    /// Ends the line and moves it to the queue's room, where so many bytes more are to follow. Says how long it is.
    #[inline(always)]
    fn end_line(&mut self, follow: usize) -> usize {
        /// Nearly every line fits in these; to copy so many takes no loop and no call.
        const SHORT: usize = 32;
        let line = &mut self.out.line.0;
        if let Some(line_end) = line.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
            *line_end = *b"\r\n";
        }
        let len = self.len.wrapping_add(2);
        self.out.reserve(len.wrapping_add(follow).max(SHORT));
        let Transmit { line: Line(line), joined, filled, .. } = &mut *self.out;
        let room = joined.get_mut(*filled..).unwrap_or_default();
        match (line.first_chunk::<SHORT>(), room.first_chunk_mut::<SHORT>()) {
            (Some(line), Some(room)) if len <= SHORT => *room = *line,
            _ => iter::zip(room, line.iter().take(len)).for_each(|(to, from)| *to = *from),
        }
        len
    }

    /// Takes note of what was written of the line, if it is not too long: then there was room for it.
    #[inline]
    fn written_to(&mut self, end: usize) -> Result<&mut Self, ArgumentError> {
        if end > MAX_LINE - 2 {
            return Err(ArgumentError::LineTooLong { bytes: end.saturating_add(2), limit: MAX_LINE });
        }
        self.len = end;
        Ok(self)
    }
}

/// Checks a line that somebody else wrote: not empty, short enough, and nothing in it that would end it.
pub(crate) fn check_line(line: &[u8]) -> Result<(), ArgumentError> {
    if line.is_empty() {
        return Err(ArgumentError::Shape("the line is empty"));
    }
    let bytes = line.len().saturating_add(2);
    if bytes > MAX_LINE {
        return Err(ArgumentError::LineTooLong { bytes, limit: MAX_LINE });
    }
    match line.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        Some(at) => Err(ArgumentError::BadByte { byte: line.get(at).copied().unwrap_or(0), at }),
        None => Ok(()),
    }
}

/// The built-in command whose word a line begins with.
pub(super) fn kind_of_verb(line: &[u8]) -> Option<Kind> {
    let verb = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    Kind::ALL.iter().copied().find(|kind| kind.word().as_bytes() == verb)
}
