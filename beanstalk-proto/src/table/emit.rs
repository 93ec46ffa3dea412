//! What comes of the rows in this crate: the request structs, [`Kind`](crate::Kind), [`Command`](crate::Command) and the
//! server's line parser.

macro_rules! define {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $(Reply::$variant:ident $(($value:tt))? => $result:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        $(request! {
            $(#[$doc])* $name [$($lt)?] $method $word ($($($arg: $ty $(<$of>)?),+)?) -> $reply
            { $(Reply::$variant $(($value))? => $result,)* } $wait $echo
        })*

        /// The commands of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $word, "`")] $name),*
        }

        impl Kind {
            /// Every command, in the order in which a server matches them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The command's word on the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// How a line of this command begins, as a server matches it.
            pub(crate) const fn prefix(self) -> &'static str {
                match self { $(Self::$name => $prefix),* }
            }

            /// How a connection that tasks share offers it.
            #[doc(hidden)]
            #[must_use]
            pub const fn sharing(self) -> Sharing {
                match self { $(Self::$name => sharing!($shared)),* }
            }

            /// The replies that may answer it, general errors included.
            #[must_use]
            pub const fn replies(self) -> ReplySet {
                match self { $(Self::$name => ReplySet::of(&[$(ReplyKind::$kind),*]).or(ReplySet::GENERAL)),* }
            }
        }

        /// A command with all its values: what a server receives, and a way to hold any command in one type.
        ///
        /// As a [`Request`] its reply is the untyped [`Reply`], so that a pipeline of mixed commands needs no more than a
        /// `Vec<Command>`.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the fields are the arguments of the command")]
        pub enum Command {
            $(#[doc = concat!("`", $word, "`")] $name $({ $($arg: owned!($ty)),+ })?),*
        }

        impl Command {
            /// Which command it is.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name $({ $($arg: _),+ })? => Kind::$name),* }
            }

            pub(crate) fn parse_args(kind: Kind, args: &mut Args<'_>) -> Result<Line, Refused> {
                let command = match kind {
                    $(Kind::$name => Self::$name $({ $($arg: args.$ty()?),+ })?),*
                };
                args.finish(command)
            }
        }

        impl Request for Command {
            type Reply = Reply;

            fn expect(&self) -> Expect {
                match self {
                    $(Self::$name $({ $($arg),+ })? => {
                        $($(let _ = $arg;)+)?
                        command_expect!($wait $echo $name $($($arg)+)?)
                    })*
                }
            }

            fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
                match self {
                    $(Self::$name $({ $($arg),+ })? => $name::new($($($arg),+)?).encode(encoder)),*
                }
            }

            fn decode(reply: Reply) -> Result<Reply, DecodeError> {
                untyped(reply)
            }
        }
    };
}

/// One request struct and its impl.
macro_rules! request {
    ($(#[$doc:meta])* $name:ident [$($lt:lifetime)?] $method:ident $word:literal ($($arg:ident: $ty:ident $(<$of:lifetime>)?),*) -> $reply:ty
     { $(Reply::$variant:ident $(($value:tt))? => $result:expr,)* } $wait:ident $echo:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name $(<$lt>)? {
            $(#[doc = concat!("The command's `", stringify!($arg), "`.")] pub $arg: field!($ty $($of)?),)*
        }

        impl $(<$lt>)? $name $(<$lt>)? {
            #[doc = concat!("The request behind the method `", stringify!($method), "`, with its arguments in the protocol's order.")]
            #[allow(clippy::new_without_default, reason = "a request is said, not defaulted")]
            #[must_use]
            pub fn new($($arg: impl Into<field!($ty $($of)?)>),*) -> Self {
                Self { $($arg: $arg.into()),* }
            }
        }

        impl $(<$lt>)? Request for $name $(<$lt>)? {
            type Reply = $reply;

            #[inline]
            fn expect(&self) -> Expect {
                let request = self;
                let _ = request;
                request_expect!($wait $echo $name request)
            }

            #[inline(always)]
            fn encode(self, encoder: &mut Encoder<'_>) -> Result<(), ArgumentError> {
                encoder.command($word)?;
                $(encode!($ty encoder self.$arg);)*
                Ok(())
            }

            #[inline(always)]
            fn decode(reply: Reply) -> Result<$reply, DecodeError> {
                match reply {
                    $(Reply::$variant $(($value))? => {
                        used_up!($variant reply);
                        Ok($result)
                    })*
                    refusal => Err(refusal.into()),
                }
            }
        }
    };
}

/// Says that nothing of this reply is left to drop. To find that out by its value would cost more than to decode it.
macro_rules! used_up {
    (Reserved $reply:ident) => {};
    (Found $reply:ident) => {};
    (Ok $reply:ident) => {};
    (Using $reply:ident) => {};
    ($plain:ident $reply:ident) => {
        core::mem::forget($reply)
    };
}

/// What a request expects in return.
macro_rules! request_expect {
    (no none $kind:ident $request:ident) => { Expect::of(Kind::$kind) };
    (forever none $kind:ident $request:ident) => { Expect::of(Kind::$kind).wait(Wait::Forever) };
    (timeout none $kind:ident $request:ident) => {
        Expect::of(Kind::$kind).wait(wait!(timeout $request.timeout))
    };
    (no id $kind:ident $request:ident) => { Expect::of(Kind::$kind).echo(Echo::Id($request.id)) };
    (no tube $kind:ident $request:ident) => {
        // A bad name is refused when it is encoded.
        Expect::of(Kind::$kind).echo($request.tube.to_name().map_or(Echo::None, Echo::Tube))
    };
}

/// The same of a [`Command`](crate::Command), which is borrowed.
macro_rules! command_expect {
    (no none $kind:ident $($arg:ident)*) => {
        Expect::of(Kind::$kind)
    };
    (forever none $kind:ident $($arg:ident)*) => {
        Expect::of(Kind::$kind).wait(Wait::Forever)
    };
    (timeout none $kind:ident $timeout:ident) => {
        Expect::of(Kind::$kind).wait(wait!(timeout * $timeout))
    };
    (no id $kind:ident $id:ident) => {
        Expect::of(Kind::$kind).echo(Echo::Id(*$id))
    };
    (no tube $kind:ident $tube:ident) => {
        Expect::of(Kind::$kind).echo(Echo::Tube($tube.clone()))
    };
}
