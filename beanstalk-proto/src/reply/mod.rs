//! What a client receives: the replies, parsed and encoded; which of them are errors, and what is none at all.
//!
//! A reply is one line, or a line that ends in a length, and that many bytes and CR LF. Short lines are parsed in one
//! pass over word and digits; only a line that is not complete yet is searched for its end.

mod head;
mod kinds;
mod line;
mod protocol;
mod refusal;

use alloc::{boxed::Box, vec::Vec};

pub(crate) use head::{Head, name_in};
pub use kinds::{Reply, ReplyKind, ReplySet};
pub use line::MAX_LINE;
pub(crate) use line::{check_line, check_unfinished};
pub use protocol::ProtocolError;
pub use refusal::CommandError;

use crate::{
    scan,
    types::{ArgumentError, JobId},
};

/// A reply whose word is not one of [`ReplyKind`]: the whole line, and a body where one was expected.
///
/// ```
/// use beanstalk_proto::{OtherReply, Reply};
///
/// # let reply = Reply::Other(OtherReply::new("TRUNCATED 12", None)?);
/// // What a server has answered to a `Raw` line:
/// let Reply::Other(other) = reply else { panic!("{reply:?}") };
/// assert_eq!((other.word(), other.line()), (&b"TRUNCATED"[..], &b"TRUNCATED 12"[..]));
/// assert_eq!(other.body(), None);
/// # Ok::<(), beanstalk_proto::ArgumentError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherReply {
    /// Boxed, because it is rare and every [`Reply`] has the size of the largest.
    parts: Box<OtherParts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct OtherParts {
    line: Vec<u8>,
    body: Option<Vec<u8>>,
}

impl OtherReply {
    /// Makes one, for a server to send. With a body, its length is appended to the line.
    ///
    /// # Errors
    ///
    /// If the line is too long, contains CR, LF or NUL, or starts with no word, with one of [`ReplyKind`], or as a record of TLS does.
    pub fn new(line: impl Into<Vec<u8>>, body: Option<Vec<u8>>) -> Result<Self, ArgumentError> {
        let mut line = line.into();
        if let Some(body) = &body {
            line.push(b' ');
            scan::push_decimal(&mut line, body.len() as u64);
        }
        check_line(&line)?;
        let word = scan::word(&line);
        if word.is_empty() {
            return Err(ArgumentError::Shape("the line does not start with a word"));
        }
        if ReplyKind::is_word(word) {
            return Err(ArgumentError::Shape("the line starts with a word of the protocol"));
        }
        if line::check_start(&line).is_err() {
            return Err(ArgumentError::Shape("the line starts as a record of TLS does"));
        }
        Ok(Self::from_wire(line, body))
    }

    pub(crate) fn from_wire(line: Vec<u8>, body: Option<Vec<u8>>) -> Self {
        Self { parts: Box::new(OtherParts { line, body }) }
    }

    /// Returns the line as the server sent it, without CRLF.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.parts.line
    }

    /// Returns the body, where the request expects one.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.parts.body.as_deref()
    }

    /// Returns the line's first word.
    #[must_use]
    pub fn word(&self) -> &[u8] {
        scan::word(self.line())
    }
}

impl Reply {
    /// Returns the body that follows the line, where one does.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        match self {
            Self::Reserved(job) | Self::Found(job) => Some(&job.body),
            Self::Ok(body) => Some(body),
            Self::Other(other) => other.body(),
            _ => None,
        }
    }

    /// Takes the body out, where there is one.
    #[must_use]
    pub fn into_body(self) -> Option<Vec<u8>> {
        match self {
            Self::Reserved(job) | Self::Found(job) => Some(job.body),
            Self::Ok(body) => Some(body),
            Self::Other(other) => other.parts.body,
            _ => None,
        }
    }

    /// Appends the line and its CRLF; what follows it is [`Reply::body`] and another CRLF.
    pub fn encode_line(&self, out: &mut Vec<u8>) {
        if matches!(self, Self::Closed) {
            return;
        }
        if let Some(kind) = self.kind() {
            out.extend_from_slice(kind.word().as_bytes());
        }
        match self {
            Self::Inserted(JobId(number))
            | Self::BuriedId(JobId(number))
            | Self::Watching(number)
            | Self::KickedCount(number) => scan::push_number(out, *number),
            Self::Using(tube) => {
                out.push(b' ');
                out.extend_from_slice(tube.as_bytes());
            }
            Self::Reserved(job) | Self::Found(job) => {
                scan::push_number(out, job.id.0);
                scan::push_number(out, job.body.len() as u64);
            }
            Self::Ok(body) => scan::push_number(out, body.len() as u64),
            Self::Other(other) => out.extend_from_slice(other.line()),
            _ => {}
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Appends the whole reply as the server sends it.
    ///
    /// ```
    /// use beanstalk_proto::{Job, JobId, Reply};
    ///
    /// let mut out = Vec::new();
    /// Reply::Reserved(Job { id: JobId(7), body: b"hello".to_vec() }).encode(&mut out);
    /// assert_eq!(out, b"RESERVED 7 5\r\nhello\r\n");
    /// ```
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_line(out);
        if let Some(body) = self.body() {
            out.extend_from_slice(body);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Parses the reply at the start of `input`: the reply and how many bytes it takes, or `None` if it is not
    /// complete yet. A word that is not of the protocol makes a [`Reply::Other`] without a body.
    ///
    /// This looks at the whole input at every call; a [`client::Connection`] resumes where it stopped.
    ///
    /// [`client::Connection`]: crate::client::Connection
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] for what no server may send.
    pub fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some((head, rest)) = Head::split_prefix(input) else { return parse_closely(input) };
        let len = input.len().wrapping_sub(rest.len());
        if !head.kind.has_body() {
            let line = input.get(..len.wrapping_sub(2)).unwrap_or(input);
            return Ok(Some((head.into_reply(line, Vec::new()), len)));
        }
        let bytes = usize::try_from(head.bytes).unwrap_or(usize::MAX);
        let Some((body, behind)) = rest.split_at_checked(bytes) else { return Ok(None) };
        match behind.first_chunk() {
            Some(b"\r\n") => Ok(Some((head.into_reply(&[], body.to_vec()), len.wrapping_add(bytes).wrapping_add(2)))),
            Some(_) => Err(ProtocolError::MissingCrlf { command: head.kind.word(), id: head.id(), bytes: head.bytes }),
            None => Ok(None),
        }
    }
}

/// Finds out what a line is that is not a well-formed one of the protocol, or not complete.
#[cold]
#[inline(never)]
fn parse_closely(input: &[u8]) -> Result<Option<(Reply, usize)>, ProtocolError> {
    if input.is_empty() {
        return Ok(None);
    }
    let Some(line) = line::first_line(input)? else { return Ok(None) };
    head::check_other(line)?;
    Ok(Some((Reply::Other(OtherReply::from_wire(line.to_vec(), None)), line.len().saturating_add(2))))
}
