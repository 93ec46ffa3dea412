//! Emits the named methods of the adapters' clients from the command table.

/// Emits a method for every command of the table, blocking (`sync`) or `async`, inside an `impl Client` whose `call`
/// takes a [`Request`](crate::Request), next to an `Error` and a `Client::connect`:
///
/// ```ignore
/// impl Client { beanstalk_proto::client_methods!(sync); }
/// ```
#[macro_export]
macro_rules! client_methods {
    (sync) => { $crate::__commands!($crate::__sync_methods); };
    (async) => { $crate::__commands!($crate::__async_methods); };
}

/// The type that a method's argument turns into; see the table for the kinds.
#[doc(hidden)]
#[macro_export]
macro_rules! __argument {
    (pri) => { $crate::Priority };
    (secs) => { $crate::Seconds };
    (timeout) => { $crate::Seconds };
    (id) => { $crate::JobId };
    (bound) => { $crate::Bound };
    (tube $of:lifetime) => { $crate::TubeArg<$of> };
    (body $of:lifetime) => { $crate::Body<$of> };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __sync_methods {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident example $example:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Example
            ///
            /// ```no_run
            #[doc = concat!("# fn main() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
            #[doc = concat!("# let mut client = ", env!("CARGO_CRATE_NAME"), "::Client::connect(\"127.0.0.1:11300\")?;")]
            #[doc = concat!($example, "?;")]
            /// # Ok(())
            /// # }
            /// ```
            pub fn $method$(<$lt>)?(&mut self $($(, $arg: impl Into<$crate::__argument!($ty $($of)?)>)+)?) -> Result<$reply, Error> {
                self.call($crate::$name::new($($($arg),+)?))
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __async_methods {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident example $example:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Cancel safety
            ///
            #[doc = $crate::__cancel_safety!($wait)]
            ///
            /// # Example
            ///
            /// ```no_run
            #[doc = concat!("# async fn example() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
            #[doc = concat!("# let mut client = ", env!("CARGO_CRATE_NAME"), "::Client::connect(\"127.0.0.1:11300\").await?;")]
            #[doc = concat!($example, ".await?;")]
            /// # Ok(())
            /// # }
            /// ```
            pub async fn $method$(<$lt>)?(&mut self $($(, $arg: impl Into<$crate::__argument!($ty $($of)?)>)+)?) -> Result<$reply, Error> {
                self.call($crate::$name::new($($($arg),+)?)).await
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __cancel_safety {
    (no) => {
        "If the future is dropped once it has been polled, the command may still run; its reply is dropped when it comes, and the connection stays in step. A job that it brings is kept for the next reserve."
    };
    ($wait:ident) => {
        "Safe in `select!`: if the future is dropped while the server waits, the next `reserve` or `reserve_with_timeout` takes the waiting over; a job that came meanwhile is handed to it, once `touch` has confirmed that it is still ours."
    };
}
