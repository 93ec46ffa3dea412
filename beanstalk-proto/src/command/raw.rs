//! The raw command: any line, for what has no name here.

use crate::types::{Argument, Subject};
use alloc::borrow::Cow;

use super::Command;
use crate::{
    error::{ArgumentError, DecodeError},
    reply::{Reply, ReplySet},
    request::{Encoder, Expect, Kind, OtherReplies, Request, Wait, untyped},
    types::Body,
};

/// Any command line at all, for what has no name here yet.
///
/// The line is checked for CR, LF, NUL and its length. With a body, its length is appended to the line, so write
/// `put 0 0 60`, not `put 0 0 60 5`. A line whose verb is built in must have a body exactly when that command has one,
/// and gets that command's expectations; for another the caller sets whether the reply has a body.
///
/// The reply comes untyped. Error replies of the protocol are errors, as for a [`Command`]; a reply with a word of its own is
/// `Ok`, and a [`Reply::Other`], even if the server means it as an error.
///
/// ```
/// use beanstalk_proto::Raw;
///
/// let put = Raw::new("put 0 0 60").body("hello");
/// let stats = Raw::new("stats-fork").reply_has_body(true);
/// # let _ = (put, stats);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Raw<'a> {
    line: Cow<'a, str>,
    body: Option<Body<'a>>,
    reply_has_body: bool,
}

impl<'a> Raw<'a> {
    /// Makes a request of a command line, given without its CRLF.
    pub fn new(line: impl Into<Cow<'a, str>>) -> Self {
        Self { line: line.into(), body: None, reply_has_body: false }
    }

    /// Returns the line.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Adds a body; its length is appended to the line.
    pub fn body(mut self, body: impl Argument<Body<'a>>) -> Self {
        self.body = Some(body.into_argument());
        self
    }

    /// Sets whether a reply with a word unknown to this crate ends in a length and has a body.
    pub fn reply_has_body(mut self, reply_has_body: bool) -> Self {
        self.reply_has_body = reply_has_body;
        self
    }
}

impl Request for Raw<'_> {
    type Reply = Reply;

    fn expect(&self) -> Expect {
        let line = self.line.as_bytes();
        let Some(kind) = Kind::of_verb(line) else {
            let subject = Subject::Line((*self.line).into());
            return Expect::new("raw command", ReplySet::ALL)
                .other(OtherReplies::Any { body: self.reply_has_body })
                .subject(subject);
        };
        // A line that a server refuses is none of its commands: for example, no reserve may adopt its slot.
        let refused = Expect::new(kind.word(), kind.replies());
        match (self.body.is_none()).then(|| Command::parse_line(line)) {
            Some(Ok(command)) => command.expect(),
            // But some releases read a broken timeout as one that never ends.
            Some(Err(_)) if kind == Kind::ReserveWithTimeout => refused.wait(Wait::Forever),
            Some(Err(_)) => refused,
            None => Expect::of(kind).subject(Subject::Body(self.body.as_ref().map_or(0, |body| body.len()))),
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
