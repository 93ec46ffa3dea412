//! The client that tasks or threads share.

/// Emits `SharedClient` and its methods.
///
/// ```ignore
/// beanstalk_driver::shared_client! {
///     (async) on Tokio;
///     /// What is added to its documentation.
/// }
/// ```
///
/// `(blocking by block_on)` makes a blocking one, next to a `Flushed`. An asynchronous one that is made of a stream needs
/// [`shared_client_from_stream!`](crate::shared_client_from_stream) besides.
#[macro_export]
macro_rules! shared_client {
    ($mode:tt on $runtime:ty; $($doc:tt)*) => {
        /// One server for many tasks or threads, for months: clone it freely. Concurrent calls go out together, on one connection, and are
        /// answered in turn.
        ///
        /// It has every command that neither waits nor changes or depends on the connection's tubes. Those about the tube in use
        /// name theirs: [`put_in`](Self::put_in), [`kick_in`](Self::kick_in), [`peek_ready_in`](Self::peek_ready_in) and so on. A
        /// worker, which waits, has a [`Client`](crate::Client) of its own.
        ///
        /// ```no_run
        #[doc = $crate::__use!("SharedClient")]
        ///
        #[doc = $crate::__example!($mode)]
        #[doc = concat!("let client = SharedClient::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
        ///
        /// // Wherever there is something to put, with a clone or a reference:
        #[doc = concat!("client.put_in(\"emails\", 1024, 0, 60, \"to: you\")", $crate::__await!($mode), "?.inserted()?;")]
        /// # Ok(())
        /// # }
        /// ```
        ///
        $($doc)*
        ///
        /// # When the server is restarted
        ///
        /// The client connects again, with growing delays. Meanwhile calls wait as long as [`SharedConfig::patience`](crate::SharedConfig),
        /// and then fail with what the last attempt to connect failed with: their [`lost`](Error::lost) is
        /// [`NotSent`](crate::Lost::NotSent).
        ///
        /// Calls that were sent when the connection broke are repeated if that is safe: what only reads always, a put if it cannot have run
        /// (or always, with [`SharedConfig::repeat_puts`](crate::SharedConfig)), what is about a job by its id never. The others fail at
        /// once, with [`Unknown`](crate::Lost::Unknown). A reply that does not come in its time breaks the connection, as a slow server cannot be
        /// distinguished from one that has vanished.
        ///
        /// # How much at once
        ///
        /// At most [`Limits::in_flight`](crate::Limits::in_flight) requests and about [`Limits::queued`](crate::Limits::queued) bytes are
        /// under way. Further calls wait for their turn, first come, first served; one that is repeated keeps its place. At most
        /// [`SharedConfig::waiting`](crate::SharedConfig) of them wait, with `waiting_bytes` of bodies; one more fails at once with
        /// [`Error::Full`].
        #[derive(Clone, Debug)]
        pub struct SharedClient {
            shared: $crate::SharedClient<$runtime>,
        }

        impl SharedClient {
            $crate::__methods! { $mode
                /// Connects to an [`Endpoint`](crate::Endpoint), once, with the default [`ConnectOptions`](crate::ConnectOptions).
                ///
                /// # Errors
                ///
                /// As [`Client::connect`](crate::Client::connect).
                cancel("If the future is dropped, there is no connection.")
                fn connect(endpoint: &str) -> Result<Self, Error> {
                    $crate::SharedClient::connect(endpoint, $crate::ConnectOptions::default())
                } then shared { Ok(Self { shared: shared? }) }

                /// Connects once, with options for every connection, or with a [`Config`](crate::Config) alone: timeouts and
                /// limits.
                ///
                /// # Errors
                ///
                /// As [`Client::connect`](crate::Client::connect).
                cancel("If the future is dropped, there is no connection.")
                fn connect_with(endpoint: &str, options: impl Into<$crate::ConnectOptions>) -> Result<Self, Error> {
                    $crate::SharedClient::connect(endpoint, options)
                } then shared { Ok(Self { shared: shared? }) }

                /// Returns a client that connects with its first call, so that the server need not be there yet, and outlives connections
                /// in this way.
                ///
                /// # Errors
                ///
                /// [`Error::Argument`] if that is no endpoint, and for a first delay that is longer than the longest.
                fn new(
                    endpoint: &str,
                    shared: $crate::policy::SharedConfig,
                    options: impl Into<$crate::ConnectOptions>,
                ) -> Result<Self, Error> {
                    Ok(Self { shared: $crate::SharedClient::new(endpoint, shared, options)? })
                }

                /// Returns a handle of the same client whose calls take no longer than this in all: waiting for a connection, for their
                /// turn and for the reply. With `None` the reply has as long as it takes.
                ///
                /// Without this a call waits for a connection and its turn as long as [`SharedConfig::patience`](crate::SharedConfig), and
                /// for its reply as long as [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout) from the reply before
                /// it. A call that is over before that is given up alone, and the connection goes on.
                ///
                /// A body has to be written within it, or read: 16 MiB take 7 s on a line of 20 Mbit/s, and 134 s at 1 Mbit/s.
                #[must_use]
                fn timeout(&self, timeout: impl Into<Option<::core::time::Duration>>) -> Self {
                    Self { shared: self.shared.with_timeout($crate::proto::client::Timeout::of(timeout)) }
                }

                /// Sends a request and waits for its reply. It must neither wait nor depend on the connection's tubes.
                ///
                /// The request is kept until its reply is here, in case it has to be repeated: a body that is borrowed is not copied for
                /// that.
                ///
                /// # Errors
                ///
                /// [`ArgumentError::NotShareable`](beanstalk_proto::ArgumentError::NotShareable), and everything that
                /// [`Error`](beanstalk_proto::Error) lists. When there is no connection in time, what the last attempt failed with; when too
                /// many calls wait for one, [`Error::Full`](beanstalk_proto::Error::Full).
                future("If the future is dropped once it has been polled, the request may still run; its reply is dropped when it comes.")
                fn call[R: $crate::proto::Request + Clone](&self, request: R) -> Result<R::Reply, Error> {
                    self.shared.call(request)
                }

                /// Sends a request about the tube in use, with `use` ahead of it if another one is in use.
                ///
                /// # Errors
                ///
                /// As `call`, and [`Error::UseRefused`](beanstalk_proto::Error::UseRefused), which holds what became of the request.
                future("As `call`.")
                fn call_in['tube, R: $crate::proto::Request + Clone](
                    &self,
                    tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'tube>>,
                    request: R,
                ) -> Result<R::Reply, Error> {
                    self.shared.call_in(tube, request)
                }

                /// Calls this with what happens to the connection, where its bytes are moved: it must not block. What has happened so far
                /// (the last 64 events) is reported at once. Another listener replaces it.
                fn on_event(&self, listener: impl Fn(&$crate::policy::Event) + Send + Sync + 'static) {
                    self.shared.on_event(listener);
                }

                /// Returns whether the client has ended, so that no call can succeed any more: after `disconnect`, and one that does not
                /// connect again when its connection has ended.
                #[must_use]
                fn is_closed(&self) -> bool {
                    self.shared.is_closed()
                }

                /// Waits until the client has ended: see `is_closed`.
                cancel("Safe.")
                fn closed(&self) {
                    self.shared.closed()
                }

                /// Ends the client, for all its handles: what was sent is answered, then the connection ended in order, for as long as a
                /// reply may take. Calls that wait for a connection fail. Without it that happens once the last handle is dropped.
                cancel("If the future is dropped, the client ends nevertheless.")
                fn disconnect(&self) {
                    self.shared.disconnect()
                }

                /// Returns the jobs that arrived after their `reserve_job` was dropped or had timed out, unconfirmed: the time to
                /// run of each may be over.
                #[must_use]
                fn take_orphaned(&self) -> ::std::vec::Vec<$crate::proto::Job> {
                    self.shared.take_orphaned()
                }
            }

            $crate::__methods! { $mode
                /// Sends a request as `call` does, and returns once its last byte was flushed. What it returns is for the reply, and may be
                /// dropped. A request that was flushed is not repeated.
                ///
                /// A server that runs gets what was flushed, even if the client is dropped then: a put as the last thing that a program does
                /// is done.
                ///
                /// # Errors
                ///
                /// As `call`, but for what the server answers.
                cancel("As `call`.")
                fn send[R: $crate::proto::Request<Reply: 'static> + Clone](
                    &self,
                    request: R,
                ) -> Result<$crate::__flushed!($mode R::Reply), Error> {
                    self.shared.send(request)
                } then sent { $crate::__flush!($mode sent) }

                /// Sends a request as `call_in` does, and returns once its last byte was flushed: see `send`.
                ///
                /// # Errors
                ///
                /// As `call_in`, but for what the server answers.
                cancel("As `call`.")
                fn send_in['tube, R: $crate::proto::Request<Reply: 'static> + Clone](
                    &self,
                    tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'tube>>,
                    request: R,
                ) -> Result<$crate::__flushed!($mode R::Reply), Error> {
                    self.shared.send_in(tube, request)
                } then sent { $crate::__flush!($mode sent) }
            }

            $crate::__shared_commands! { $mode }
        }

        impl From<$crate::SharedClient<$runtime>> for SharedClient {
            fn from(shared: $crate::SharedClient<$runtime>) -> Self {
                Self { shared }
            }
        }
    };
}

