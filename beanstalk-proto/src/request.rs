//! What a client asks: the [`Request`] trait, what a request expects in return, and the raw command.
//!
//! The trait is open. A command that a fork of the server adds is a type of the application that writes itself through
//! an [`Encoder`] and says what may come back; it can then be called like the built-in ones:
//!
//! ```
//! use beanstalk_proto::{ArgumentError, DecodeError, Encoder, Expect, JobId, OtherReplies, Reply, ReplySet, ReplyShape, Request};
//!
//! /// `freeze <id>`, answered by `FROZEN` or `NOT_FOUND`.
//! struct Freeze(JobId);
//!
//! impl Request for Freeze {
//!     type Reply = ();
//!
//!     fn expect(&self) -> Expect {
//!         const FROZEN: &[ReplyShape] = &[ReplyShape { word: "FROZEN", body: false }];
//!         Expect::new("freeze", ReplySet::of(&[beanstalk_proto::ReplyKind::NotFound])).other(OtherReplies::Words(FROZEN))
//!     }
//!
//!     fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
//!         encoder.word("freeze")?.number(self.0)?;
//!         Ok(())
//!     }
//!
//!     fn decode(reply: Reply) -> Result<(), DecodeError> {
//!         match reply {
//!             Reply::Other(_) => Ok(()),
//!             refusal => Err(refusal.into()),
//!         }
//!     }
//! }
//! ```

use alloc::borrow::Cow;
use core::time::Duration;

use crate::{
    command::Command,
    error::{ArgumentError, DecodeError},
    reply::{MAX_LINE, Reply, ReplyKind, ReplySet},
    scan,
    table::Kind,
    transmit::Transmit,
    types::{Body, JobId, Seconds, TubeArg, TubeName},
};

/// A command: how it is written, what may answer it, and what the answer means.
pub trait Request {
    /// What a successful call gives.
    type Reply;

    /// What may come back. Asked before [`Request::encode`].
    fn expect(&self) -> Expect;

    /// Writes the command.
    ///
    /// # Errors
    ///
    /// [`ArgumentError`] for a value that the protocol cannot say; then nothing is queued.
    fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError>;

    /// Turns the reply into what the caller wants. Only replies that [`Request::expect`] allows get here.
    ///
    /// # Errors
    ///
    /// The server's refusal: `Err(reply.into())` for every reply that is none of the good ones.
    fn decode(reply: Reply) -> Result<Self::Reply, DecodeError>;
}

/// Whether the server may keep a request waiting on purpose, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wait {
    /// It answers as soon as it can.
    #[default]
    No,
    /// For so many seconds at most.
    Seconds(u32),
    /// Until something happens. The server reads nothing from the connection meanwhile.
    Forever,
}

impl Wait {
    /// How long the server may wait if it has an end.
    pub(crate) fn duration(self) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds.into()),
            Self::No | Self::Forever => Duration::ZERO,
        }
    }
}

/// What must be repeated in the reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Echo {
    /// Nothing.
    #[default]
    None,
    /// The id of `FOUND` or `RESERVED`.
    Id(JobId),
    /// The tube of `USING`.
    Tube(TubeName),
}

/// A reply word that is not one of [`ReplyKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplyShape {
    /// The word.
    pub word: &'static str,
    /// Whether the line ends in a length, and a body of that length and CRLF follow.
    pub body: bool,
}

/// Which replies beyond [`ReplyKind`] a request may get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherReplies {
    /// None: another word poisons the connection.
    #[default]
    None,
    /// These.
    Words(&'static [ReplyShape]),
    /// Any word at all.
    Any {
        /// Whether a body follows; see [`ReplyShape::body`].
        body: bool,
    },
}

/// What a request expects in return, as plain data: this is all that a connection keeps of it.
#[derive(Clone, Debug)]
pub struct Expect {
    pub(crate) command: &'static str,
    pub(crate) kind: Option<Kind>,
    pub(crate) replies: ReplySet,
    pub(crate) other: OtherReplies,
    pub(crate) wait: Wait,
    pub(crate) echo: Echo,
}

impl Expect {
    /// Expects one of these replies, or one of the general errors. `command` names the request in errors.
    #[must_use]
    pub const fn new(command: &'static str, replies: ReplySet) -> Self {
        Self {
            command,
            kind: None,
            replies: replies.or(ReplySet::GENERAL),
            other: OtherReplies::None,
            wait: Wait::No,
            echo: Echo::None,
        }
    }

