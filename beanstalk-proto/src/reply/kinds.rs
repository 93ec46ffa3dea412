//! What a reply can be, and sets of that.

macro_rules! reply_kinds {
    ($($(#[$doc:meta])* $kind:ident $word:literal $shape:ident)*) => {
        /// What a reply says, without its values. `BURIED` and `KICKED` have two forms each, so they are two kinds each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ReplyKind { $($(#[$doc])* $kind),* }

        impl ReplyKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The word on the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word),* }
            }

            /// Whether a body follows the line.
            #[must_use]
            pub const fn has_body(self) -> bool {
                matches!(self, Self::Reserved | Self::Found | Self::Ok)
            }

            const fn bit(self) -> u32 {
                1 << self as u32
            }
        }
    };
}

// Those that a name or a body belongs to come last, here and in `Reply`: whether there is something to free, or more to come,
// is then told by one comparison.
reply_kinds! {
    /// `INSERTED <id>`
    Inserted "INSERTED" id
    /// `BURIED`
    Buried "BURIED" bare
    /// `BURIED <id>`
    BuriedId "BURIED" id
    /// `DEADLINE_SOON`
    DeadlineSoon "DEADLINE_SOON" bare
    /// `TIMED_OUT`
    TimedOut "TIMED_OUT" bare
    /// `DELETED`
    Deleted "DELETED" bare
    /// `RELEASED`
    Released "RELEASED" bare
    /// `TOUCHED`
    Touched "TOUCHED" bare
    /// `WATCHING <count>`
    Watching "WATCHING" count
    /// `NOT_IGNORED`
    NotIgnored "NOT_IGNORED" bare
    /// `KICKED`
    Kicked "KICKED" bare
    /// `KICKED <count>`
    KickedCount "KICKED" count
    /// `PAUSED`
    Paused "PAUSED" bare
    /// `NOT_FOUND`
    NotFound "NOT_FOUND" bare
    /// `EXPECTED_CRLF`
    ExpectedCrlf "EXPECTED_CRLF" bare
    /// `JOB_TOO_BIG`
    JobTooBig "JOB_TOO_BIG" bare
    /// `DRAINING`
    Draining "DRAINING" bare
    /// `OUT_OF_MEMORY`
    OutOfMemory "OUT_OF_MEMORY" bare
    /// `INTERNAL_ERROR`
    InternalError "INTERNAL_ERROR" bare
    /// `BAD_FORMAT`
    BadFormat "BAD_FORMAT" bare
    /// `UNKNOWN_COMMAND`
    UnknownCommand "UNKNOWN_COMMAND" bare
    /// `USING <tube>`
    Using "USING" name
    /// `RESERVED <id> <bytes>` and the body
    Reserved "RESERVED" job
    /// `FOUND <id> <bytes>` and the body
    Found "FOUND" job
    /// `OK <bytes>` and the body
    Ok "OK" body
}

/// A set of reply kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReplySet(u32);

impl ReplySet {
    /// No kind at all.
    pub const EMPTY: Self = Self(0);
    /// The errors that may answer any command.
    pub const GENERAL: Self =
        Self::of(&[ReplyKind::OutOfMemory, ReplyKind::InternalError, ReplyKind::BadFormat, ReplyKind::UnknownCommand]);
    /// Every kind there is.
    pub const ALL: Self = Self::of(ReplyKind::ALL);

    /// The set of these kinds.
    #[must_use]
    pub const fn of(kinds: &[ReplyKind]) -> Self {
        let mut bits = 0;
        let mut rest = kinds;
        while let [kind, tail @ ..] = rest {
            bits |= kind.bit();
            rest = tail;
        }
        Self(bits)
    }

    /// The kinds in either set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds in both sets.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The kinds that say nothing but numbers and a body.
    pub(crate) const DIRECT: Self = Self(Self::ALL.0 & !ReplyKind::Using.bit());

    /// The kinds that are no more than a line of a word and a number.
    pub(crate) const PLAIN: Self = {
        let bodies = Self::of(&[ReplyKind::Reserved, ReplyKind::Found, ReplyKind::Ok]);
        Self(Self::DIRECT.0 & !bodies.0)
    };

    /// Whether a kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: ReplyKind) -> bool {
        self.0 & kind.bit() != 0
    }
}