/// What stands for the reply to what was flushed: the driver's future, or the `Flushed` of a binding that blocks.
#[doc(hidden)]
#[macro_export]
macro_rules! __flushed {
    ((async) $reply:ty) => { $crate::Flushed<$reply> };
    ($blocking:tt $reply:ty) => { Flushed<$reply> };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __flush {
    ((async) $sent:ident) => {
        $sent
    };
    ($blocking:tt $sent:ident) => {
        $sent.map(Flushed::from)
    };
}

/// Emits what makes a `SharedClient` of a stream, and the future that moves its bytes.
///
/// ```ignore
/// beanstalk_driver::shared_client_from_stream! {
///     Stream: [AsyncRead + AsyncWrite + Unpin] = Stream; over Transport on Tokio;
///     spawned by "tokio::spawn";
/// }
/// ```
#[macro_export]
macro_rules! shared_client_from_stream {
    ($s:ident: [$($bounds:tt)*] = $stream:ty; over $transport:ident on $runtime:ty; spawned by $spawn:literal;) => {
        impl SharedClient {
            /// Returns a client on a stream that is connected already and that nothing was written to, and what moves its bytes: spawn
            /// that. It cannot connect again.
            ///
            /// Calls wait for their turn as long as for a reply. A late reply fails its call only; the connection ends when none has come
            /// in twice the time.
            pub fn from_stream<$s: $($bounds)*>(stream: $s) -> (Self, Driver<$s>) {
                Self::from_stream_with(stream, $crate::proto::client::Config::default())
            }

            /// As [`SharedClient::from_stream`], with a configuration.
            pub fn from_stream_with<$s: $($bounds)*>(
                stream: $s,
                config: $crate::proto::client::Config,
            ) -> (Self, Driver<$s>) {
                let transport = <$transport<$s>>::new(stream);
                let (shared, driver) = $crate::SharedClient::over(<$runtime>::default(), config, transport);
                (Self { shared }, Driver { driver })
            }
        }

        /// The future that moves the bytes of a [`SharedClient::from_stream`]: spawn it.
        ///
        /// It resolves once the last clone is gone and the connection was ended in order, or with what ended it before.
        ///
        /// ```no_run
        #[doc = $crate::__use!("{Driver, Error, SharedClient, Stream}")]
        ///
        /// async fn work(stream: Stream) -> Result<(), Error> {
        ///     let (client, driver): (_, Driver) = SharedClient::from_stream(stream);
        #[doc = concat!("    ", $spawn, "(driver);")]
        ///     client.put_in("emails", 1024, 0, 60, "to: you").await?.inserted()?;
        ///     Ok(())
        /// }
        /// ```
        #[derive(Debug)]
        #[must_use = "the client's calls make no progress unless its driver is spawned"]
        pub struct Driver<$s = $stream> {
            driver: $crate::SharedDriver<$runtime, $transport<$s>>,
        }

        impl<$s: $($bounds)*> ::core::future::Future for Driver<$s> {
            type Output = Result<(), Error>;

            fn poll(
                mut self: ::core::pin::Pin<&mut Self>,
                cx: &mut ::core::task::Context<'_>,
            ) -> ::core::task::Poll<Self::Output> {
                ::core::pin::Pin::new(&mut self.driver).poll(cx)
            }
        }
    };
}
