//! How a request writes itself, so that it is one command whatever it is given.

use alloc::vec::Vec;

use crate::{
    command::Command,
    error::ArgumentError,
    reply::MAX_LINE,
    scan,
    table::Kind,
    transmit::{MOVED_FROM, Transmit},
    types::{Body, Seconds, TubeArg, TubeName},
};

/// Writes one command: a word, arguments, at most one body. It adds the spaces, the length and the line ends itself,
/// and checks what it is given, so that a command cannot become two.
///
/// It writes behind what is queued already, and nothing counts as queued before [`Encoder::commit`]: a request that
/// fails leaves no trace.
#[derive(Debug)]
pub struct Encoder<'c> {
    out: &'c mut Transmit,
    /// How many bytes were written to the queue's room: the line so far, and what of the body is joined to it.
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
        out.reserve(MAX_LINE);
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
        let number = number.into();
        scan::write_decimal(self.argument(scan::digits(number))?, number);
        Ok(self)
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
    #[inline]
    pub fn body<'b>(&mut self, body: impl Into<Body<'b>>) -> Result<&mut Self, ArgumentError> {
        let body = body.into();
        let bytes = body.len();
        if bytes > Body::MAX_LEN {
            return Err(ArgumentError::BodyTooLong { bytes, limit: Body::MAX_LEN });
        }
        self.number(bytes as u64)?;
        self.check_shape(Some(bytes))?;
        self.write(b"\r\n");
        self.body = match body {
            Body::Owned(bytes) if bytes.len() >= MOVED_FROM => Encoded::Moved(self.len, bytes),
            small => {
                self.out.reserve(self.len.saturating_add(bytes).saturating_add(2));
                self.write(&small);
                Encoded::Joined
            }
        };
        self.write(b"\r\n");
        Ok(self)
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
    #[inline]
    pub(crate) fn finish(&mut self) -> Result<usize, ArgumentError> {
        match &self.body {
            Encoded::NoBody if self.len == 0 => Err(ArgumentError::Shape("nothing was written")),
            Encoded::NoBody => {
                self.check_shape(None)?;
                self.write(b"\r\n");
                Ok(self.len)
            }
            Encoded::Joined => Ok(self.len),
            Encoded::Moved(_, body) => Ok(self.len.saturating_add(body.len())),
        }
    }

    /// Queues the finished request, and says whether it has a body.
    #[inline]
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
        let line = self.out.room(0, self.len);
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
        self.argument(piece.len())?.copy_from_slice(piece);
        Ok(self)
    }

    /// The place on the line for an argument of this length, behind a space unless it is the first.
    #[inline]
    fn argument(&mut self, len: usize) -> Result<&mut [u8], ArgumentError> {
        if !matches!(self.body, Encoded::NoBody) {
            return Err(ArgumentError::Shape("something follows the body"));
        }
        let start = self.len.saturating_add(usize::from(self.len > 0));
        let end = start.saturating_add(len);
        if end > MAX_LINE - 2 {
            return Err(ArgumentError::LineTooLong { bytes: end.saturating_add(2), limit: MAX_LINE });
        }
        let len = core::mem::replace(&mut self.len, end);
        // If it is the first, its first byte covers the space.
        self.out.room_mut(len, end).iter_mut().take(1).for_each(|first| *first = b' ');
        Ok(self.out.room_mut(start, end))
    }

    /// Writes what there is room for already.
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        let room = self.out.room_mut(self.len, end);
        if room.len() == bytes.len() {
            room.copy_from_slice(bytes);
            self.len = end;
        }
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
