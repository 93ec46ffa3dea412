//! The methods for the commands, from the rows of the command table.

/// Emits a method for every command of the protocol, in an `impl` with a method `call` that takes a
/// [`Request`](beanstalk_proto::Request), and next to an `Error`.
///
/// ```ignore
/// impl Client { beanstalk_driver::command_methods! { (async) } }
/// ```
///
/// `(blocking by block_on)` makes blocking ones. The examples in their documentation need a `Client` with a function `connect` at the root of
/// the crate.
#[macro_export]
macro_rules! command_methods {
    ((async)) => { $crate::proto::command_table!($crate::__async_commands); };
    ((blocking by $block_on:path)) => { $crate::proto::command_table!($crate::__blocking_commands); };
    ($mode:tt $($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        $crate::__methods! { $mode $(
            $(#[$doc])*
            ///
            /// # Example
            ///
            /// ```no_run
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("# let mut client = ", env!("CARGO_CRATE_NAME"), "::Client::connect(\"127.0.0.1:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!($example, $crate::__await!($mode), "?;")]
            /// # Ok(())
            /// # }
            /// ```
            future($crate::__cancel_safety!($wait $method))
            fn $method$([$lt])?(&mut self $($(, $arg: impl $crate::proto::Argument<$crate::__argument!($ty $($of)?)>)+)?) -> Result<$reply, Error> {
                self.call($crate::proto::$name::new($($($arg),+)?))
            }
        )* }
        $crate::__put_json! {
            $mode put_json [] (&mut self) put => self.call(put); safe no
            "Client" "put_json("
        }
    };
}

/// The commands of a client that several share, in an impl with methods `call` and `call_in`.
#[doc(hidden)]
#[macro_export]
macro_rules! __shared_commands {
    ((async)) => { $crate::proto::command_table!($crate::__async_shared_commands); };
    ((blocking by $block_on:path)) => { $crate::proto::command_table!($crate::__blocking_shared_commands); };
    ($mode:tt $($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        $($crate::__shared_command! {
            $mode $shared [$(#[$doc])*] $name [$($lt)?] $method ($($($arg: $ty [$($of)?]),+)?) -> $reply
        })*
        $crate::__put_json! {
            $mode put_json_in ['tube,] (&self, tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'tube>>) put => self.call_in(tube, put); safe shared
            "SharedClient" "put_json_in(\"mails\", "
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __shared_command {
    ($mode:tt no $($row:tt)*) => {};
    ($mode:tt as_is [$($doc:tt)*] $name:ident [$($lt:lifetime)?] $method:ident
     ($($arg:ident: $ty:ident [$($of:lifetime)?]),*) -> $reply:ty) => {
        $crate::__methods! { $mode
            $($doc)*
            future($crate::__cancel_safety!(shared))
            fn $method[$($lt)?](&self $(, $arg: impl $crate::proto::Argument<$crate::__argument!($ty $($of)?)>)*) -> Result<$reply, Error> {
                self.call($crate::proto::$name::new($($arg),*))
            }
        }
    };
    ($mode:tt $in_tube:ident [$($doc:tt)*] $name:ident [$($lt:lifetime)?] $method:ident
     ($($arg:ident: $ty:ident [$($of:lifetime)?]),*) -> $reply:ty) => {
        $crate::__methods! { $mode
            $($doc)*
            ///
            /// And [`UseRefused`](beanstalk_proto::Error::UseRefused): the command ran in another tube.
            ///
            /// # The tube
            ///
            /// The tube in use is `tube` here: `use` is sent ahead of the command, in one step with it, unless that is the tube
            /// in use already. What others do does not matter.
            future($crate::__cancel_safety!(shared))
            fn $in_tube['tube $(, $lt)?](
                &self,
                tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'tube>>
                $(, $arg: impl $crate::proto::Argument<$crate::__argument!($ty $($of)?)>)*
            ) -> Result<$reply, Error> {
                self.call_in(tube, $crate::proto::$name::new($($arg),*))
            }
        }
    };
}

/// The method that puts a value as JSON, beside `put`.
#[doc(hidden)]
#[macro_export]
#[cfg(feature = "json")]
macro_rules! __put_json {
    ($mode:tt $name:ident [$($generics:tt)*] ($($receiver:tt)*) $put:ident => $call:expr; safe $safe:ident $client:literal $example:literal) => {
        $crate::__methods! { $mode
            /// Adds a job whose body is this value in JSON, as [`Body::json`](beanstalk_proto::Body::json) makes it:
            /// [`Job::json`](beanstalk_proto::Job::json) reads it, and `Json` as a handler's argument. All else is as with `put`.
            ///
            /// # Errors
            ///
            /// As `put`, and [`ArgumentError::Body`](beanstalk_proto::ArgumentError::Body) if JSON has no form for the value: nothing is
            /// sent then.
            ///
            /// # Example
            ///
            /// ```no_run
            #[doc = $crate::__example!($mode)]
            /// // Or of a type of your own that derives `Serialize`.
            /// let mail = std::collections::BTreeMap::from([("to", "ann"), ("subject", "hello")]);
            #[doc = concat!("# let mut client = ", env!("CARGO_CRATE_NAME"), "::", $client, "::connect(\"127.0.0.1:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("client.", $example, "1024, 0, 60, &mail)", $crate::__await!($mode), "?.inserted()?;")]
            /// # Ok(())
            /// # }
            /// ```
            future($crate::__cancel_safety!($safe))
            fn $name[$($generics)* Value: $crate::Serialize + ?Sized](
                $($receiver)*,
                priority: impl $crate::proto::Argument<$crate::proto::Priority>,
                delay: impl $crate::proto::Argument<$crate::proto::Seconds>,
                ttr: impl $crate::proto::Argument<$crate::proto::Seconds>,
                value: &Value
            ) -> Result<$crate::proto::PutOutcome, Error> {
                // Before the future, which need not hold the value then.
                let $put = $crate::proto::Put::json(value).map(|put| put.priority(priority).delay(delay).ttr(ttr));
                $crate::__then!($mode $put => $call)
            }
        }
    };
}

/// Makes a call with what may have failed.
#[doc(hidden)]
#[macro_export]
#[cfg(feature = "json")]
macro_rules! __then {
    ((async) $value:ident => $call:expr) => {
        async move {
            let $value = $value?;
            $call.await
        }
    };
    ($blocking:tt $value:ident => $call:expr) => {{
        let $value = $value?;
        $call
    }};
}

/// Without the feature there is none.
#[doc(hidden)]
#[macro_export]
#[cfg(not(feature = "json"))]
macro_rules! __put_json {
    ($($any:tt)*) => {};
}

/// Each adds the mode to the rows of the table.
#[doc(hidden)]
#[macro_export]
macro_rules! __async_commands {
    ($($rows:tt)*) => { $crate::command_methods! { (async) $($rows)* } };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __blocking_commands {
    ($($rows:tt)*) => { $crate::command_methods! { (blocking) $($rows)* } };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __async_shared_commands {
    ($($rows:tt)*) => { $crate::__shared_commands! { (async) $($rows)* } };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __blocking_shared_commands {
    ($($rows:tt)*) => { $crate::__shared_commands! { (blocking) $($rows)* } };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __cancel_safety {
    (shared) => {
        "If the future is dropped once it has been polled, the command may still run; its reply is dropped when it comes. The other tasks notice nothing."
    };
    (no reserve_job) => {
        "If the future is dropped once it has been polled, the command may still run, and the connection stays in sync. A job that is reserved so is kept for the next reserve."
    };
    (no $($method:ident)?) => {
        "If the future is dropped once it has been polled, the command may still run; its reply is dropped when it comes, and the connection stays in sync."
    };
    ($wait:ident $method:ident) => {
        "Safe in `select!`: if the future is dropped while the server waits, the next `reserve` or `reserve_with_timeout` takes the waiting over; a job that came meanwhile is handed to it, once `touch` has confirmed that it is still ours."
    };
}
