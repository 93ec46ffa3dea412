//! What is emitted from the rows here: the request structs and [`Command`](crate::Command).

macro_rules! define {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $(Reply::$variant:ident $(($value:tt))? => $result:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        $(request! {
            $(#[$doc])* $name [$($lt)?] $method $word ($($($arg: $ty $(<$of>)?),+)?) -> $reply
            { $(Reply::$variant $(($value))? => $result,)* } $wait $echo
        })*

        /// A command with all its values: what a server receives, and a way to hold any command in one type.
        ///
        /// # As a request
        ///
        /// Its reply is the untyped [`Reply`], so that a pipeline of mixed commands needs no more than a `Vec<Command>`. Error
        /// replies are errors as everywhere: `OUT_OF_MEMORY`, `INTERNAL_ERROR`, `BAD_FORMAT`, `UNKNOWN_COMMAND`, `NOT_FOUND`,
        /// `NOT_IGNORED`, `DRAINING`, `JOB_TOO_BIG` and `EXPECTED_CRLF` fail the call with
        /// [`Error::Command`](crate::Error::Command), so that a pipeline cannot overlook one. (`BAD_FORMAT`, `UNKNOWN_COMMAND` and `EXPECTED_CRLF` in
        /// reply to a `put` are fatal: [`ProtocolError::BodyRefused`](crate::ProtocolError::BodyRefused).) Every other reply that the command may get is
        /// returned as `Ok`, `TIMED_OUT`, `DEADLINE_SOON` and `BURIED` too. [`CommandError::reply`](crate::CommandError::reply)
        /// turns the error into the reply again.
        ///
        /// The reply to `quit` is [`Reply::Closed`]. Statistics and lists come as the body of [`Reply::Ok`], undecoded.
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
        }

        impl Request for Command {
            type Reply = Reply;

            fn expect(&self) -> Expect {
                match self {
                    $(Self::$name $({ $($arg),+ })? => {
                        $($(let _ = $arg;)+)?
                        let expect = command_expect!($wait $echo $name $($($arg)+)?);
                        $($(let expect = about!($echo $ty expect $arg);)+)?
                        expect
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
            pub fn new($($arg: impl Argument<field!($ty $($of)?)>),*) -> Self {
                Self { $($arg: $arg.into_argument()),* }
            }
        }

        impl $(<$lt>)? Request for $name $(<$lt>)? {
            type Reply = $reply;

            #[inline]
            fn expect(&self) -> Expect {
                let request = self;
                let _ = request;
                let expect = request_expect!($wait $echo $name request);
                $(let expect = about!($echo $ty expect &request.$arg);)*
                expect
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
                    error => Err(error.into()),
                }
            }
        }
    };
}

/// Forgets a reply of which nothing is left to drop. To find that out by its value would cost more than to decode it.
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
        // A bad name is an error when it is encoded.
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

/// Names what a request is about, unless that is what the reply must repeat.
macro_rules! about {
    (none id $expect:ident $value:expr) => {
        $expect.subject(Subject::from($value))
    };
    (none tube $expect:ident $value:expr) => {
        $expect.subject(Subject::from($value))
    };
    (none body $expect:ident $value:expr) => {
        $expect.subject(Subject::from($value))
    };
    ($echo:ident $ty:ident $expect:ident $value:expr) => {
        $expect
    };
}
