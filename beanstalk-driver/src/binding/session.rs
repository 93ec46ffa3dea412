//! The client that outlives its connections, and the jobs that it holds.

/// Emits `Session` and `JobHandle`, and their methods.
///
/// ```ignore
/// beanstalk_driver::session! {
///     (async) on Tokio;
///     /// What is added to its documentation.
/// }
/// ```
///
/// `(blocking by block_on)` makes a blocking one.
#[macro_export]
macro_rules! session {
    ($mode:tt on $runtime:ty; $($doc:tt)*) => {
        /// A client that outlives its connections. Every command of the protocol is a method, as on a [`Client`](crate::Client).
        ///
        /// When the connection breaks, the next call connects again, waiting longer after each failure, and restores the tube in
        /// use and the watch list before it sends anything else. Nothing happens while no call is under way. A reply that does not come in
        /// time counts as a broken connection. A call that was broken off is repeated if that can do no harm:
        ///
        /// | request | cannot have run | may have run |
        /// |---|---|---|
        /// | reads (`peek…`, `stats…`, `list-…`), `use`, `watch`, `ignore` | repeated | repeated |
        /// | `reserve`, `reserve-with-timeout` | repeated | repeated, with what is left of the timeout; with 0 if nothing is |
        /// | `put`, `kick`, `pause-tube` | repeated | fails |
        /// | `delete`, `release`, `bury`, `touch`, `reserve-job`, `kick-job`, and commands of your own | fails | fails |
        ///
        /// A job that the old connection's reserve took goes back by itself, once the server has noticed that the connection is gone. While only
        /// the client has, the server may hand a job to the old connection: it goes back when its time to run ends, which the server
        /// counts in the job's `timeouts`, and a [`RetryPolicy`](crate::RetryPolicy) counts as a failure.
        ///
        /// Jobs that were reserved are held no more once the connection is gone. A [`JobHandle`] keeps track of that, and finishes only what it
        /// holds; the methods that take an id don't.
        ///
        /// ```no_run
        #[doc = $crate::__use!("Session")]
        ///
        #[doc = $crate::__example!($mode)]
        #[doc = concat!("let session = Session::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
        /// let mut session = session.on_event(|event| eprintln!("{event:?}"));
        #[doc = concat!("session.watch(\"urls-to-fetch\")", $crate::__await!($mode), "?;")]
        /// // Until nothing has come for a minute; from here on the server may be restarted at any time.
        #[doc = concat!("while let Some(next) = session.next_job(60)", $crate::__await!($mode), "? {")]
        ///     // No job: one that is held besides is about to expire, and comes again.
        ///     let Some(job) = next.job() else { continue };
        ///     match job.text() {
        ///         Ok(url) => {
        ///             println!("fetching {url}");
        #[doc = concat!("            job.delete()", $crate::__await!($mode), "?;")]
        ///         }
        #[doc = concat!("        Err(_) => job.bury()", $crate::__await!($mode), "?,")]
        ///     }
        /// }
        /// # Ok(())
        /// # }
        /// ```
        $($doc)*
        pub struct Session($crate::Session<$runtime>);

        impl ::core::fmt::Debug for Session {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Session {
            $crate::__methods! { $mode
                /// Connects to an [`Endpoint`](crate::Endpoint), once and now; from then on as the default
                /// [`SessionConfig`](crate::SessionConfig) has it.
                ///
                /// # Errors
                ///
                /// As [`Client::connect`](crate::Client::connect).
                cancel("If the future is dropped, there is no connection.")
                fn connect(endpoint: &str) -> Result<Self, Error> {
                    $crate::Session::connect(endpoint)
                } then session { Ok(Self(session?)) }

                /// Connects once and now, with options for every connection of the session.
                ///
                /// # Errors
                ///
                /// As [`Session::connect`].
                cancel("If the future is dropped, there is no connection.")
                fn connect_with(endpoint: &str, options: impl Into<$crate::ConnectOptions>) -> Result<Self, Error> {
                    $crate::Session::connect_with(endpoint, options)
                } then session { Ok(Self(session?)) }

                /// Returns a session that connects with its first call, and keeps trying for as long as its patience lasts.
                ///
                /// # Errors
                ///
                /// [`Error::Argument`] if that is no endpoint, and for a first delay that is longer than the longest.
                fn new(
                    endpoint: &str,
                    session: $crate::policy::SessionConfig,
                    options: impl Into<$crate::ConnectOptions>,
                ) -> Result<Self, Error> {
                    Ok(Self($crate::Session::new(endpoint, session, options)?))
                }

                /// Calls this with every event, during the call in which it happens, or the next one.
                #[must_use]
                fn on_event(self, on_event: impl FnMut(&$crate::policy::Event) + Send + 'static) -> Self {
                    Self(self.0.on_event(on_event))
                }

                /// Sets whether job handles take their job back by themselves after a reconnect, as [`JobHandle::reclaim`] does: not unless
                /// set.
                #[must_use]
                fn reclaim_jobs(self, reclaim: bool) -> Self {
                    Self(self.0.reclaim_jobs(reclaim))
                }

                /// Sends a request and waits for its reply, over as many connections as it takes.
                ///
                /// The request is kept until its reply is here, in case it has to be repeated: a body that is borrowed is not copied for
                /// that.
                ///
                /// # Errors
                ///
                /// As [`Client::call`](crate::Client::call). When no connection comes about in time, what the last attempt failed with;
                /// then, and whenever [`Error::lost`] is [`NotSent`](crate::Lost::NotSent), it was not sent.
                future("If the future is dropped once it has been polled, the request may still run, and its reply is dropped. A `use`, `watch` or `ignore` that is dropped is undone by the next call. A waiting reserve is taken over by the next one, and a job that comes without a caller is kept for it, as long as the connection lasts.")
                fn call[R: $crate::proto::Request + Clone](&mut self, request: R) -> Result<R::Reply, Error> {
                    self.0.call(request)
                }

                /// Gives the one call that is made on what this returns so long for its reply, in place of
                /// [`Config::reply_timeout`](beanstalk_proto::client::Config::reply_timeout); `None` waits as long as it takes. As there,
                /// what a `reserve` may wait for a job is added to it. A call that is repeated has so long each time, and connecting takes
                /// what it takes.
                ///
                /// A body has to be written within it, or read: 16 MiB take 7 s on a line of 20 Mbit/s, and 134 s at 1 Mbit/s.
                #[must_use = "it counts for the call that is made on what this returns"]
                fn timeout(&mut self, timeout: impl Into<Option<::core::time::Duration>>) -> &mut Self {
                    let _ = self.0.timeout(timeout);
                    self
                }

                /// Sends a request, connecting first if there is need, and returns once its last byte was written and flushed. What it
                /// returns is for [`Session::reply`] or [`Session::abandon`].
                ///
                /// A server that runs gets what was flushed, even if the session is dropped then: a `put` as the last thing that is done on
                /// a connection is done. Of several requests sent so the server may run the first only, as it notices that the client is gone.
                ///
                /// What was flushed is not repeated. A `use`, `watch` or `ignore` counts for the connections to come once its reply was
                /// taken.
                ///
                /// # Errors
                ///
                /// As [`Session::call`], but for what the server answers.
                cancel("If the future is dropped once it has been polled, the request may still run.")
                fn send[R: $crate::proto::Request + Clone](&mut self, request: R) -> Result<$crate::Sent<R::Reply>, Error> {
                    self.0.send(request)
                }

                /// Waits for the reply to a request that was sent. Replies can be taken in any order.
                ///
                /// # Errors
                ///
                /// As [`Session::call`]; [`Error::Closed`] if the connection that it was sent on is gone.
                cancel("If the future is dropped, the reply is given up.")
                fn reply[R](&mut self, sent: $crate::Sent<R>) -> Result<R, Error> {
                    self.0.reply(sent)
                }

                /// Gives up the claim to a reply: it is dropped when it comes.
                fn abandon[R](&mut self, sent: $crate::Sent<R>) {
                    self.0.abandon(sent);
                }

                /// Returns whether there is no connection now: looks at what is here, and waits for nothing. The next call makes one.
                fn is_closed(&mut self) -> bool {
                    self.0.is_closed()
                }

                /// Waits until the connection has ended, and returns what ended it; at once, if there is none. The next call makes another.
                cancel("Safe: nothing is lost by dropping the future.")
                fn closed(&mut self) -> Error {
                    self.0.closed()
                }

                /// Waits so many seconds for a job: `reserve-with-timeout`. `None` is the answer if none came (`TIMED_OUT`), and only then,
                /// so that it ends a loop.
                ///
                /// [`NextJob::DeadlineSoon`](crate::NextJob::DeadlineSoon) is the answer if a job that is held besides is nearly out of
                /// time: one that was taken out of its handle with [`JobHandle::into_job`], or whose handle was dropped without a verdict.
                /// A call after that sends its reserve no sooner than 100 ms later: so a loop that does nothing about it is one of some
                /// turns a second, until that job is ready again.
                ///
                /// # Errors
                ///
                /// As [`Session::call`].
                #[doc(alias = "reserve")]
                cancel("Safe in `select!`, as `reserve_with_timeout`.")
                fn next_job(
                    &mut self,
                    timeout: impl $crate::proto::Argument<$crate::proto::Seconds>,
                ) -> Result<Option<$crate::NextJob<JobHandle<'_>>>, Error> {
                    self.0.next_reserved(timeout)
                } then next { Ok(next?.map(|next| next.map(|job| JobHandle { session: self, job }))) }

                /// Returns how many connections there were so far. Jobs reserved on an earlier one are held no more.
                #[must_use]
                fn connections(&self) -> u64 {
                    self.0.connections()
                }

                /// Returns whether there is a connection now, as far as is known.
                #[must_use]
                fn is_connected(&self) -> bool {
                    self.0.is_connected()
                }

                /// Returns the tubes that it uses and watches, on every connection.
                #[must_use]
                fn tubes(&self) -> &$crate::policy::Tubes {
                    self.0.tubes()
                }

                /// Returns where the server is.
                #[must_use]
                fn server(&self) -> &$crate::Endpoint {
                    self.0.server()
                }
            }

            $crate::command_methods! { $mode }
        }

        /// A job reserved by a [`Session`]: its id and body, by way of [`Job`](crate::Job), and what can be done with it.
        ///
        /// Only this connection can finish it, and only until its time to run is over. Once the connection is gone, everything
        /// here fails with [`Error::NotHeld`], and nothing is sent, unless the job is taken back: another worker may have it.
        ///
        /// Dropping it sends nothing: the job stays held until its time to run is over or the connection ends, and is ready again then.
        ///
        /// ```no_run
        #[doc = $crate::__use!("Session")]
        ///
        #[doc = $crate::__example!($mode)]
        #[doc = concat!("let mut session = Session::connect(\"localhost:11300\")", $crate::__await!($mode), "?;")]
        #[doc = concat!("session.watch(\"emails\")", $crate::__await!($mode), "?;")]
        #[doc = concat!("while let Some(next) = session.next_job(60)", $crate::__await!($mode), "? {")]
        ///     let Some(mut job) = next.job() else { continue };
        ///     for address in job.text().unwrap_or_default().to_owned().lines() {
        ///         println!("sending to {address}");
        ///         // Its whole time to run is ahead again.
        #[doc = concat!("        job.touch()", $crate::__await!($mode), "?;")]
        ///     }
        #[doc = concat!("    job.delete()", $crate::__await!($mode), "?;")]
        /// }
        /// # Ok(())
        /// # }
        /// ```
        pub struct JobHandle<'s> {
            session: &'s mut Session,
            job: $crate::ReservedJob,
        }

        impl JobHandle<'_> {
            $crate::__methods! { $mode
                /// Returns the session, for other commands, for example to put a job that follows from this one.
                fn session(&mut self) -> &mut Session {
                    self.session
                }

                /// Returns the server it came from.
                #[must_use]
                fn server(&self) -> &$crate::Endpoint {
                    self.session.server()
                }

                /// Returns whether the connection that reserved it is still there, as far as is known. Its time to run may be over
                /// nevertheless.
                #[must_use]
                fn is_held(&self) -> bool {
                    self.job.is_held(&self.session.0)
                }

                /// Asks the server for its statistics, as they are now.
                ///
                /// # Errors
                ///
                /// [`Error::NotHeld`], else as [`Session::stats_job`].
                cancel("Safe.")
                fn stats(&mut self) -> Result<$crate::proto::stats::JobStats, Error> {
                    self.job.stats(&mut self.session.0)
                }

                /// Returns the tube it is in. That is known if the session watched only one; else the server is asked.
                ///
                /// # Errors
                ///
                /// As [`JobHandle::stats`].
                cancel("Safe.")
                fn tube(&mut self) -> Result<$crate::proto::TubeName, Error> {
                    self.job.tube(&mut self.session.0)
                }

                /// Gives it its full time to run again.
                ///
                /// # Errors
                ///
                /// [`Error::NotHeld`], else as [`Session::touch`].
                cancel("If the future is dropped, the job may have been touched.")
                fn touch(&mut self) -> Result<(), Error> {
                    self.job.touch(&mut self.session.0)
                }

                /// Deletes it: it is done.
                ///
                /// # Errors
                ///
                /// [`Error::NotHeld`], else as [`Session::delete`].
                cancel("If the future is dropped once it has been polled, the job may have been deleted.")
                fn delete(self) -> Result<(), Error> {
                    self.job.delete(&mut self.session.0)
                }

                /// Gives it back, with the priority it had, which the server is asked for. It is ready after the delay.
                ///
                /// # Errors
                ///
                /// [`Error::NotHeld`], else as [`Session::release`].
                cancel("If the future is dropped once it has been polled, the job may have been released.")
                fn release(
                    self,
                    delay: impl $crate::proto::Argument<$crate::proto::Seconds>,
                ) -> Result<$crate::proto::ReleaseOutcome, Error> {
                    self.job.release(&mut self.session.0, delay)
                }

                /// Buries it, with the priority it had, which the server is asked for.
                ///
                /// # Errors
                ///
                /// [`Error::NotHeld`], else as [`Session::bury`].
                cancel("If the future is dropped once it has been polled, the job may have been buried.")
                fn bury(self) -> Result<(), Error> {
                    self.job.bury(&mut self.session.0)
                }

                /// Takes it back after a reconnect with `reserve-job`, if its id still stands for the same job, as its body, tube, age and
                /// count of reserves show, and no other connection holds it. Servers from 1.12 on. Does nothing if it is held.
                ///
                /// # Errors
                ///
                /// [`NotFound`](crate::CommandError::NotFound) if it is gone, reserved elsewhere, or another job has its id; else as
                /// [`Session::call`].
                cancel("If the future is dropped, the session may hold the job or not.")
                fn reclaim(&mut self) -> Result<(), Error> {
                    self.job.reclaim(&mut self.session.0)
                }

                /// Returns the job alone, held as before.
                #[must_use]
                fn into_job(self) -> $crate::proto::Job {
                    self.job.into_job()
                }
            }
        }

        impl ::core::ops::Deref for JobHandle<'_> {
            type Target = $crate::proto::Job;

            fn deref(&self) -> &$crate::proto::Job {
                &self.job
            }
        }

        impl ::core::fmt::Debug for JobHandle<'_> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct("JobHandle").field("job", &self.job).field("held", &self.is_held()).finish_non_exhaustive()
            }
        }
    };
}
