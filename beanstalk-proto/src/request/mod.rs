//! What a client asks: the [`Request`] trait, what a request expects in return, how a command writes its arguments
//! ([`Encoder`]) and how a server reads them.
//!
//! The trait is open. A command that a fork of the server adds is a type of the application that writes itself through
//! an [`Encoder`] and lists what may come back; it can then be called like the built-in ones:
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
//!             error => Err(error.into()),
//!         }
//!     }
//! }
//! ```

mod args;
mod encoder;
mod kind;

use alloc::vec::Vec;
use core::time::Duration;

pub(crate) use args::Args;
pub use args::TIMEOUT_FOREVER;
pub use encoder::Encoder;
pub use kind::Kind;
pub(crate) use kind::is_reserve;

use crate::{
    error::{ArgumentError, CommandError, DecodeError},
    reply::{Reply, ReplySet},
    transmit::Transmit,
    types::Subject,
};

/// A command: how it is written, what may answer it, and what the answer means.
///
/// Every command of the protocol is one, in [`commands`](crate::commands). So is one that a server has besides:
///
/// ```
/// use beanstalk_proto::{
///     ArgumentError, DecodeError, Encoder, Expect, OtherReplies, Reply, ReplySet, ReplyShape,
///     Request, TubeArg, encode,
/// };
///
/// /// `truncate TUBE`, answered `TRUNCATED` or by an error that may answer any command.
/// struct Truncate<'a>(TubeArg<'a>);
///
/// impl Request for Truncate<'_> {
///     type Reply = ();
///
///     fn expect(&self) -> Expect {
///         const TRUNCATED: ReplyShape = ReplyShape { word: "TRUNCATED", body: false };
///         Expect::new("truncate", ReplySet::EMPTY).other(OtherReplies::Words(&[TRUNCATED]))
///     }
///
///     fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
///         encoder.word("truncate")?.tube(&self.0)?;
///         Ok(())
///     }
///
///     fn decode(reply: Reply) -> Result<(), DecodeError> {
///         match reply {
///             Reply::Other(_) => Ok(()),
///             error => Err(error.into()),
///         }
///     }
/// }
///
/// assert_eq!(encode(Truncate("emails".into()))?, b"truncate emails\r\n");
/// # Ok::<(), ArgumentError>(())
/// ```
///
/// A client's `call`, `send`, `call_both` and `call_all` take it as any other. [`Raw`](crate::Raw) does without a type.
pub trait Request {
    /// What a successful call returns.
    type Reply;

    /// Returns what may come back. Asked before [`Request::encode`].
    fn expect(&self) -> Expect;

    /// Writes the command.
    ///
    /// # Errors
    ///
    /// [`ArgumentError`] for a value that the protocol cannot express; then nothing is queued.
    fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError>;

    /// Turns the reply into what the caller wants. Only replies that [`Request::expect`] allows get here.
    ///
    /// # Errors
    ///
    /// The server's error reply: `Err(reply.into())` for every reply that is none of the good ones.
    fn decode(reply: Reply) -> Result<Self::Reply, DecodeError>;
}

/// Returns the bytes of a request, as a connection would send them.
///
/// # Errors
///
/// As [`Request::encode`](crate::Request::encode).
pub fn encode<R: Request>(request: R) -> Result<Vec<u8>, ArgumentError> {
    let mut out = Transmit::default();
    let mut encoder = Encoder::new(&mut out);
    request.encode(&mut encoder)?;
    encoder.finish()?;
    encoder.commit();
    Ok(out.segments().flatten().copied().collect())
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
    /// Returns how long the server may wait if it has an end.
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds.into()),
            Self::No | Self::Forever => Duration::ZERO,
        }
    }
}

/// A reply word that is not one of [`ReplyKind`](crate::ReplyKind).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplyShape {
    /// The word.
    pub word: &'static str,
    /// Whether the line ends in a length, and a body of that length and CRLF follow.
    pub body: bool,
}

/// Which replies beyond [`ReplyKind`](crate::ReplyKind) a request may get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherReplies {
    /// No others: another word desynchronises the connection.
    #[default]
    None,
    /// Those with one of these words.
    Words(&'static [ReplyShape]),
    /// Any word at all.
    Any {
        /// Whether a body follows; see [`ReplyShape::body`].
        body: bool,
    },
}

/// What a request expects in return, as plain data: this is all that a connection keeps of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub struct Expect {
    /// The request's name in errors.
    pub command: &'static str,
    /// Which command of the table it is, if it is one.
    pub kind: Option<Kind>,
    /// The replies of the protocol that may answer it.
    pub replies: ReplySet,
    /// The replies with other words that may answer it.
    pub other: OtherReplies,
    /// How long the server may wait on purpose before it answers.
    pub wait: Wait,
    /// What the request is about, for errors.
    pub subject: Subject,
    /// Whether the reply has to repeat the subject.
    pub echoed: bool,
}

impl Expect {
    /// Expects one of these replies, or one of the general errors. `command` names the request in errors.
    pub const fn new(command: &'static str, replies: ReplySet) -> Self {
        let (replies, subject) = (replies.or(ReplySet::GENERAL), Subject::None);
        Self { command, kind: None, replies, other: OtherReplies::None, wait: Wait::No, subject, echoed: false }
    }

    /// Returns what a built-in command expects, but for its waiting and its subject. A request that expects this is that command to the
    /// connection: for example, another reserve may adopt its slot.
    pub const fn of(kind: Kind) -> Self {
        let mut expect = Self::new(kind.word(), kind.replies());
        expect.kind = Some(kind);
        expect
    }

    /// Allows replies with other words too.
    #[inline]
    pub fn other(mut self, other: OtherReplies) -> Self {
        self.other = other;
        self
    }

    /// Lets the server wait before it answers.
    #[inline]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// Names what the request is about, for errors.
    #[inline(always)]
    pub fn subject(mut self, subject: Subject) -> Self {
        self.subject = subject;
        self
    }

    /// Demands that the reply repeats the subject: a job's id in `FOUND` and `RESERVED`, a tube in `USING`.
    #[inline(always)]
    pub fn echoed(mut self) -> Self {
        self.echoed = true;
        self
    }
}

impl OtherReplies {
    /// Whether the request names this word as one of its own replies, and if so, whether a body follows.
    pub(crate) fn own_word(self, word: &[u8]) -> Option<bool> {
        let Self::Words(shapes) = self else { return None };
        shapes.iter().find(|shape| shape.word.as_bytes() == word).map(|shape| shape.body)
    }

    /// Whether a reply with a word that is not of the protocol is allowed, and if so, whether a body follows.
    pub(crate) fn shape_of(self, word: &[u8]) -> Option<bool> {
        if let Self::Any { body } = self { Some(body) } else { self.own_word(word) }
    }
}

/// Returns a reply as it is, unless it is an error reply.
pub(crate) fn untyped(reply: Reply) -> Result<Reply, DecodeError> {
    match reply.kind() {
        Some(kind) if CommandError::REPLIES.contains(kind) => Err(reply.into()),
        _ => Ok(reply),
    }
}
