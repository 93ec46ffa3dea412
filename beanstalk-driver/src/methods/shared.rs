//! The methods of a client that tasks share.

/// What a shared client has besides the commands.
#[doc(hidden)]
#[macro_export]
macro_rules! __shared_calls {
    () => {
        /// Returns a handle of the same connection whose calls have so long for their replies, and for finding room before, in place
        /// of [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout); `None` waits as long as it takes.
        ///
        /// A body has to be written within it, or read: 16 MiB take 7 s on a line of 20 Mbit/s, and 134 s at 1 Mbit/s.
        #[must_use]
        pub fn timeout(&self, timeout: impl Into<Option<core::time::Duration>>) -> Self {
            Self { shared: self.shared.with_timeout($crate::proto::client::Timeout::of(timeout)) }
        }

        /// Sends a request and waits for its reply. It must neither wait nor depend on the connection's tubes.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped once it has been polled, the request may still run; its reply is dropped when it comes.
        ///
        /// # Errors
        ///
        /// [`ArgumentError::NotShareable`](beanstalk_proto::ArgumentError::NotShareable), and everything that
        /// [`Error`](beanstalk_proto::Error) lists.
        pub async fn call<R: $crate::proto::Request>(&self, request: R) -> Result<R::Reply, Error> {
            self.shared.call(request).await
        }

        /// Sends a request about the tube in use, with `use` ahead of it if another one is in use.
        ///
        /// # Cancel safety
        ///
        /// As `call`.
        ///
        /// # Errors
        ///
        /// As `call`, and [`Error::UseRefused`](beanstalk_proto::Error::UseRefused), which says what became of the request.
        pub async fn call_in<R: $crate::proto::Request>(
            &self,
            tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'_>>,
            request: R,
        ) -> Result<R::Reply, Error> {
            self.shared.call_in(tube, request).await
        }

        /// The jobs that arrived for nobody because their `reserve_job` was dropped, unconfirmed: the time to run of each
        /// may be over.
        #[must_use]
        pub fn take_orphaned(&self) -> $crate::proto::__private::Vec<$crate::proto::Job> {
            self.shared.take_orphaned()
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __shared_methods {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        $($crate::__shared_method! { $shared [$(#[$doc])*] $name [$($lt)?] $method ($($($arg: $ty [$($of)?]),+)?) -> $reply })*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __shared_method {
    (no $($row:tt)*) => {};
    (as_is [$($doc:tt)*] $name:ident [$($lt:lifetime)?] $method:ident ($($arg:ident: $ty:ident [$($of:lifetime)?]),*) -> $reply:ty) => {
        $($doc)*
        ///
        /// # Cancel safety
        ///
        #[doc = $crate::__cancel_safety!(shared)]
        pub async fn $method$(<$lt>)?(
            &self
            $(, $arg: impl $crate::proto::Argument<$crate::__argument!($ty $($of)?)>)*
        ) -> Result<$reply, Error> {
            self.shared.call($crate::proto::$name::new($($arg),*)).await
        }
    };
    ($in_tube:ident [$($doc:tt)*] $name:ident [$($lt:lifetime)?] $method:ident ($($arg:ident: $ty:ident [$($of:lifetime)?]),*) -> $reply:ty) => {
        $($doc)*
        ///
        /// And [`UseRefused`](beanstalk_proto::Error::UseRefused): the command ran in another tube.
        ///
        /// # The tube
        ///
        /// The tube in use is `tube` here: `use` is sent ahead of the command, in one step with it, unless that is the tube
        /// in use already. What other tasks do does not matter.
        ///
        /// # Cancel safety
        ///
        #[doc = $crate::__cancel_safety!(shared)]
        pub async fn $in_tube$(<$lt>)?(
            &self,
            tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'_>>
            $(, $arg: impl $crate::proto::Argument<$crate::__argument!($ty $($of)?)>)*
        ) -> Result<$reply, Error> {
            self.shared.call_in(tube, $crate::proto::$name::new($($arg),*)).await
        }
    };
}
