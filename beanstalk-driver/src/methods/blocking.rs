//! The methods of a blocking client.

#[doc(hidden)]
#[macro_export]
macro_rules! __sync_methods {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
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
            pub fn $method$(<$lt>)?(&mut self $($(, $arg: impl $crate::proto::Argument<$crate::__argument!($ty $($of)?)>)+)?) -> Result<$reply, Error> {
                self.call($crate::proto::$name::new($($($arg),+)?))
            }
        )*
    };
}

/// What a blocking client has besides the commands.
#[doc(hidden)]
#[macro_export]
macro_rules! __blocking_calls {
    ($block_on:path) => {
        /// Gives the one call that is made on what this returns so long for its reply, in place of
        /// [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout); `None` waits as long as it takes. As there, what a
        /// `reserve` may wait for a job is added to it, and of a pipeline each reply has so long from the one before it.
        ///
        /// A body has to be written within it, or read: 16 MiB take 7 s on a line of 20 Mbit/s, and 134 s at 1 Mbit/s.
        ///
        /// ```no_run
        #[doc = concat!("use ", env!("CARGO_CRATE_NAME"), "::Client;")]
        /// use std::time::Duration;
        ///
        #[doc = concat!("# fn main() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
        /// let mut client = Client::connect("127.0.0.1:11300")?;
        /// client.timeout(Duration::from_secs(60)).put(0, 0, 120, vec![0; 16 << 20])?.inserted()?;
        /// # Ok(())
        /// # }
        /// ```
        #[must_use = "it counts for the call that is made on what this returns"]
        pub fn timeout(&mut self, timeout: impl Into<Option<core::time::Duration>>) -> &mut Self {
            self.driver.set_timeout($crate::proto::client::Timeout::of(timeout));
            self
        }

        /// Sends a request and waits for its reply: `send` and `reply` in one.
        ///
        /// # Errors
        ///
        /// Everything that [`Error`](beanstalk_proto::Error) lists. After a timeout the connection is still in sync: the reply
        /// is dropped when it comes, and a job that it brings is kept for the next reserve.
        #[inline]
        pub fn call<R: $crate::proto::Request>(&mut self, request: R) -> Result<R::Reply, Error> {
            if self.driver.has_room(&request) {
                $block_on(self.driver.begin(request)?)
            } else {
                $block_on(self.driver.call(request))
            }
        }

        /// Sends a request, and returns the ticket for its reply when the last byte was written and flushed. Several sends
        /// before the first `reply` are a pipeline of mixed commands.
        ///
        /// A server that runs gets what was flushed, even if the client is dropped then: a `put` as the last thing that is done is done.
        /// Of several requests sent so the server may run the first only, as it notices that nobody listens; `disconnect` waits for all.
        ///
        /// # Errors
        ///
        /// As `call`, but for what the server answers.
        pub fn send<R: $crate::proto::Request>(
            &mut self,
            request: R,
        ) -> Result<$crate::proto::client::Ticket<R::Reply>, Error> {
            $block_on(self.driver.send(request))
        }

        /// Waits for the reply to a request that was sent. Replies can be taken in any order.
        ///
        /// # Errors
        ///
        /// As `call`, and [`Error::Ticket`](beanstalk_proto::Error::Ticket) for the ticket of another connection.
        pub fn reply<R>(&mut self, ticket: $crate::proto::client::Ticket<R>) -> Result<R, Error> {
            $block_on(self.driver.reply(ticket))
        }

        /// Gives up the claim to a reply: it is dropped when it comes.
        pub fn abandon<R>(&mut self, ticket: $crate::proto::client::Ticket<R>) {
            self.driver.abandon(ticket);
        }

        /// Sends two requests in one write, and waits for the replies to both. So a worker finishes a job and reserves the
        /// next in one round trip.
        ///
        /// The first does not stand in for the second: if the job to be deleted is not there any more
        /// ([`NotFound`](beanstalk_proto::CommandError::NotFound)), the next one is reserved nevertheless.
        ///
        /// # Errors
        ///
        /// Whatever kept the first from being sent; then nothing was. Each of the two results is as of `call`: if only the
        /// second could not be sent, its own result says so.
        ///
        /// ```no_run
        #[doc = concat!("use ", env!("CARGO_CRATE_NAME"), "::{Client, Delete, Reserve};")]
        ///
        #[doc = concat!("# fn main() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
        /// let mut client = Client::connect("127.0.0.1:11300")?;
        /// let mut next = client.reserve()?;
        /// while let Some(job) = next.job() {
        ///     println!("{}", job.text().unwrap_or("(not text)"));
        ///     let (deleted, reserved) = client.call_both(Delete::new(job.id), Reserve::new())?;
        ///     deleted?;
        ///     next = reserved?;
        /// }
        /// # Ok(())
        /// # }
        /// ```
        #[allow(clippy::type_complexity, reason = "two results, either of which says what became of its own request")]
        pub fn call_both<A: $crate::proto::Request, B: $crate::proto::Request>(
            &mut self,
            first: A,
            second: B,
        ) -> Result<(Result<A::Reply, Error>, Result<B::Reply, Error>), Error> {
            $block_on(self.driver.call_both(first, second))
        }

        /// Sends many requests, pipelined, and yields one result for each, in order.
        ///
        /// An error reply to one does not disturb the others; after a fatal error the rest fail with
        /// [`Error::Closed`](beanstalk_proto::Error::Closed), each saying whether it can have run. About 64 requests are in
        /// flight at a time, and replies are read while requests are written. Requests of different kinds go together as
        /// [`Command`](beanstalk_proto::Command)s. Dropping the iterator leaves the connection in sync.
        ///
        /// ```no_run
        #[doc = concat!("use ", env!("CARGO_CRATE_NAME"), "::{Client, Put};")]
        ///
        #[doc = concat!("# fn main() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
        /// let mut client = Client::connect("127.0.0.1:11300")?;
        /// for result in client.call_all(["one", "two", "three"].map(Put::of)) {
        ///     println!("{}", result?.id());
        /// }
        /// # Ok(())
        /// # }
        /// ```
        pub fn call_all<I>(&mut self, requests: I) -> CallAll<'_, T, I::IntoIter>
        where
            I: IntoIterator<Item: $crate::proto::Request>,
        {
            CallAll::new(self.driver.call_all(requests.into_iter()))
        }

        /// Returns the jobs that arrived for nobody, after a reserve that timed out on our side: they are held by this
        /// connection, as far as their time to run lasts. The next reserve would have confirmed one with `touch` and returned
        /// it. Takes what is here, and reads nothing.
        pub fn take_orphaned(&mut self) -> $crate::proto::__private::Vec<$crate::proto::Job> {
            self.driver.take_orphaned()
        }

        /// Returns whether the connection has ended: looks at what is here, and waits for nothing. So a server that went away shows without
        /// a call. One that vanished without a word, as with its network, does not.
        ///
        /// ```no_run
        #[doc = concat!("use ", env!("CARGO_CRATE_NAME"), "::Client;")]
        ///
        #[doc = concat!("# fn main() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
        /// let mut client = Client::connect("127.0.0.1:11300")?;
        /// // After a while in which nothing was asked of it:
        /// if client.is_closed() {
        ///     client = Client::connect("127.0.0.1:11300")?;
        /// }
        /// client.put(0, 0, 60, "hello")?.inserted()?;
        /// # Ok(())
        /// # }
        /// ```
        pub fn is_closed(&mut self) -> bool {
            self.driver.is_closed()
        }

        /// Ends the connection in order: what was sent is written, `quit` is said (or, while a reserve waits, the writing
        /// half closed), and the server's end awaited, for as long as a reply may take. Jobs held become ready.
        ///
        /// Dropping the client instead closes at once and sends nothing, when a panic unwinds as well; the jobs held become ready then, too.
        ///
        /// # Errors
        ///
        /// [`Error::TimedOut`](beanstalk_proto::Error::TimedOut) if the server does not end it in time;
        /// [`Error::Io`](beanstalk_proto::Error::Io).
        pub fn disconnect(self) -> Result<(), Error> {
            $block_on(self.driver.disconnect())
        }
    };
}
