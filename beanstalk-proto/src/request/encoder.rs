//! How a request writes itself, so that it is one command whatever it is given.

use super::Kind;
use crate::{
    reply::{MAX_LINE, check_line},
    scan,
    transmit::{Line, Transmit},
    types::{Argument, ArgumentError, Body, Seconds, TubeArg, TubeName},
};

/// Writes one command: a word, arguments, at most one body. It adds the spaces, the length and the line ends itself,
/// and checks what it is given, so that a command cannot become two.
///
/// Nothing counts as queued before the request is whole: one that fails leaves no trace.
#[derive(Debug)]
pub struct Encoder<'c> {
    out: &'c mut Transmit,
    /// How much was written: of the line, and once its body was taken, of the request but for a body that moved.
    len: usize,
    /// How long the command line is, CRLF included, once it is whole; 0 until then.
    line: usize,
    body: Encoded,
    /// Whether the command is one of the table's, whose shape need not be checked.
    vouched: bool,
}

/// Where the body of a request is.
#[derive(Debug)]
enum Encoded {
    /// Behind its line, where the line was written, if it has one.
    InLine,
    /// In the room of the queue, where its line was copied to.
    Joined,
    /// In its own allocation, with the queue, before the line end behind it.
    Moved,
}

impl<'c> Encoder<'c> {
    #[inline]
    pub(crate) fn new(out: &'c mut Transmit) -> Self {
        out.free_line();
        Self { out, len: 0, line: 0, body: Encoded::InLine, vouched: false }
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
        match word.bytes().enumerate().find(|(_, byte)| matches!(byte, b' ' | b'\r' | b'\n' | 0)) {
            Some((at, byte)) => Err(ArgumentError::BadByte { byte, at }),
            None => self.push(word.as_bytes()),
        }
    }

