//! The methods of an asynchronous client.

#[doc(hidden)]
#[macro_export]
macro_rules! __async_methods {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
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
            // Not an `async fn`, so that what is awaited is the driver's future and no layer around it.
            pub fn $method$(<$lt>)?(
                &mut self
                $($(, $arg: impl $crate::proto::Argument<$crate::__argument!($ty $($of)?)>)+)?
            ) -> impl Future<Output = Result<$reply, Error>> {
                self.call($crate::proto::$name::new($($($arg),+)?))
            }
        )*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __cancel_safety {
    (shared) => {
        "If the future is dropped once it has been polled, the command may still run; its reply is dropped when it comes. The other tasks notice nothing."
    };
    (no) => {
        "If the future is dropped once it has been polled, the command may still run; its reply is dropped when it comes, and the connection stays in sync. A job that it brings is kept for the next reserve."
    };
    ($wait:ident) => {
        "Safe in `select!`: if the future is dropped while the server waits, the next `reserve` or `reserve_with_timeout` takes the waiting over; a job that came meanwhile is handed to it, once `touch` has confirmed that it is still ours."
    };
}

/// What every asynchronous client has besides the commands.
#[doc(hidden)]
#[macro_export]
macro_rules! __async_calls {
    ($transport:ty) => {
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
        #[doc = concat!("# async fn example() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
        /// let mut client = Client::connect("127.0.0.1:11300").await?;
        /// client.timeout(Duration::from_secs(60)).put(0, 0, 120, vec![0; 16 << 20]).await?.inserted()?;
        /// # Ok(())
        /// # }
        /// ```
        #[must_use = "it counts for the call that is made on what this returns"]
        pub fn timeout(&mut self, timeout: impl Into<Option<core::time::Duration>>) -> &mut Self {
            self.driver.set_timeout($crate::proto::client::Timeout::of(timeout));
            self
        }

        /// Sends a request and waits for its reply.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped once it has been polled, the request may still run: what is left of it is written, and
        /// its reply read and dropped, by whatever is called next. A waiting reserve is taken over by the next one, and a
        /// job that comes for nobody is kept for it.
        ///
        /// # Errors
        ///
        /// Everything that [`Error`](beanstalk_proto::Error) lists. After a timeout the connection is still in sync.
        pub fn call<R: $crate::proto::Request>(&mut self, request: R) -> impl Future<Output = Result<R::Reply, Error>> {
            self.driver.call(request)
        }

        /// Sends a request: resolves when its last byte was written and flushed, and gives the ticket for the reply.
        /// Several sends before the first `reply` are a pipeline of mixed commands.
        ///
        /// A server that runs gets what was flushed, even if the client is dropped then: a `put` as the last thing that is done is done.
        /// Of several requests sent so the server may run the first only, as it notices that nobody listens; `disconnect` waits for all.
        ///
        /// # Cancel safety
        ///
        /// As `call`. A ticket of which nothing more is wanted goes to `abandon`.
        ///
        /// # Errors
        ///
        /// As `call`, but for what the server answers.
        pub async fn send<R: $crate::proto::Request>(
            &mut self,
            request: R,
        ) -> Result<$crate::proto::client::Ticket<R::Reply>, Error> {
            self.driver.send(request).await
        }

        /// Waits for the reply to a request that was sent. Replies can be taken in any order.
        ///
        /// # Cancel safety
        ///
        /// As `call`: the ticket is given away, so that dropping the future abandons it.
        ///
        /// # Errors
        ///
        /// As `call`, and [`Error::Ticket`](beanstalk_proto::Error::Ticket) for the ticket of another connection.
        pub fn reply<R>(
            &mut self,
            ticket: $crate::proto::client::Ticket<R>,
        ) -> impl ::core::future::Future<Output = Result<R, Error>> {
            self.driver.reply(ticket)
        }

        /// Says that nobody waits for this reply any more.
        pub fn abandon<R>(&mut self, ticket: $crate::proto::client::Ticket<R>) {
            self.driver.abandon(ticket);
        }

        /// Sends two requests in one write, and waits for the replies to both. So a worker finishes a job and reserves the
        /// next in one round trip.
        ///
        /// The first does not stand in for the second: if the job to be deleted is not there any more
        /// ([`NotFound`](beanstalk_proto::CommandError::NotFound)), the next one is reserved all the same.
        ///
        /// # Cancel safety
        ///
        /// As `call`, for each of the two: if the future is dropped once it has been polled, both may still run, the replies
        /// that have not come are dropped when they do, and a job that comes for nobody is kept for the next reserve.
        ///
        /// # Errors
        ///
        /// Whatever kept the first from being sent; then nothing was. Each of the two results is as of `call`: if only the
        /// second could not be sent, its own result says so.
        ///
        /// ```no_run
        #[doc = concat!("use ", env!("CARGO_CRATE_NAME"), "::{Client, Delete, Reserve};")]
        ///
        #[doc = concat!("# async fn example() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
        /// let mut client = Client::connect("127.0.0.1:11300").await?;
        /// let mut next = client.reserve().await?;
        /// while let Some(job) = next.job() {
        ///     println!("{}", job.text().unwrap_or("(not text)"));
        ///     let (deleted, reserved) = client.call_both(Delete::new(job.id), Reserve::new()).await?;
        ///     deleted?;
        ///     next = reserved?;
        /// }
        /// # Ok(())
        /// # }
        /// ```
        #[allow(clippy::type_complexity, reason = "two results, either of which says what became of its own request")]
        pub async fn call_both<A: $crate::proto::Request, B: $crate::proto::Request>(
            &mut self,
            first: A,
            second: B,
        ) -> Result<(Result<A::Reply, Error>, Result<B::Reply, Error>), Error> {
            self.driver.call_both(first, second).await
        }

        /// Sends many requests, pipelined, and yields one result for each, in order: call
        /// [`next`](beanstalk_driver::CallAll::next) until it gives `None`.
        ///
        /// A refusal of one does not disturb the others; after a fatal error the rest fail with
        /// [`Error::Closed`](beanstalk_proto::Error::Closed), each saying whether it can have run. About 64 requests are in
        /// flight at a time, and replies are read while requests are written. Requests of different kinds go together as
        /// [`Command`](beanstalk_proto::Command)s. Dropping it leaves the connection in sync.
        ///
        /// ```no_run
        #[doc = concat!("use ", env!("CARGO_CRATE_NAME"), "::{Client, Put};")]
        ///
        #[doc = concat!("# async fn example() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
        /// let mut client = Client::connect("127.0.0.1:11300").await?;
        /// let mut results = client.call_all(["one", "two", "three"].map(Put::of));
        /// while let Some(result) = results.next().await {
        ///     println!("{}", result?.id());
        /// }
        /// # Ok(())
        /// # }
        /// ```
        pub fn call_all<I>(&mut self, requests: I) -> $crate::CallAll<'_, $transport, I::IntoIter>
        where
            I: IntoIterator<Item: $crate::proto::Request>,
        {
            self.driver.call_all(requests.into_iter())
        }

        /// The jobs that arrived for nobody because their call was dropped, unconfirmed: the time to run of each may be
        /// over. They are not handed to a later reserve then. Takes what is here, and reads nothing.
        pub fn take_orphaned(&mut self) -> $crate::proto::__private::Vec<$crate::proto::Job> {
            self.driver.take_orphaned()
        }

        /// Returns whether the connection has ended: looks at what the runtime has heard of the socket, and waits for nothing. One to a peer
        /// that vanished without a word, as with its network, has not.
        pub fn is_closed(&mut self) -> bool {
            self.driver.is_closed()
        }

        /// Waits until the connection has ended, and returns what ended it. Replies that arrive meanwhile are kept for the tickets and calls
        /// that they answer.
        ///
        /// ```no_run
        #[doc = concat!("use ", env!("CARGO_CRATE_NAME"), "::Client;")]
        ///
        #[doc = concat!("# async fn example() -> Result<(), ", env!("CARGO_CRATE_NAME"), "::Error> {")]
        /// let mut client = Client::connect("127.0.0.1:11300").await?;
        /// // In a `select!`, say, beside what may give it something to do:
        /// let error = client.closed().await;
        /// eprintln!("the queue is gone: {error}");
        /// # Ok(())
        /// # }
        /// ```
        ///
        /// # Cancel safety
        ///
        /// Safe: nothing is lost by dropping the future.
        pub async fn closed(&mut self) -> Error {
            self.driver.closed().await
        }

        /// Ends the connection in order: what was sent is written, `quit` is said (or, while a reserve waits, the writing
        /// half closed), and the server's end awaited, for as long as a reply may take. Jobs held become ready.
        ///
        /// Dropping the client instead closes at once, sends nothing and never blocks, when a panic unwinds as well; the jobs held become
        /// ready then, too.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped, the connection is closed at once.
        ///
        /// # Errors
        ///
        /// [`Error::TimedOut`](beanstalk_proto::Error::TimedOut) if the server does not end it in time;
        /// [`Error::Io`](beanstalk_proto::Error::Io).
        pub async fn disconnect(self) -> Result<(), Error> {
            self.driver.disconnect().await
        }
    };
}
