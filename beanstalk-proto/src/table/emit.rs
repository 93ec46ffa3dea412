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
        /// ```
        /// use beanstalk_proto::{Command, JobId, TubeName};
        ///
        /// // To be sent in one pipeline, as with a client's `call_all`.
        /// let commands = [
        ///     Command::Use { tube: TubeName::new("emails")? },
        ///     Command::Kick { bound: 100 },
        ///     Command::Delete { id: JobId(7) },
        /// ];
        /// assert_eq!(commands[1].kind().word(), "kick");
        /// # Ok::<(), beanstalk_proto::TubeNameError>(())
        /// ```
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
            $(#[doc = concat!("`", $word, "`: see [`", stringify!($name), "`](crate::commands::", stringify!($name), ").")] $name $({ $($arg: owned!($ty)),+ })?),*
        }

        impl Command {
            /// Returns which command it is.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name { .. } => Kind::$name),* }
            }

            /// Reads the arguments of a command line, each as a server does.
            pub(crate) fn parse_args(kind: Kind, args: &mut Args<'_>) -> Option<Self> {
                Some(match kind { $(Kind::$name => Self::$name $({ $($arg: args.$ty()?),+ })?),* })
            }
        }

        impl Request for Command {
            type Reply = Reply;

            fn expect(&self) -> Expect {
                match self {
                    $(Self::$name $({ $($arg),+ })? => expect!($wait $echo $name $($($ty $arg)+)?),)*
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
        ///
        /// # Example
        ///
        /// ```
        #[doc = concat!("use beanstalk_proto::{", stringify!($name), ", encode};")]
        ///
        #[doc = concat!("let request = ", stringify!($name), "::new(", samples!($($ty)*), ");")]
        #[doc = concat!("assert!(encode(request)?.starts_with(b\"", $word, "\"));")]
        /// # Ok::<(), beanstalk_proto::ArgumentError>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[must_use]
        pub struct $name $(<$lt>)? {
            $(#[doc = about_field!($ty $arg)] pub $arg: field!($ty $($of)?),)*
        }

        impl $(<$lt>)? $name $(<$lt>)? {
            #[doc = concat!("Returns the request that the method `", stringify!($method), "` of a client sends, from its arguments in the protocol's order.")]
            #[allow(clippy::new_without_default, reason = "a request is said, not defaulted")]
            pub fn new($($arg: impl Argument<field!($ty $($of)?)>),*) -> Self {
                Self { $($arg: $arg.into_argument()),* }
            }
        }

        impl $(<$lt>)? Request for $name $(<$lt>)? {
            type Reply = $reply;

            #[inline]
            fn expect(&self) -> Expect {
                let Self { $($arg),* } = self;
                expect!($wait $echo $name $($ty $arg)*)
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

/// What a command with these arguments, which are borrowed, expects in return.
macro_rules! expect {
    ($wait:ident $echo:ident $name:ident $($ty:ident $arg:ident)*) => {{
        let expect = Expect::of(Kind::$name);
        $(let expect = about!($ty expect $arg);)*
        let expect = wait!($wait expect $($arg)*);
        echo!($echo expect)
    }};
}

/// Names what a request is about, if it is this argument.
macro_rules! about {
    (id $expect:ident $id:ident) => {
        $expect.subject(Subject::Job(*$id))
    };
    // A bad name is refused when the request is encoded.
    (tube $expect:ident $tube:ident) => {
        $expect.subject(TubeName::new($tube.as_str()).map_or(Subject::None, Subject::Tube))
    };
    (body $expect:ident $body:ident) => {
        $expect.subject(Subject::Body($body.len()))
    };
    ($number:ident $expect:ident $value:ident) => {{
        let _ = $value;
        $expect
    }};
}

/// Demands that the reply repeats what the request is about.
macro_rules! echo {
    (none $expect:ident) => {
        $expect
    };
    ($what:ident $expect:ident) => {
        $expect.echoed()
    };
}
