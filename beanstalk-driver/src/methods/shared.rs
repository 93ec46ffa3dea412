//! The methods of a client that tasks share.

/// What a shared client has besides the commands.
#[doc(hidden)]
#[macro_export]
macro_rules! __shared_calls {
    ($runtime:ty) => {
        /// Returns a handle of the same client whose calls take no longer than this all told: waiting for a connection, for their turn
        /// and for the reply. With `None` the reply has as long as it takes.
        ///
        /// Without this a call waits for a connection and its turn as long as [`SharedConfig::patience`](beanstalk_driver::policy::SharedConfig),
        /// and for its reply as long as [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout) from the reply before it. A
        /// call that is over before that is given up alone, and the connection goes on.
        ///
        /// A body has to be written within it, or read: 16 MiB take 7 s on a line of 20 Mbit/s, and 134 s at 1 Mbit/s.
        #[must_use]
        pub fn timeout(&self, timeout: impl Into<Option<core::time::Duration>>) -> Self {
            Self { shared: self.shared.with_timeout($crate::proto::client::Timeout::of(timeout)) }
        }

        /// Sends a request and waits for its reply. It must neither wait nor depend on the connection's tubes.
        ///
        /// The request is kept until its reply is here, in case it has to be repeated: a body that is borrowed is not copied for that.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped once it has been polled, the request may still run; its reply is dropped when it comes.
        ///
        /// # Errors
        ///
        /// [`ArgumentError::NotShareable`](beanstalk_proto::ArgumentError::NotShareable), and everything that
        /// [`Error`](beanstalk_proto::Error) lists. When there is no connection in time, what the last attempt failed with; when too many
        /// calls wait for one, [`Error::Full`](beanstalk_proto::Error::Full).
        pub async fn call<R: $crate::proto::Request + Clone>(&self, request: R) -> Result<R::Reply, Error> {
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
        pub async fn call_in<R: $crate::proto::Request + Clone>(
            &self,
            tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'_>>,
            request: R,
        ) -> Result<R::Reply, Error> {
            self.shared.call_in(tube, request).await
        }

        /// Sends a request as `call` does, and returns once its last byte was flushed. What it returns is the future of the reply, which
        /// may be dropped. A request that was flushed is not repeated.
        ///
        /// # Cancel safety
        ///
        /// As `call`.
        ///
        /// # Errors
        ///
        /// As `call`, but for what the server answers.
        pub async fn send<R: $crate::proto::Request + Clone>(
            &self,
            request: R,
        ) -> Result<$crate::SharedReply<$runtime, R::Reply>, Error> {
            self.shared.send(request).await
        }

        /// Sends a request as `call_in` does, and returns once its last byte was flushed: see `send`.
        ///
        /// # Cancel safety
        ///
        /// As `call`.
        ///
        /// # Errors
        ///
        /// As `call_in`, but for what the server answers.
        pub async fn send_in<R: $crate::proto::Request + Clone>(
            &self,
            tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'_>>,
            request: R,
        ) -> Result<$crate::SharedReply<$runtime, R::Reply>, Error> {
            self.shared.send_in(tube, request).await
        }

        /// Has this told of what happens to the connection, by the task that moves its bytes: it must not block. What has happened so far
        /// (the last 64 events) is told at once. Another listener replaces it.
        pub fn on_event(&self, listener: impl Fn(&$crate::policy::Event) + Send + Sync + 'static) {
            self.shared.on_event(listener);
        }

        /// Returns whether the client has ended, so that no call can succeed any more: after `disconnect`, and one that does not connect
        /// again when its connection has ended.
        #[must_use]
        pub fn is_closed(&self) -> bool {
            self.shared.is_closed()
        }

        /// Waits until the client has ended: see `is_closed`.
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn closed(&self) {
            self.shared.closed().await;
        }

        /// Ends the client, for all its handles: what was sent is answered, then the connection ended in order, for as long as a reply may
        /// take. Calls that wait for a connection fail. Without it that happens once the last handle is dropped.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped, the client ends nevertheless.
        pub async fn disconnect(&self) {
            self.shared.disconnect().await;
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

/// What a shared client that blocks has besides the commands.
#[doc(hidden)]
#[macro_export]
macro_rules! __blocking_shared_calls {
    ($block_on:path) => {
        /// Returns a handle of the same client whose calls take no longer than this all told: waiting for a connection, for their turn
        /// and for the reply. With `None` the reply has as long as it takes.
        ///
        /// Without this a call waits for a connection and its turn as long as [`SharedConfig::patience`](beanstalk_driver::policy::SharedConfig),
        /// and for its reply as long as [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout) from the reply before it. A
        /// call that is over before that is given up alone, and the connection goes on.
        ///
        /// A body has to be written within it, or read: 16 MiB take 7 s on a line of 20 Mbit/s, and 134 s at 1 Mbit/s.
        #[must_use]
        pub fn timeout(&self, timeout: impl Into<Option<core::time::Duration>>) -> Self {
            Self { shared: self.shared.with_timeout($crate::proto::client::Timeout::of(timeout)) }
        }

        /// Sends a request and waits for its reply. It must neither wait nor depend on the connection's tubes.
        ///
        /// The request is kept until its reply is here, in case it has to be repeated: a body that is borrowed is not copied for that.
        ///
        /// # Errors
        ///
        /// [`ArgumentError::NotShareable`](beanstalk_proto::ArgumentError::NotShareable), and everything that
        /// [`Error`](beanstalk_proto::Error) lists. When there is no connection in time, what the last attempt failed with; when too many
        /// calls wait for one, [`Error::Full`](beanstalk_proto::Error::Full).
        pub fn call<R: $crate::proto::Request + Clone>(&self, request: R) -> Result<R::Reply, Error> {
            $block_on(self.shared.call(request))
        }

        /// Sends a request about the tube in use, with `use` ahead of it if another one is in use.
        ///
        /// # Errors
        ///
        /// As `call`, and [`Error::UseRefused`](beanstalk_proto::Error::UseRefused), which holds what became of the request.
        pub fn call_in<'tube, R: $crate::proto::Request + Clone>(
            &self,
            tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'tube>>,
            request: R,
        ) -> Result<R::Reply, Error> {
            $block_on(self.shared.call_in(tube, request))
        }

        /// Calls this with what happens to the connection, in the thread that moves its bytes: it must not block. What has happened so far
        /// (the last 64 events) is reported at once. Another listener replaces it.
        pub fn on_event(&self, listener: impl Fn(&$crate::policy::Event) + Send + Sync + 'static) {
            self.shared.on_event(listener);
        }

        /// Returns whether the client has ended, so that no call can succeed any more: after `disconnect`, and one that does not connect
        /// again when its connection has ended.
        #[must_use]
        pub fn is_closed(&self) -> bool {
            self.shared.is_closed()
        }

        /// Ends the client, for all its handles: what was sent is answered, then the connection ended in order, for as long as a reply may
        /// take. Calls that wait for a connection fail. Without it that happens once the last handle is dropped.
        pub fn disconnect(&self) {
            $block_on(self.shared.disconnect());
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __blocking_shared_methods {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        $($crate::__blocking_shared_method! { $shared [$(#[$doc])*] $name [$($lt)?] $method ($($($arg: $ty [$($of)?]),+)?) -> $reply })*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __blocking_shared_method {
    (no $($row:tt)*) => {};
    (as_is [$($doc:tt)*] $name:ident [$($lt:lifetime)?] $method:ident ($($arg:ident: $ty:ident [$($of:lifetime)?]),*) -> $reply:ty) => {
        $($doc)*
        pub fn $method$(<$lt>)?(
            &self
            $(, $arg: impl $crate::proto::Argument<$crate::__argument!($ty $($of)?)>)*
        ) -> Result<$reply, Error> {
            self.call($crate::proto::$name::new($($arg),*))
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
        /// in use already. What other threads do does not matter.
        pub fn $in_tube<'tube $(, $lt)?>(
            &self,
            tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'tube>>
            $(, $arg: impl $crate::proto::Argument<$crate::__argument!($ty $($of)?)>)*
        ) -> Result<$reply, Error> {
            self.call_in(tube, $crate::proto::$name::new($($arg),*))
        }
    };
}
