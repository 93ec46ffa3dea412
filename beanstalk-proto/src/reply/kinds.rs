//! What a reply can be, with its values and without, and sets of that.

use alloc::vec::Vec;

use super::OtherReply;
use crate::types::{Job, JobId, TubeName};

/// Emits all that depends on a reply's word from one list: the kind, the value behind it, the word, and what the line looks like.
macro_rules! replies {
    ($($(#[$doc:meta])* $kind:ident $(($value:ty))? $word:literal $shape:ident $(if $byte:literal at $at:literal)?;)*) => {
        /// The kind of a reply: its word, without its values. `BURIED` and `KICKED` have two forms each, so they are two kinds each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ReplyKind { $($(#[$doc])* $kind),* }

        impl ReplyKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Returns the word on the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word),* }
            }

            /// Returns whether a body follows the line.
            #[must_use]
            pub const fn has_body(self) -> bool {
                matches!(self, Self::Reserved | Self::Found | Self::Ok)
            }

            /// What is behind the word.
            pub(super) const fn shape(self) -> Shape {
                match self { $(Self::$kind => Shape::$shape),* }
            }

            /// How its line begins: the word, and the space or the line end behind it.
            pub(super) const fn start(self) -> &'static [u8] {
                match self { $(Self::$kind => start!($word $shape)),* }
            }

            /// Whether it is the word of any kind.
            pub(super) fn is_word(word: &[u8]) -> bool {
                Self::ALL.iter().any(|kind| kind.word().as_bytes() == word)
            }

            const fn bit(self) -> u32 {
                1 << self as u32
            }
        }

        /// A reply, with the values the server gave: what a [`Command`](crate::Command) and a [`Raw`](crate::Raw) line are answered with.
        ///
        /// ```
        /// use beanstalk_proto::{JobId, Reply};
        ///
        /// /// How a line of a log shows it.
        /// fn show(reply: &Reply) -> String {
        ///     match reply {
        ///         Reply::Inserted(id) => format!("job {id}"),
        ///         Reply::Other(reply) => String::from_utf8_lossy(reply.word()).into_owned(),
        ///         reply => reply.kind().map_or("closed", |kind| kind.word()).to_owned(),
        ///     }
        /// }
        ///
        /// assert_eq!(show(&Reply::Inserted(JobId(7))), "job 7");
        /// assert_eq!(show(&Reply::TimedOut), "TIMED_OUT");
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Reply {
            /// No line at all: the server closed the connection, as `quit` asks. It is encoded as nothing.
            Closed,
            $($(#[$doc])* $kind $(($value))?,)*
            /// A reply this crate has no name for, to a raw command or one that the application defined.
            Other(OtherReply),
        }

        impl Reply {
            /// Returns the kind of the reply, without its values; `None` for [`Reply::Other`] and [`Reply::Closed`].
            #[must_use]
            pub const fn kind(&self) -> Option<ReplyKind> {
                match self {
                    $(Self::$kind { .. } => Some(ReplyKind::$kind),)*
                    Self::Closed | Self::Other(_) => None,
                }
            }
        }
    };
}

/// What is behind the word of a reply line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Nothing,
    /// An id or a count.
    Number,
    /// An id and the length of a body.
    Job,
    /// The length of a body.
    Length,
    /// The name of a tube.
    Name,
}

macro_rules! start {
    ($word:literal Nothing) => {
        concat!($word, "\r\n").as_bytes()
    };
    ($word:literal $shape:ident) => {
        concat!($word, " ").as_bytes()
    };
}

/// Hands the list of replies to a macro. Those that a name or a body belongs to come last: whether there is something to free, or
/// more to come, is then found by one comparison. Of two that begin alike, the first has the byte by which it differs.
macro_rules! reply_table {
    ($emit:ident) => {
        $emit! {
            /// `INSERTED <id>`
            Inserted(JobId) "INSERTED" Number;
            /// `BURIED <id>`
            BuriedId(JobId) "BURIED" Number if b' ' at 6;
            /// `BURIED`
            Buried "BURIED" Nothing;
            /// `DEADLINE_SOON`
            DeadlineSoon "DEADLINE_SOON" Nothing;
            /// `TIMED_OUT`
            TimedOut "TIMED_OUT" Nothing;
            /// `DELETED`
            Deleted "DELETED" Nothing;
            /// `RELEASED`
            Released "RELEASED" Nothing;
            /// `TOUCHED`
            Touched "TOUCHED" Nothing;
            /// `WATCHING <count>`
            Watching(u64) "WATCHING" Number;
            /// `NOT_FOUND`
            NotFound "NOT_FOUND" Nothing if b'F' at 4;
            /// `NOT_IGNORED`
            NotIgnored "NOT_IGNORED" Nothing;
            /// `KICKED <count>`
            KickedCount(u64) "KICKED" Number if b' ' at 6;
            /// `KICKED`
            Kicked "KICKED" Nothing;
            /// `PAUSED`
            Paused "PAUSED" Nothing;
            /// `EXPECTED_CRLF`
            ExpectedCrlf "EXPECTED_CRLF" Nothing;
            /// `JOB_TOO_BIG`
            JobTooBig "JOB_TOO_BIG" Nothing;
            /// `DRAINING`
            Draining "DRAINING" Nothing;
            /// `OUT_OF_MEMORY`
            OutOfMemory "OUT_OF_MEMORY" Nothing;
            /// `INTERNAL_ERROR`
            InternalError "INTERNAL_ERROR" Nothing;
            /// `BAD_FORMAT`
            BadFormat "BAD_FORMAT" Nothing;
            /// `UNKNOWN_COMMAND`
            UnknownCommand "UNKNOWN_COMMAND" Nothing;
            /// `USING <tube>`
            Using(TubeName) "USING" Name;
            /// `RESERVED <id> <bytes>` and the body
            Reserved(Job) "RESERVED" Job;
            /// `FOUND <id> <bytes>` and the body
            Found(Job) "FOUND" Job;
            /// `OK <bytes>` and the body
            Ok(Vec<u8>) "OK" Length;
        }
    };
}
pub(super) use reply_table;

reply_table!(replies);

/// A set of reply kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[must_use]
pub struct ReplySet(u32);

impl ReplySet {
    /// No kind at all.
    pub const EMPTY: Self = Self(0);
    /// The errors that may answer any command.
    pub const GENERAL: Self =
        Self::of(&[ReplyKind::OutOfMemory, ReplyKind::InternalError, ReplyKind::BadFormat, ReplyKind::UnknownCommand]);
    /// Every kind there is.
    pub const ALL: Self = Self::of(ReplyKind::ALL);

    /// Returns the set of these kinds.
    pub const fn of(kinds: &[ReplyKind]) -> Self {
        let mut bits = 0;
        let mut rest = kinds;
        while let [kind, tail @ ..] = rest {
            bits |= kind.bit();
            rest = tail;
        }
        Self(bits)
    }

    /// Returns the set of the kinds in either.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds in both sets.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The kinds that are no more than a line of a word and a number.
    pub(crate) const PLAIN: Self = {
        let more = Self::BODIES.or(Self::of(&[ReplyKind::Using]));
        Self(Self::ALL.0 & !more.0)
    };

    /// The kinds that a body follows.
    pub(crate) const BODIES: Self = Self::of(&[ReplyKind::Reserved, ReplyKind::Found, ReplyKind::Ok]);

    /// Returns whether a kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: ReplyKind) -> bool {
        self.0 & kind.bit() != 0
    }
}
