//! How a request writes itself, so that it is one command whatever it is given.

use crate::{
    command::Command,
    error::ArgumentError,
    reply::MAX_LINE,
    scan,
    table::Kind,
    transmit::Transmit,
    types::{Body, Seconds, TubeArg, TubeName},
};

/// Writes one command: a word, arguments, at most one body. It adds the spaces, the length and the line ends itself,
/// and checks what it is given, so that a command cannot become two.
#[derive(Debug)]
pub struct Encoder<'c> {
    out: &'c mut Transmit,
    line: [u8; MAX_LINE],
    len: usize,
    has_body: bool,
    /// Whether the command is one of the table's, whose shape need not be checked.
    vouched: bool,
}

impl<'c> Encoder<'c> {
    pub(crate) fn new(out: &'c mut Transmit) -> Self {
        Self { out, line: [0; MAX_LINE], len: 0, has_body: false, vouched: false }
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
    pub fn number(&mut self, number: impl Into<u64>) -> Result<&mut Self, ArgumentError> {
        let mut digits = [0; 20];
        self.push(scan::decimal(number.into(), &mut digits))
    }

    /// Writes a duration in whole seconds.
    ///
    /// # Errors
    ///
    /// [`ArgumentError::TooManySeconds`] above `limit`.
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
    pub fn body<'b>(&mut self, body: impl Into<Body<'b>>) -> Result<&mut Self, ArgumentError> {
        let body = body.into();
        let bytes = body.len();
        if bytes > Body::MAX_LEN {
            return Err(ArgumentError::BodyTooLong { bytes, limit: Body::MAX_LEN });
        }
        self.number(bytes as u64)?;
        self.check_shape(Some(bytes))?;
        self.end_line()?;
        self.has_body = true;
        self.out.push_body(body);
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

    /// Ends the request and says whether it has a body.
    pub(crate) fn finish(mut self) -> Result<bool, ArgumentError> {
        if !self.has_body {
            if self.len == 0 {
                return Err(ArgumentError::Shape("nothing was written"));
            }
            self.check_shape(None)?;
            self.end_line()?;
        }
        Ok(self.has_body)
    }

    /// Refuses what a server would take for the wrong number of lines: a `put` whose body it would read as commands, or
    /// would go on waiting for, and a body behind a command that has none.
    fn check_shape(&self, body: Option<usize>) -> Result<(), ArgumentError> {
        if self.vouched {
            return Ok(());
        }
        let line = self.line.get(..self.len).unwrap_or_default();
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

    fn push(&mut self, piece: &[u8]) -> Result<&mut Self, ArgumentError> {
        if self.has_body {
            return Err(ArgumentError::Shape("something follows the body"));
        }
        if self.len > 0 {
            self.put(b" ")?;
        }
        self.put(piece)?;
        Ok(self)
    }

    fn put(&mut self, piece: &[u8]) -> Result<(), ArgumentError> {
        let end = self.len.saturating_add(piece.len());
        match self.line.get_mut(self.len..end) {
            Some(place) => {
                place.copy_from_slice(piece);
                self.len = end;
                Ok(())
            }
            None => Err(ArgumentError::LineTooLong { bytes: end.saturating_add(2), limit: MAX_LINE }),
        }
    }

    fn end_line(&mut self) -> Result<(), ArgumentError> {
        self.put(b"\r\n")?;
        self.out.push_line(self.line.get(..self.len).unwrap_or_default());
        Ok(())
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