    /// What a built-in command expects, but for its waiting and its echo. A request that says so is that command to the
    /// connection: another reserve may stand for it, say.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        let mut expect = Self::new(kind.word(), kind.replies());
        expect.kind = Some(kind);
        expect
    }

    /// Allows replies with other words too.
    #[must_use]
    pub fn other(mut self, other: OtherReplies) -> Self {
        self.other = other;
        self
    }

    /// Says that the server may wait before it answers.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// Demands that the reply repeats this.
    #[must_use]
    pub fn echo(mut self, echo: Echo) -> Self {
        self.echo = echo;
        self
    }

    /// Whether it is one of the two commands that wait for any job.
    pub(crate) const fn is_reserve(&self) -> bool {
        matches!(self.kind, Some(Kind::Reserve | Kind::ReserveWithTimeout))
    }

    /// Whether the request names this word as one of its own replies, and if so, whether a body follows.
    pub(crate) fn own_word(&self, word: &[u8]) -> Option<bool> {
        match self.other {
            OtherReplies::Words(shapes) => {
                shapes.iter().find(|shape| shape.word.as_bytes() == word).map(|shape| shape.body)
            }
            OtherReplies::None | OtherReplies::Any { .. } => None,
        }
    }

    /// Whether a reply with a word that is not of the protocol is allowed, and if so, whether a body follows.
    pub(crate) fn shape_of(&self, word: &[u8]) -> Option<bool> {
        match self.other {
            OtherReplies::Any { body } => (!word.is_empty()).then_some(body),
            _ => self.own_word(word),
        }
    }
}

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
    fn line(&mut self, line: &[u8]) -> Result<&mut Self, ArgumentError> {
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

/// Any command line at all, for what has no name here yet.
///
/// The line is checked for CR, LF, NUL and its length. With a body, its length is appended to the line, so write
/// `put 0 0 60`, not `put 0 0 60 5`. A line whose verb is built in must have a body exactly when that command has one,
/// and gets that command's expectations; for another the caller says whether the reply has a body.
///
/// The reply comes untyped; the server's refusals are errors as everywhere.
///
/// ```
/// use beanstalk_proto::Raw;
///
/// let put = Raw::new("put 0 0 60").body("hello");
/// let stats = Raw::new("stats-fork").reply_has_body(true);
/// # let _ = (put, stats);
/// ```
#[derive(Clone, Debug)]
pub struct Raw<'a> {
    line: Cow<'a, str>,
    body: Option<Body<'a>>,
    reply_has_body: bool,
}

impl<'a> Raw<'a> {
    /// A command line without its CRLF.
    #[must_use]
    pub fn new(line: impl Into<Cow<'a, str>>) -> Self {
        Self { line: line.into(), body: None, reply_has_body: false }
    }

    /// Adds a body; its length is appended to the line.
    #[must_use]
    pub fn body(mut self, body: impl Into<Body<'a>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Says that a reply with a word unknown to this crate ends in a length and has a body.
    #[must_use]
    pub fn reply_has_body(mut self, reply_has_body: bool) -> Self {
        self.reply_has_body = reply_has_body;
        self
    }
}

impl Request for Raw<'_> {
    type Reply = Reply;

    fn expect(&self) -> Expect {
        let line = self.line.as_bytes();
        let Some(kind) = kind_of_verb(line) else {
            return Expect::new("raw command", ReplySet::ALL).other(OtherReplies::Any { body: self.reply_has_body });
        };
        // A line that a server refuses is none of its commands: it can't stand for a reserve, say.
        let refused = Expect::new(kind.word(), kind.replies());
        match (self.body.is_none()).then(|| Command::parse_line(line)) {
            Some(Ok(command)) => command.expect(),
            // But some releases read a broken timeout as "for ever".
            Some(Err(_)) if kind == Kind::ReserveWithTimeout => refused.wait(Wait::Forever),
            Some(Err(_)) => refused,
            None => Expect::of(kind),
        }
    }

    fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
        encoder.line(self.line.as_bytes())?;
        if let Some(body) = self.body {
            encoder.body(body)?;
        }
        Ok(())
    }

    fn decode(reply: Reply) -> Result<Reply, DecodeError> {
        untyped(reply)
    }
}

/// The built-in command whose word a line begins with.
fn kind_of_verb(line: &[u8]) -> Option<Kind> {
    let verb = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    Kind::ALL.iter().copied().find(|kind| kind.word().as_bytes() == verb)
}

/// Passes a reply on as it is, but for the refusals.
pub(crate) fn untyped(reply: Reply) -> Result<Reply, DecodeError> {
    const REFUSALS: ReplySet = ReplySet::GENERAL.or(ReplySet::of(&[
        ReplyKind::NotFound,
        ReplyKind::NotIgnored,
        ReplyKind::Draining,
        ReplyKind::JobTooBig,
        ReplyKind::ExpectedCrlf,
    ]));
    match reply.kind() {
        Some(kind) if REFUSALS.contains(kind) => Err(reply.into()),
        _ => Ok(reply),
    }
}
