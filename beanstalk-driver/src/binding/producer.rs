//! The client that puts on several servers.

/// Emits `Producer` and its methods, next to a `SharedClient`.
///
/// ```ignore
/// beanstalk_driver::producer! {
///     (async) on Tokio;
///     /// What is added to its documentation.
/// }
/// ```
///
/// `(blocking by block_on)` makes a blocking one.
#[macro_export]
macro_rules! producer {
    ($mode:tt on $runtime:ty; $($doc:tt)*) => {
        /// Puts jobs on several servers, in turns or by a key, from many tasks or threads: cheap to clone, one clone for each, or one for
        /// all.
        ///
        /// Each clone has a tube of its own; servers, their health and connections are shared. There is one connection to each server, on
        /// which the puts of all go out together.
        ///
        /// Healthy servers take turns, or a key chooses the server of jobs that should stay together. A server that can't be reached, is
        /// [draining](crate::CommandError::Draining) or [out of memory](crate::CommandError::OutOfMemory) is passed over for a while, and
        /// its jobs go elsewhere. It is then connected to beside the puts, which costs none of them any time, unless it is the only one. A
        /// put that may have arrived is never repeated: it fails, and its [`lost`](Error::lost) is [`Unknown`](crate::Lost::Unknown).
        ///
        /// One that [refuses](Error::is_refusal) to be connected to, for example as it does not accept a token, is no outage: the put that met that
        /// fails with it. It is left alone from then on, until [`Producer::add_server`] is called with it again, or until no server is left
        /// that does not refuse.
        ///
        /// ```no_run
        #[doc = $crate::__use!("{Producer, SharedClient}")]
        ///
        #[doc = $crate::__example!($mode)]
        /// let mut producer = Producer::new(["queue-1:11300", "queue-2:11300", "queue-3:11300"])?;
        /// producer.use_tube("mails")?;
        #[doc = concat!("producer.put(100, 0, 60, \"to: alice\")", $crate::__await!($mode), "?.1.inserted()?;")]
        /// // All of one customer's jobs on one server, while it is healthy.
        #[doc = concat!("let (placed, _) = producer.put_keyed(\"customer 42\", 100, 0, 60, \"to: bob\")", $crate::__await!($mode), "?;")]
        /// println!("job {} on server {}", placed.id, placed.server);
        /// // A job is looked after where it is.
        /// let client: SharedClient = producer.client(placed.server)?;
        #[doc = concat!("println!(\"{:?}\", client.stats_job(placed.id)", $crate::__await!($mode), "?.state);")]
        /// // For another task, and another tube.
        /// let mut reports = producer.clone();
        /// reports.use_tube("reports")?;
        /// # Ok(())
        /// # }
        /// ```
        $($doc)*
        #[derive(Clone)]
        pub struct Producer($crate::Producer<$runtime>);

        impl ::core::fmt::Debug for Producer {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Producer {
            $crate::__methods! { $mode
                /// Returns a producer for these servers, with the default configuration. It connects to a server with its first job.
                ///
                /// # Errors
                ///
                /// [`Error::Argument`] for what is no endpoint, and if there is none.
                fn new(endpoints: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, Error> {
                    Ok(Self($crate::Producer::new(endpoints)?))
                }

                /// Returns a producer for these servers, with a configuration.
                ///
                /// # Errors
                ///
                /// As [`Producer::new`], and for a first delay that is longer than the longest.
                fn with_config(
                    endpoints: impl IntoIterator<Item: AsRef<str>>,
                    config: $crate::ProducerConfig,
                ) -> Result<Self, Error> {
                    Ok(Self($crate::Producer::with_config(endpoints, config)?))
                }

                /// Has this handle put further jobs into this tube, whichever server takes them. Its clones are not concerned, and nothing
                /// is sent: each put brings its tube with it.
                ///
                /// # Errors
                ///
                /// [`Error::Argument`] if that is no name of a tube.
                fn use_tube['t](&mut self, tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'t>>) -> Result<(), Error> {
                    self.0.use_tube(tube)
                }

                /// Returns a handle of the same producer whose puts take no longer than this in all: waiting for a server, for a
                /// connection and for their turn, and for the reply. With `None` the reply has as long as it takes.
                ///
                /// A put that is over before its server is late by [`Config::reply_timeout`](crate::Config::reply_timeout) fails alone: the
                /// server is not held to have failed.
                #[must_use]
                fn timeout(&self, timeout: impl Into<Option<::core::time::Duration>>) -> Self {
                    Self(self.0.timeout(timeout))
                }

                /// Puts a job on the server whose turn it is, or the next that takes it, and returns where it is.
                ///
                /// The body is kept until the reply is here, in case another server has to take it: one that is borrowed is not copied for
                /// that.
                ///
                /// # Errors
                ///
                /// As [`SharedClient::put_in`]. If no server takes it in time, what the last one failed with;
                /// [`Error::Full`] if as many wait for one as [`ProducerConfig::waiting`](crate::ProducerConfig::waiting) allows.
                cancel("If the future is dropped once it has been polled, the job may have been put.")
                fn put['b](
                    &self,
                    priority: impl $crate::proto::Argument<$crate::proto::Priority>,
                    delay: impl $crate::proto::Argument<$crate::proto::Seconds>,
                    ttr: impl $crate::proto::Argument<$crate::proto::Seconds>,
                    body: impl $crate::proto::Argument<$crate::proto::Body<'b>>,
                ) -> Result<($crate::policy::Placed, $crate::proto::PutOutcome), Error> {
                    self.0.put(priority, delay, ttr, body)
                }

            }
            $crate::__producer_put_json! { $mode }
            $crate::__methods! { $mode
                /// Puts a job on the server that this key belongs to, or the next one for it while that is not healthy.
                ///
                /// # Errors
                ///
                /// As [`Producer::put`].
                cancel("As [`Producer::put`].")
                fn put_keyed['b](
                    &self,
                    key: impl AsRef<[u8]>,
                    priority: impl $crate::proto::Argument<$crate::proto::Priority>,
                    delay: impl $crate::proto::Argument<$crate::proto::Seconds>,
                    ttr: impl $crate::proto::Argument<$crate::proto::Seconds>,
                    body: impl $crate::proto::Argument<$crate::proto::Body<'b>>,
                ) -> Result<($crate::policy::Placed, $crate::proto::PutOutcome), Error> {
                    self.0.put_keyed(key, priority, delay, ttr, body)
                }

                /// Puts a job on the server whose turn it is, or the next that takes it, and returns once its last byte was flushed. What it
                /// returns is for the reply, and may be dropped.
                ///
                /// A server that runs gets what was flushed, even if the producer is dropped then: a put as the last thing that a program
                /// does is done. A put that was flushed is not repeated, and no other server is asked.
                ///
                /// # Errors
                ///
                /// As [`Producer::put`], but for what the server answers.
                cancel("As [`Producer::put`].")
                fn send(
                    &self,
                    put: $crate::proto::Put<'_>,
                ) -> Result<
                    $crate::__flushed!($mode ($crate::policy::Placed, $crate::proto::PutOutcome)),
                    Error,
                > {
                    self.0.send(put)
                } then sent { $crate::__flush!($mode sent) }

                /// As [`Producer::send`], on the server where jobs with the same key go.
                ///
                /// # Errors
                ///
                /// As [`Producer::send`].
                cancel("As [`Producer::put`].")
                fn send_keyed(
                    &self,
                    key: impl AsRef<[u8]>,
                    put: $crate::proto::Put<'_>,
                ) -> Result<
                    $crate::__flushed!($mode ($crate::policy::Placed, $crate::proto::PutOutcome)),
                    Error,
                > {
                    self.0.send_keyed(key, put)
                } then sent { $crate::__flush!($mode sent) }

                /// Adds a server for all handles, or finds the one that is there, which is tried again if it had refused to be connected to.
                /// Servers are distinguished, and keys hashed, by the one way in which an [`Endpoint`](crate::Endpoint) is written: `localhost` is the same server as `localhost:11300`.
                ///
                /// # Errors
                ///
                /// [`Error::Argument`] if that is no endpoint.
                fn add_server(&self, endpoint: &str) -> Result<$crate::policy::ServerId, Error> {
                    self.0.add_server(endpoint)
                }

                /// Removes a server for all handles, and returns whether there was one. The jobs on it stay there, and puts that were sent
                /// to it are answered.
                fn remove_server(&self, id: $crate::policy::ServerId) -> bool {
                    self.0.remove_server(id)
                }

                /// Returns the servers and their endpoints, in the order in which they were added.
                fn servers(&self) -> impl Iterator<Item = ($crate::policy::ServerId, String)> + use<> {
                    self.0.servers()
                }

                /// Returns whether a server is taken for healthy. One that failed is not until a probe or a put finds that it answers again.
                #[must_use]
                fn is_healthy(&self, id: $crate::policy::ServerId) -> bool {
                    self.0.is_healthy(id)
                }

                /// Returns what a server that is not healthy failed with last.
                #[must_use]
                fn failure(&self, id: $crate::policy::ServerId) -> Option<Error> {
                    self.0.failure(id)
                }

                /// Returns the client of a server, to look after a job that was put there. It has the connection that the producer puts on,
                /// and ends with it; ask for it again then. It connects with its first call if there is need.
                ///
                /// # Errors
                ///
                /// [`Error::Closed`] if there is no such server.
                fn client(&self, id: $crate::policy::ServerId) -> Result<SharedClient, Error> {
                    self.0.client(id)
                }
            }
        }
    };
}

/// The method that puts a value as JSON, beside `put`.
#[doc(hidden)]
#[macro_export]
#[cfg(feature = "json")]
macro_rules! __producer_put_json {
    ($mode:tt) => {
        $crate::__methods! { $mode
            /// Puts a job whose body is this value in JSON, as [`Body::json`](beanstalk_proto::Body::json) makes it:
            /// [`Job::json`](beanstalk_proto::Job::json) reads it, and `Json` as a handler's argument. With a key it is
            /// `put_keyed(key, priority, delay, ttr, Body::json(value)?)`.
            ///
            /// # Errors
            ///
            /// As [`Producer::put`], and [`ArgumentError::Body`](beanstalk_proto::ArgumentError::Body) if JSON has no form for the value:
            /// nothing is sent then.
            ///
            /// # Example
            ///
            /// ```no_run
            #[doc = $crate::__use!("Producer")]
            ///
            #[doc = $crate::__example!($mode)]
            /// let producer = Producer::new(["queue-1:11300", "queue-2:11300"])?;
            /// // Or of a type of your own that derives `Serialize`.
            /// let mail = std::collections::BTreeMap::from([("to", "ann"), ("subject", "hello")]);
            #[doc = concat!("producer.put_json(1024, 0, 60, &mail)", $crate::__await!($mode), "?.1.inserted()?;")]
            /// # Ok(())
            /// # }
            /// ```
            future("As [`Producer::put`].")
            fn put_json[Value: $crate::Serialize + ?Sized](
                &self,
                priority: impl $crate::proto::Argument<$crate::proto::Priority>,
                delay: impl $crate::proto::Argument<$crate::proto::Seconds>,
                ttr: impl $crate::proto::Argument<$crate::proto::Seconds>,
                value: &Value
            ) -> Result<($crate::policy::Placed, $crate::proto::PutOutcome), Error> {
                // Before the future, which need not hold the value then.
                let put = $crate::proto::Put::json(value).map(|put| put.priority(priority).delay(delay).ttr(ttr));
                async move {
                    let $crate::proto::Put { priority, delay, ttr, body } = put?;
                    self.0.put(priority, delay, ttr, body).await
                }
            }
        }
    };
}

/// Without the feature there is none.
#[doc(hidden)]
#[macro_export]
#[cfg(not(feature = "json"))]
macro_rules! __producer_put_json {
    ($mode:tt) => {};
}
