//! The client that owns a connection.

/// Emits `Client`, its `CallAll`, and their methods.
///
/// ```ignore
/// beanstalk_driver::client! {
///     (async) Stream: [AsyncRead + AsyncWrite + Unpin] = Stream; over Transport by Dial;
///     /// What is added to its documentation.
/// }
/// ```
///
/// The type parameter with its bounds and default is the stream, `Transport` a generic type with a function `new` and a method
/// `stream`, `Dial` a [`Dialer`](crate::connect::Dialer). `(blocking by block_on)` makes a blocking one.
#[macro_export]
macro_rules! client {
    ($mode:tt $s:ident: [$($bounds:tt)*] = $stream:ty; over $transport:ident by $dial:ty; $($doc:tt)*) => {
        /// One connection to a server. Every command of the protocol is a method.
        ///
        $($doc)*
        ///
        /// # Errors
        ///
        /// What a command may be answered with stands at its method. Besides, every call may fail with
        ///
        /// - [`Error::Argument`]: a name, a number or a body that the protocol cannot express. Nothing was sent.
        /// - [`Error::Command`]: `OUT_OF_MEMORY`, `INTERNAL_ERROR`, `BAD_FORMAT` or `UNKNOWN_COMMAND`, which a server may answer to
        ///   any command.
        /// - [`Error::TimedOut`]: no reply in [`Config::reply_timeout`](crate::Config::reply_timeout). The connection stays in sync.
        /// - [`Error::ReserveWaiting`], [`Error::Full`]: nothing can be sent for the moment.
        /// - [`Error::Closed`], [`Error::Io`], [`Error::Protocol`]: the connection has ended, and every further call fails.
        #[derive(Debug)]
        pub struct Client<$s = $stream> {
            pub(crate) driver: $crate::Driver<$transport<$s>>,
        }

        impl Client {
            $crate::__methods! { $mode
                /// Connects to an [`Endpoint`](crate::Endpoint) with the default [`ConnectOptions`](crate::ConnectOptions): `host`,
                /// `host:port`, `[v6]:port`, `unix:/path`, `beanstalk://host:port`, or several of these with commas.
                ///
                /// # Errors
                ///
                /// [`Error::Argument`] if that is no endpoint, or one with TLS without the feature `tls`, and [`Error::Connect`] if no
                /// server answers there in time.
                cancel("If the future is dropped, there is no connection.")
                fn connect(endpoint: &str) -> Result<Self, Error> {
                    $crate::connect::open::<$dial>(endpoint, $crate::ConnectOptions::default())
                } then driver { Ok(Self { driver: driver? }) }

                /// Connects with options, or with a [`Config`](crate::Config) alone: timeouts and limits.
                ///
                /// The connect timeout covers everything: looking names up, and all nodes and their addresses, each of which gets an equal
                /// share of what is left. A name that takes too long is still looked up in a thread, which is left behind.
                ///
                /// # Errors
                ///
                /// As [`Client::connect`].
                cancel("If the future is dropped, there is no connection.")
                fn connect_with(endpoint: &str, options: impl Into<$crate::ConnectOptions>) -> Result<Self, Error> {
                    $crate::connect::open::<$dial>(endpoint, options.into())
                } then driver { Ok(Self { driver: driver? }) }
            }
        }

        /// A client on a connection that a dialer of one's own has made.
        impl<$s> From<$crate::Driver<$transport<$s>>> for Client<$s> {
            fn from(driver: $crate::Driver<$transport<$s>>) -> Self {
                Self { driver }
            }
        }

        impl<$s: $($bounds)*> Client<$s> {
            $crate::__client_calls! { $mode $transport<$s>, $s }
            $crate::command_methods! { $mode }
        }

        /// The results of [`Client::call_all`], in the order of the requests. Dropping it leaves the connection in sync.
        ///
        /// ```no_run
        #[doc = $crate::__use!("{Client, Command, TubeName}")]
        ///
        #[doc = $crate::__example!($mode)]
        #[doc = concat!("let mut client = Client::connect(\"127.0.0.1:11300\")", $crate::__await!($mode), "?;")]
        /// let tube = TubeName::new("emails")?;
        /// // Commands of several kinds have one type, and untyped replies.
        /// let commands = [Command::Use { tube: tube.clone() }, Command::StatsTube { tube }];
        /// let mut results = client.call_all(commands);
        #[doc = concat!("while let Some(result) = results.next()", $crate::__await!($mode), " {")]
        ///     match result {
        ///         Ok(reply) => println!("{reply:?}"),
        ///         Err(error) => eprintln!("{error}"), // the others go on
        ///     }
        /// }
        /// # Ok(())
        /// # }
        /// ```
        pub struct CallAll<'c, $s, I>($crate::CallAll<'c, $transport<$s>, I>)
        where
            $s: $($bounds)*,
            I: Iterator<Item: $crate::proto::Request>;

        impl<$s: $($bounds)*, I: Iterator<Item: $crate::proto::Request>> ::core::fmt::Debug for CallAll<'_, $s, I> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct("CallAll").finish_non_exhaustive()
            }
        }

        $crate::__stream! { $mode
            [$s: $($bounds)*, I: Iterator<Item: $crate::proto::Request>] CallAll<'_, $s, I> =>
            Result<<I::Item as $crate::proto::Request>::Reply, Error>;
            /// Returns the next result, or `None` once every request has had its own. Requests are written, and replies read, only
            /// while this is awaited.
            ///
            /// # Errors
            ///
            /// Those of the request. After a fatal one the rest are [`Error::Closed`], each with its own [`Error::lost`]. After one
            /// that was late, the rest that were sent by then are late as well, and those that were not are not sent.
            "Safe: if the future is dropped, the result comes from the next call."
        }
    };
}

