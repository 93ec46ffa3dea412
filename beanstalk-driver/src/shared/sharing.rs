//! Which commands can be sent on a connection that several callers share, each with tubes of its own.

use alloc::{borrow::Cow, format};

use beanstalk_proto::{ArgumentError, Expect, Kind, Wait};

/// How a command can be sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    /// It neither waits nor has to do with the connection's tubes.
    AsIs,
    /// It is about the tube in use: with a `use` ahead of it, by the method of this name, which takes the tube first.
    InTube(&'static str),
    /// Not at all: it waits, or changes what the other callers rely on.
    No,
}

macro_rules! sharing {
    (as_is) => {
        Sharing::AsIs
    };
    (no) => {
        Sharing::No
    };
    ($in_tube:ident) => {
        Sharing::InTube(stringify!($in_tube))
    };
}

macro_rules! define_sharing {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($from:tt)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        const fn sharing_of(kind: Kind) -> Sharing {
            match kind { $(Kind::$name => sharing!($shared)),* }
        }
    };
}

beanstalk_proto::command_table!(define_sharing);

/// Refuses a request that cannot be sent so; the error names what to call instead.
pub(super) fn check(expect: &Expect, in_tube: bool) -> Result<(), ArgumentError> {
    let sharing = expect.kind.map_or(Sharing::AsIs, sharing_of);
    let instead = match (sharing, expect.kind) {
        (Sharing::AsIs, _) if expect.wait == Wait::No => return Ok(()),
        (Sharing::InTube(_), _) if in_tube && expect.wait == Wait::No => return Ok(()),
        (Sharing::InTube(method), _) => {
            Cow::Owned(format!("it is about the tube in use, so call `{method}` with the tube, or `call_in`"))
        }
        (_, Some(Kind::Use | Kind::ListTubeUsed)) => Cow::Borrowed(
            "the tube in use is that of each call, which the methods ending in `_in`, and `call_in`, take first",
        ),
        (_, Some(Kind::Quit)) => Cow::Borrowed("the connection ends when its last handle is dropped, so drop them"),
        _ => Cow::Borrowed("it waits, or is about the tubes that are watched, so call it on a `Client` or a `Session`"),
    };
    Err(ArgumentError::NotShareable { command: expect.command, instead: instead.into() })
}
