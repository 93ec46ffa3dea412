//! Invalid arguments: values that the protocol cannot express, and names that break the rules of tube names.

use alloc::boxed::Box;

use thiserror::Error;

use super::{Bytes, TubeName, shortened};

/// What is no tube name, and why.
///
/// ```
/// use beanstalk_proto::{TubeName, TubeNameRule};
///
/// let error = TubeName::new("two words").unwrap_err();
/// assert_eq!(error.rule, TubeNameRule::BadCharacter { found: ' ', at: 3 });
/// assert_eq!(&*error.name, "two words");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
#[error("{:?} is not a tube name: {rule}", shortened(.name))]
pub struct TubeNameError {
    /// The name, as far as it is text.
    pub name: Box<str>,
    /// Which rule it breaks.
    pub rule: TubeNameRule,
}

/// Which rule a tube name breaks.
///
/// ```
/// use beanstalk_proto::{TubeName, TubeNameRule};
///
/// /// What a form shows beside its field.
/// fn advice(name: &str) -> Option<&'static str> {
///     Some(match TubeName::new(name).err()?.rule {
///         TubeNameRule::Empty => "a name is needed",
///         TubeNameRule::TooLong { .. } => "at most 200 characters",
///         _ => "letters, digits and + / ; . $ _ ( ) -, the last not in front",
///     })
/// }
///
/// assert_eq!(advice("emails"), None);
/// assert_eq!(advice(""), Some("a name is needed"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum TubeNameRule {
    /// A name has at least one byte.
    #[error("it is empty")]
    Empty,
    /// A name has at most 200 bytes.
    #[error("it has {}, and the limit is {}", Bytes::of(*.bytes), TubeName::MAX_LEN)]
    TooLong {
        /// How long the name is.
        bytes: usize,
    },
    /// A name does not start with `-`.
    #[error("it starts with '-'")]
    LeadingHyphen,
    /// A name is made of `A-Z a-z 0-9 - + / ; . $ _ ( )`.
    #[error("it contains {found:?} (byte {at}); a name is made of A-Z a-z 0-9 - + / ; . $ _ ( )")]
    BadCharacter {
        /// The character that is not allowed; U+FFFD for bytes that are none in UTF-8.
        found: char,
        /// Where it stands, from 0.
        at: usize,
    },
}

/// A value that the protocol cannot express, or a setting that makes no sense. Nothing was sent, and the connection is as it was.
///
/// A call fails with it as an [`Error::Argument`](crate::Error::Argument).
///
/// ```
/// use beanstalk_proto::{ArgumentError, Error, Priority};
///
/// /// The status that a web service answers with.
/// fn status(error: &Error) -> u16 {
///     match error {
///         Error::Argument(ArgumentError::BodyTooLong { .. }) => 413,
///         Error::Argument(_) => 400,
///         _ => 503,
///     }
/// }
///
/// let error = Priority::try_from(5_000_000_000_u64).unwrap_err();
/// let text = "5000000000 is too large for a priority: the limit is 4294967295";
/// assert_eq!(error.to_string(), text);
/// assert_eq!(status(&error.into()), 400);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// Not a tube name.
    #[error(transparent)]
    Tube(#[from] TubeNameError),
    /// A body longer than any server can be set to take (2^30 bytes).
    #[error("a body of {} is over the protocol's limit of {}", Bytes::of(*.bytes), Bytes::of(*.limit))]
    BodyTooLong {
        /// How long the body is.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A value that no body can be made of.
    #[error("no body can be made of {of}: {why}")]
    Body {
        /// The type of the value.
        of: &'static str,
        /// Why not, as its encoder words it.
        why: Box<str>,
    },
    /// A duration that is longer than the command can express.
    #[error("{seconds} seconds are over this command's limit of {limit}")]
    TooManySeconds {
        /// The duration, in whole seconds.
        seconds: u64,
        /// The limit: 2^32-1 for delay, ttr and pause, 2^31-1 for a reserve timeout.
        limit: u64,
    },
    /// A number that is too large for what it is converted to.
    #[error("{number} is too large for {what}: the limit is {limit}")]
    TooLarge {
        /// What it would have been.
        what: &'static str,
        /// The number.
        number: u64,
        /// The limit.
        limit: u64,
    },
    /// A raw line, a word or a name with a byte that would end or split it.
    #[error("byte {at} ('{}') is not allowed in a command line", byte.escape_ascii())]
    BadByte {
        /// The byte that is not allowed.
        byte: u8,
        /// Where it stands, from 0.
        at: usize,
    },
    /// A command line longer than the server reads.
    #[error("a command line of {bytes} bytes is over the server's limit of {limit} (with its CRLF)")]
    LineTooLong {
        /// How long the line would be, CRLF included.
        bytes: usize,
        /// The limit, CRLF included.
        limit: usize,
    },
    /// Not an endpoint that this client can connect to.
    #[error("{text:?} is not an endpoint: {problem}")]
    Endpoint {
        /// What was given.
        text: Box<str>,
        /// What is wrong with it.
        problem: Box<str>,
    },
    /// A request that waits, or depends on the connection's tubes, on a connection that tasks share.
    #[error("{command} cannot be sent this way on a shared connection: {instead}")]
    NotShareable {
        /// The command, as it is called on the wire.
        command: &'static str,
        /// What to call instead, and why.
        instead: Box<str>,
    },
    /// A setting that makes no sense, or one that is missing.
    #[error("{setting}: {why}")]
    Setting {
        /// The setting, as its method or field is called.
        setting: &'static str,
        /// What is wrong with it.
        why: Box<str>,
    },
    /// A request that wrote nothing, a body twice, or something after its body.
    #[error("a request is one word, its arguments and at most one body: {0}")]
    Shape(&'static str),
}

impl ArgumentError {
    /// Makes the error of a setting, from its name, as its method or field is called, and what is wrong with it.
    #[must_use]
    pub fn setting(setting: &'static str, why: impl Into<Box<str>>) -> Self {
        Self::Setting { setting, why: why.into() }
    }
}