/// What comes one after the other: a method `next`, or an iterator.
#[doc(hidden)]
#[macro_export]
macro_rules! __stream {
    ((async) [$($generics:tt)*] $name:ty => $item:ty; $(#[$doc:meta])* $cancel:literal) => {
        impl<$($generics)*> $name {
            $(#[$doc])*
            ///
            /// # Cancel safety
            ///
            #[doc = $cancel]
            pub async fn next(&mut self) -> Option<$item> {
                self.0.next().await
            }
        }
    };
    ((blocking by $block_on:path) [$($generics:tt)*] $name:ty => $item:ty; $(#[$doc:meta])* $cancel:literal) => {
        impl<$($generics)*> Iterator for $name {
            type Item = $item;

            $(#[$doc])*
            fn next(&mut self) -> Option<$item> {
                $block_on(self.0.next())
            }
        }
    };
}

/// Sends a request and waits for its reply: a client that blocks need not hold a request that there is room for.
#[doc(hidden)]
#[macro_export]
macro_rules! __call {
    ((async) $driver:expr, $request:ident) => {
        $driver.call($request)
    };
    ((blocking by $block_on:path) $driver:expr, $request:ident) => {
        if $driver.has_room(&$request) {
            $block_on($driver.begin($request)?)
        } else {
            $block_on($driver.call($request))
        }
    };
}

/// What a function that returns this is declared to return, where its body is the future itself, or the outcome.
#[doc(hidden)]
#[macro_export]
macro_rules! __output {
    ((async) $output:ty) => { impl ::core::future::Future<Output = $output> };
    ($blocking:tt $output:ty) => { $output };
}

/// What a client has besides the commands.
#[doc(hidden)]
#[macro_export]
macro_rules! __client_calls {
    ($mode:tt $transport:ty, $s:ident) => {
        $crate::__methods! { $mode
            /// Returns a client on a stream that is connected already, such as TLS or a tunnel.
            fn from_stream(stream: $s) -> Self {
                Self::from_stream_with(stream, $crate::proto::client::Config::default())
            }

            /// Returns a client on a stream that is connected already, with a configuration.
            fn from_stream_with(stream: $s, config: $crate::proto::client::Config) -> Self {
                let connection = $crate::proto::client::Connection::new(config);
                Self { driver: $crate::Driver::new(connection, <$transport>::new(stream)) }
            }

            /// Returns the stream.
            fn stream(&self) -> &$s {
                self.driver.transport().stream()
            }

            /// Gives the one call that is made on what this returns so long for its reply, in place of
            /// [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout); `None` waits as long as it takes. As there, what a
            /// `reserve` may wait for a job is added to it, and of a pipeline each reply has so long from the one before it.
            ///
            /// A body has to be written within it, or read: 16 MiB take 7 s on a line of 20 Mbit/s, and 134 s at 1 Mbit/s.
            ///
            /// ```no_run
            #[doc = $crate::__use!("Client")]
            /// use std::time::Duration;
            ///
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("let mut client = Client::connect(\"127.0.0.1:11300\")", $crate::__await!($mode), "?;")]
            /// let minute = Duration::from_secs(60);
            #[doc = concat!("client.timeout(minute).put(0, 0, 120, vec![0; 16 << 20])", $crate::__await!($mode), "?.inserted()?;")]
            /// # Ok(())
            /// # }
            /// ```
            #[must_use = "it counts for the call that is made on what this returns"]
            fn timeout(&mut self, timeout: impl Into<Option<::core::time::Duration>>) -> &mut Self {
                self.driver.set_timeout($crate::proto::client::Timeout::of(timeout));
                self
            }
        }

        /// Sends a request and waits for its reply: `send` and `reply` in one.
        ///
        /// # Errors
        ///
        /// Everything that [`Error`](beanstalk_proto::Error) lists. After a timeout the connection is still in sync: the reply is dropped
        /// when it comes, and a job that it brings is kept for the next reserve.
        #[doc = $crate::__async_doc!($mode "\n# Cancel safety\n\nA future that is dropped once it has been polled leaves the request to run: what is left of it is written, and its reply read and dropped, by whatever is called next. A waiting reserve is taken over by the next one, and a job that comes without a caller is kept for it.")]
        #[inline]
        pub fn call<R: $crate::proto::Request>(&mut self, request: R) -> $crate::__output!($mode Result<R::Reply, Error>) {
            $crate::__call!($mode self.driver, request)
        }

        $crate::__methods! { $mode
            /// Sends a request, and returns the ticket for its reply once its last byte was written and flushed. Several sends before the
            /// first `reply` are a pipeline of mixed commands.
            ///
            /// A server that runs gets what was flushed, even if the client is dropped then: a `put` as the last thing that is done is done.
            /// Of several requests sent so the server may run the first only, as it notices that the client is gone; `disconnect` waits for all.
            ///
            /// # Errors
            ///
            /// As `call`, but for what the server answers.
            ///
            /// # Example
            ///
            /// ```no_run
            #[doc = $crate::__use!("{Client, Kick, Stats}")]
            ///
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("let mut client = Client::connect(\"127.0.0.1:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("let stats = client.send(Stats::new())", $crate::__await!($mode), "?;")]
            #[doc = concat!("let kicked = client.send(Kick::new(100))", $crate::__await!($mode), "?;")]
            #[doc = concat!("let before = client.reply(stats)", $crate::__await!($mode), "?.current_jobs_buried;")]
            #[doc = concat!("println!(\"{} of {before:?} jobs kicked\", client.reply(kicked)", $crate::__await!($mode), "?);")]
            /// # Ok(())
            /// # }
            /// ```
            cancel("As `call`. A ticket of which nothing more is wanted goes to `abandon`.")
            fn send[R: $crate::proto::Request](&mut self, request: R) -> Result<$crate::proto::client::Ticket<R::Reply>, Error> {
                self.driver.send(request)
            }

            /// Waits for the reply to a request that was sent. Replies can be taken in any order.
            ///
            /// # Errors
            ///
            /// As `call`, and [`Error::Ticket`](beanstalk_proto::Error::Ticket) for the ticket of another connection.
            future("As `call`: the ticket is given away, so that dropping the future abandons it.")
            fn reply[R](&mut self, ticket: $crate::proto::client::Ticket<R>) -> Result<R, Error> {
                self.driver.reply(ticket)
            }

            /// Gives up the claim to a reply: it is dropped when it comes.
            fn abandon[R](&mut self, ticket: $crate::proto::client::Ticket<R>) {
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
            /// second could not be sent, its own result is the error.
            ///
            /// ```no_run
            #[doc = $crate::__use!("{Client, Delete, Reserve}")]
            ///
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("let mut client = Client::connect(\"127.0.0.1:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("let mut next = client.reserve()", $crate::__await!($mode), "?;")]
            /// while let Some(job) = next.job() {
            ///     println!("{}", job.text().unwrap_or("(not text)"));
            #[doc = concat!("     let (deleted, reserved) = client.call_both(Delete::new(job.id), Reserve::new())", $crate::__await!($mode), "?;")]
            ///     deleted?;
            ///     next = reserved?;
            /// }
            /// # Ok(())
            /// # }
            /// ```
            #[allow(clippy::type_complexity, reason = "two results, either of which shows what became of its own request")]
            cancel("As `call`, for each of the two: if the future is dropped once it has been polled, both may still run, the replies that have not come are dropped when they do, and a job that comes then is kept for the next reserve.")
            fn call_both[A: $crate::proto::Request, B: $crate::proto::Request](
                &mut self,
                first: A,
                second: B,
            ) -> Result<(Result<A::Reply, Error>, Result<B::Reply, Error>), Error> {
                self.driver.call_both(first, second)
            }

            /// Sends many requests, pipelined: [`CallAll`] yields one result for each, in order.
            ///
            /// An error reply to one does not disturb the others; after a fatal error the rest fail with
            /// [`Error::Closed`](beanstalk_proto::Error::Closed), each with whether it can have run. About 64 requests are in
            /// flight at a time, and replies are read while requests are written. Requests of different kinds go together as
            /// [`Command`](beanstalk_proto::Command)s. Dropping it leaves the connection in sync.
            ///
            /// ```no_run
            #[doc = $crate::__use!("{Client, Put}")]
            ///
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("let mut client = Client::connect(\"127.0.0.1:11300\")", $crate::__await!($mode), "?;")]
            /// let mut results = client.call_all(["one", "two", "three"].map(Put::of));
            #[doc = concat!("while let Some(result) = results.next()", $crate::__await!($mode), " {")]
            ///     println!("{}", result?.id());
            /// }
            /// # Ok(())
            /// # }
            /// ```
            fn call_all[I: IntoIterator<Item: $crate::proto::Request>](&mut self, requests: I) -> CallAll<'_, $s, I::IntoIter> {
                CallAll(self.driver.call_all(requests.into_iter()))
            }

            /// Returns the jobs that arrived after their call was dropped or had timed out, unconfirmed: the time to run of each
            /// may be over. The next reserve would have confirmed one with `touch` and returned it. Takes what is here, and reads nothing.
            fn take_orphaned(&mut self) -> ::std::vec::Vec<$crate::proto::Job> {
                self.driver.take_orphaned()
            }

            /// Returns whether the connection has ended: looks at what is here, and waits for nothing. So a server that went away shows
            /// without a call. One that vanished without a word, as with its network, does not.
            ///
            /// ```no_run
            #[doc = $crate::__use!("Client")]
            ///
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("let mut client = Client::connect(\"127.0.0.1:11300\")", $crate::__await!($mode), "?;")]
            /// // After a while in which nothing was asked of it:
            /// if client.is_closed() {
            #[doc = concat!("     client = Client::connect(\"127.0.0.1:11300\")", $crate::__await!($mode), "?;")]
            /// }
            #[doc = concat!("client.put(0, 0, 60, \"hello\")", $crate::__await!($mode), "?.inserted()?;")]
            /// # Ok(())
            /// # }
            /// ```
            fn is_closed(&mut self) -> bool {
                self.driver.is_closed()
            }

            /// Waits until the connection has ended, and returns what ended it. Replies that arrive meanwhile are kept for the tickets and calls
            /// that they answer.
            ///
            /// ```no_run
            #[doc = $crate::__use!("Client")]
            ///
            #[doc = $crate::__example!($mode)]
            #[doc = concat!("let mut client = Client::connect(\"127.0.0.1:11300\")", $crate::__await!($mode), "?;")]
            #[doc = concat!("let error = client.closed()", $crate::__await!($mode), ";")]
            /// eprintln!("the queue is gone: {error}");
            /// # Ok(())
            /// # }
            /// ```
            cancel("Safe: nothing is lost by dropping the future, for example in a `select!` with what may give it something to do.")
            fn closed(&mut self) -> Error {
                self.driver.closed()
            }

            /// Ends the connection in order: what was sent is written, then `quit` (or, while a reserve waits, the writing half is closed),
            /// and the server's end is awaited, for as long as a reply may take. Jobs held become ready.
            ///
            /// Dropping the client instead closes at once, sends nothing and never blocks, when a panic unwinds as well; the jobs held become
            /// ready then, too.
            ///
            /// # Errors
            ///
            /// [`Error::TimedOut`](beanstalk_proto::Error::TimedOut) if the server does not end it in time;
            /// [`Error::Io`](beanstalk_proto::Error::Io).
            cancel("If the future is dropped, the connection is closed at once.")
            fn disconnect(self) -> Result<(), Error> {
                self.driver.disconnect()
            }
        }
    };
}