    /// Writes a number.
    ///
    /// # Errors
    ///
    /// If it does not fit the line.
    #[inline(always)]
    pub fn number(&mut self, number: impl Into<u64>) -> Result<&mut Self, ArgumentError> {
        let start = self.next_argument()?;
        let digits = match self.out.line.0.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            Some(place) => scan::write_decimal(place, number.into()),
            // Where there is no room, neither is there on the line.
            None => MAX_LINE,
        };
        self.written_to(start.wrapping_add(digits))?;
        Ok(self)
    }

    /// Writes a duration in whole seconds.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::TooManySeconds`] above `limit`.
    #[inline(always)]
    pub fn seconds(&mut self, seconds: Seconds, limit: u32) -> Result<&mut Self, ArgumentError> {
        match (seconds.get(), u64::from(limit)) {
            (seconds, limit) if seconds > limit => Err(ArgumentError::TooManySeconds { seconds, limit }),
            (seconds, _) => self.number(seconds),
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
    pub fn body<'b>(&mut self, body: impl Argument<Body<'b>>) -> Result<&mut Self, ArgumentError> {
        let body = body.into_argument();
        let bytes = body.len();
        if bytes > Body::MAX_LEN {
            return Err(ArgumentError::BodyTooLong { bytes, limit: Body::MAX_LEN });
        }
        self.number(bytes as u64)?;
        self.check_shape(Some(bytes))?;
        self.line = self.len.wrapping_add(2);
        let whole = self.line.wrapping_add(bytes).wrapping_add(2);
        if whole <= Line::LEN {
            self.body_in_line(&body, whole);
        } else {
            let (moved, len) = self.out.take_body(self.len, body);
            self.len = len;
            self.body = if moved { Encoded::Moved } else { Encoded::Joined };
        }
        Ok(self)
    }

    /// Takes a body for which there is room behind the line.
    #[inline(always)]
    fn body_in_line(&mut self, body: &[u8], whole: usize) {
        let rest = self.out.line.0.get_mut(self.len..).unwrap_or_default();
        if let Some((line_end, rest)) = rest.split_first_chunk_mut() {
            *line_end = *b"\r\n";
            if let Some((place, rest)) = rest.split_at_mut_checked(body.len()) {
                place.copy_from_slice(body);
                if let Some(body_end) = rest.first_chunk_mut() {
                    *body_end = *b"\r\n";
                }
            }
        }
        self.len = whole;
    }

    /// Writes a command's word that the table vouches for.
    #[inline]
    pub(crate) fn command(&mut self, word: &'static str) -> Result<&mut Self, ArgumentError> {
        self.push(word.as_bytes())?;
        self.vouched = true;
        Ok(self)
    }

    /// Writes a whole line that was checked, but for its CRLF.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<&mut Self, ArgumentError> {
        check_line(line)?;
        self.push(line)
    }

    /// Ends the request: how many bytes it takes, and how many of them are its line.
    #[inline(always)]
    pub(crate) fn finish(&mut self) -> Result<(usize, usize), ArgumentError> {
        if self.line == 0 {
            if self.len == 0 {
                return Err(ArgumentError::Shape("nothing was written"));
            }
            self.check_shape(None)?;
            if let Some(line_end) = self.out.line.0.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
                *line_end = *b"\r\n";
            }
            self.len = self.len.wrapping_add(2);
            self.line = self.len;
        }
        match self.body {
            Encoded::Moved => Ok((self.len.saturating_add(self.out.pending.len()), self.line)),
            Encoded::InLine | Encoded::Joined => Ok((self.len, self.line)),
        }
    }

    /// Queues the finished request.
    #[inline(always)]
    pub(crate) fn commit(self) {
        match self.body {
            Encoded::InLine => self.out.commit_line(self.len),
            Encoded::Joined => self.out.commit(self.len),
            Encoded::Moved => self.out.commit_moved(self.len),
        }
    }

    /// Refuses what a server would take for the wrong number of lines: a `put` whose body it would read as commands, or
    /// would go on waiting for, and a body behind a command that has none.
    #[inline]
    fn check_shape(&self, body: Option<usize>) -> Result<(), ArgumentError> {
        if self.vouched { Ok(()) } else { check_unvouched(self.out.line.0.get(..self.len).unwrap_or_default(), body) }
    }

    #[inline]
    fn push(&mut self, piece: &[u8]) -> Result<&mut Self, ArgumentError> {
        let start = self.next_argument()?;
        if let Some(place) = self.out.line.0.get_mut(start..).and_then(|rest| rest.get_mut(..piece.len())) {
            place.copy_from_slice(piece);
        }
        self.written_to(start.saturating_add(piece.len()))?;
        Ok(self)
    }

    /// Where on the line the next argument goes: behind a space, unless it is the first.
    #[inline(always)]
    fn next_argument(&mut self) -> Result<usize, ArgumentError> {
        if self.line > 0 {
            return Err(ArgumentError::Shape("something follows the body"));
        }
        // A command of the table has written its word.
        if !self.vouched && self.len == 0 {
            return Ok(0);
        }
        if let Some(space) = self.out.line.0.get_mut(self.len) {
            *space = b' ';
        }
        Ok(self.len.wrapping_add(1))
    }

    /// Takes note of what was written of the line, if it is not too long: then there was room for it.
    #[inline(always)]
    fn written_to(&mut self, end: usize) -> Result<(), ArgumentError> {
        if end > MAX_LINE - 2 {
            return Err(ArgumentError::LineTooLong { bytes: end.saturating_add(2), limit: MAX_LINE });
        }
        self.len = end;
        Ok(())
    }
}

fn check_unvouched(line: &[u8], body: Option<usize>) -> Result<(), ArgumentError> {
    let why = match (Kind::of_verb(line), body) {
        (Some(Kind::Put), None) => "put needs a body",
        (Some(Kind::Put), Some(_)) if line.strip_prefix(b"put ").is_some_and(Kind::are_of_put) => return Ok(()),
        (Some(Kind::Put), Some(_)) => "put takes a priority, a delay, a time to run and a body",
        (Some(_), Some(_)) => "this command takes no body",
        _ => return Ok(()),
    };
    Err(ArgumentError::Shape(why))
}
