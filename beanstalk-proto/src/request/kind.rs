//! The commands as such, without their values: [`Kind`], emitted from the rows of the table.

use super::Args;
use crate::{
    reply::{ReplyKind, ReplySet},
    scan,
    types::Dialect,
};

macro_rules! define_kinds {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $(Reply::$variant:ident $(($value:tt))? => $result:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        /// The commands of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $word, "`")] $name),*
        }

        impl Kind {
            /// Every command, in the order in which a server matches them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the command's word on the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// How a line of this command begins, as a server matches it.
            pub(crate) const fn prefix(self) -> &'static str {
                match self { $(Self::$name => $prefix),* }
            }

            /// Returns the replies that may answer it, general errors included.
            pub const fn replies(self) -> ReplySet {
                match self { $(Self::$name => ReplySet::of(&[$(ReplyKind::$kind),*]).or(ReplySet::GENERAL)),* }
            }
        }
    };
}

command_table!(define_kinds);

impl Kind {
    /// The built-in command whose word a line begins with.
    pub(crate) fn of_verb(line: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word().as_bytes() == scan::word(line))
    }

    /// Whether a server takes what is behind the word of a `put`, without CRLF, for its arguments, and nothing is left over.
    pub(super) fn are_of_put(rest: &[u8]) -> bool {
        let mut args = Args::new(rest, Self::Put, Dialect::default());
        let numbers = args.secs().and(args.secs()).and(args.secs()).and(args.body());
        numbers.is_some() && args.finish() == Some(false)
    }
}

/// Whether it is one of the two commands that wait for any job.
#[inline]
pub(crate) const fn is_reserve(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::Reserve | Kind::ReserveWithTimeout))
}
