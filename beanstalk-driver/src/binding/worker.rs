//! The worker, what configures it and what controls it.

/// Emits `Worker`, `WorkerBuilder` and `WorkerHandle`, next to a `HeldJob` that is made of the driver's.
///
/// ```ignore
/// beanstalk_driver::worker! {
///     (async) on Tokio;
///     /// What is added to its documentation: an example, and where handlers run.
/// }
/// ```
///
/// `(blocking by block_on)` makes a blocking one.
#[macro_export]
macro_rules! worker {
    ($mode:tt on $runtime:ty; $($doc:tt)*) => {
        /// Takes jobs from one server or several and gives them to a handler, or to one for each tube, until it is shut down.
        ///
        /// Each of its slots has a connection of its own and one job at a time. Slots of all servers wait at once, so an empty server
        /// never keeps a full one waiting, and one that is dead costs nothing but its own jobs' delay: its slots go on trying to
        /// connect. While a handler runs, its slot touches the job in time, and a handler that fails or panics leaves its job to the
        /// [`RetryPolicy`](crate::RetryPolicy).
        ///
        /// If the connection breaks meanwhile, the server gives the job to another worker: it is lost to this worker, unless
        /// [`WorkerBuilder::reclaim`] has it taken back. What the handler returns then changes nothing, and it is run to its end, so
        /// handlers must bear that a job is done twice. [`HeldJob::is_lost`] shows it.
        ///
        $($doc)*
        #[must_use = "a worker works while it is run"]
        pub struct Worker($crate::Worker<$runtime>);

        impl Worker {
            $crate::__methods! { $mode
                /// Returns a builder with nothing set: it needs a server at least.
                fn builder() -> WorkerBuilder {
                    WorkerBuilder($crate::WorkerBuilder::default())
                }

                /// Returns what stops it, counts what it does, and changes its servers while it runs.
                #[must_use]
                fn handle(&self) -> WorkerHandle {
                    WorkerHandle(self.0.handle())
                }

                /// Works until [`WorkerHandle::shutdown`], and returns what was done. This handler gets the jobs of all tubes;
                /// [`Worker::run_handlers`] gives those of each tube to a handler of their own.
                ///
                /// The handler is given a job and returns one of the types in [`HandlerResult`](crate::HandlerResult). An error or a panic
                /// is [`Verdict::Failed`](crate::Verdict::Failed). It is called where the slots run, for several jobs at a time if there
                /// are several slots.
                ///
                /// It returns as soon as every slot has finished, and at the deadline of the shutdown in any case: connections are
                /// closed then, which gives back what they held.
                cancel("If the future is dropped, the worker ends at once: handlers are dropped, and their jobs given back.")
                fn run[O: $crate::HandlerOutput<$crate::__handlers!($mode)> + 'static](
                    self,
                    handler: impl Fn(HeldJob) -> O + Send + Sync + 'static,
                ) -> $crate::policy::Metrics {
                    self.0.run(move |job| handler(HeldJob::from(job)))
                }

                /// Works until [`WorkerHandle::shutdown`], with the handlers that [`WorkerBuilder::handle`] was given, and returns what was
                /// done. All else is as with [`Worker::run`].
                ///
                /// # Errors
                ///
                /// [`Error::Argument`] if the builder was given no handler.
                cancel("As [`Worker::run`].")
                fn run_handlers(self) -> Result<$crate::policy::Metrics, Error> {
                    self.0.run_handlers()
                }
            }
        }

        /// Configures a [`Worker`]. What is wrong is the error of [`WorkerBuilder::build`].
        ///
        /// ```no_run
        /// use std::{num::NonZeroU32, time::Duration};
        #[doc = $crate::__use!("{RetryPolicy, Worker}")]
        ///
        /// // Eight at a time, of both servers together; five attempts, the second after 30 s.
        /// let retry = RetryPolicy::default()
        ///     .first(Duration::from_secs(30))
        ///     .bury_after(NonZeroU32::new(5));
        /// let worker = Worker::builder()
        ///     .servers(["queue-1:11300", "queue-2:11300"])
        ///     .tube("emails")
        ///     .concurrency(8)
        ///     .retry(retry)
        ///     .dead_letters("emails.failed")
        ///     .build()?;
        /// # drop(worker);
        /// # Ok::<(), beanstalk_proto::Error>(())
        /// ```
        #[must_use]
        #[derive(Default)]
        pub struct WorkerBuilder($crate::WorkerBuilder<$runtime>);

        impl WorkerBuilder {
            $crate::__builder_methods! { $mode }
            $crate::__methods! { $mode
                /// Gives the jobs of this tube to a handler of their own, to be run by [`Worker::run_handlers`]. The tube is watched, and no
                /// other may be that has no handler. Each handler may take and return something else: see [`FromJob`](crate::FromJob) and
                /// [`HandlerResult`](crate::HandlerResult).
                ///
                /// With handlers of several tubes, the server is asked for each job's tube before its handler begins, which takes one more
                /// round trip; [`HeldJob::details`] and a heartbeat then need none. With one handler nothing is asked.
                fn handle['t, A: $crate::FromJob, O: $crate::HandlerOutput<$crate::__handlers!($mode)> + 'static](
                    self,
                    tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'t>>,
                    handler: impl Fn(A) -> O + Send + Sync + 'static,
                ) -> Self {
                    Self(self.0.handle(tube, handler))
                }

                /// Returns the worker. It connects once it is run.
                ///
                /// # Errors
                ///
                /// [`Error::Argument`] for what is no endpoint or no tube name, and for what no worker could work with: no servers, a
                /// concurrency of 0 or over 65,535, a `reserve_slice` of 0, a `handler_timeout` of zero, dead letters in a tube that jobs are taken from, a first delay that is longer than the longest, a tube without a handler beside
                /// one that [has its own](WorkerBuilder::handle), a tube with two handlers.
                fn build(self) -> Result<Worker, Error> {
                    Ok(Worker(self.0.build()?))
                }
            }
        }

        /// Stops a [`Worker`], counts what it does, and changes its servers while it runs. From any task or thread.
        ///
        /// ```no_run
        /// use std::time::Duration;
        #[doc = $crate::__use!("Worker")]
        ///
        #[doc = $crate::__example!($mode)]
        /// let worker = Worker::builder().server("queue-1:11300").build()?;
        /// let handle = worker.handle();
        /// // From another task or thread, while the worker runs:
        /// handle.add_server("queue-2:11300")?;
        /// println!("{} jobs done so far", handle.metrics().done);
        /// handle.remove_server("queue-1:11300", Duration::from_secs(10));
        /// // No further job, and half a minute for those in hand:
        /// handle.shutdown(Duration::from_secs(30));
        /// # Ok(())
        /// # }
        /// ```
        #[derive(Clone)]
        pub struct WorkerHandle($crate::WorkerHandle<$runtime>);

        impl WorkerHandle {
            $crate::__methods! { $mode
                /// Has the worker stop: no further job is reserved, and handlers have so long to finish. What they have not finished
                /// is given back. It returns at once; [`Worker::run`] returns when all of it is over, at the deadline at the latest. Of
                /// several deadlines the earliest counts.
                fn shutdown(&self, within: ::core::time::Duration) {
                    self.0.shutdown(within);
                }

                /// Returns what all slots have done so far, those of removed servers too.
                #[must_use]
                fn metrics(&self) -> $crate::policy::Metrics {
                    self.0.metrics()
                }

                /// Adds a server, unless the worker is shutting down. One that is there gets the connections again that it has refused, if there are
                /// any, so that it has no more than [`concurrency_per_server`](WorkerBuilder::concurrency_per_server).
                ///
                /// What is still to be finished of a server that was removed does not count when it is added again.
                ///
                /// # Errors
                ///
                /// [`Error::Argument`] if that is no endpoint.
                fn add_server(&self, endpoint: &str) -> Result<(), Error> {
                    self.0.add_server(endpoint)
                }

                /// Removes a server, and returns whether it was there. Its slots stop as in a shutdown, the others go on.
                fn remove_server(&self, endpoint: &str, within: ::core::time::Duration) -> bool {
                    self.0.remove_server(endpoint, within)
                }

                /// Returns the servers there are: those that were added and not removed, and have not refused all connections.
                #[must_use]
                fn servers(&self) -> ::std::vec::Vec<$crate::Endpoint> {
                    self.0.servers()
                }
            }
        }

        $crate::__debug_as_inner! { Worker WorkerBuilder WorkerHandle }
    };
}

/// What is the same of all that is configured as a worker is. A method is its documentation, its signature, and the driver's method.
#[doc(hidden)]
#[macro_export]
macro_rules! __builder_methods {
    ($mode:tt) => {
        $crate::__methods! { $mode
            /// Adds a server: an [`Endpoint`](crate::Endpoint).
            fn server(self, endpoint: &str) -> Self {
                Self(self.0.server(endpoint))
            }

            /// Adds servers, each an [`Endpoint`](crate::Endpoint).
            fn servers(self, endpoints: impl IntoIterator<Item: AsRef<str>>) -> Self {
                Self(self.0.servers(endpoints))
            }

            /// Adds a tube to take jobs from. Without one it is `default`.
            fn tube['t](self, tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'t>>) -> Self {
                Self(self.0.tube(tube))
            }

            /// Adds tubes to take jobs from.
            fn tubes['t](self, tubes: impl IntoIterator<Item: $crate::proto::Argument<$crate::proto::TubeArg<'t>>>) -> Self {
                Self(self.0.tubes(tubes))
            }

            /// Sets how long a handler may run: as long as it takes unless changed. When it has run for so long, its job has failed with
            /// [`HandlerTimedOut`](crate::HandlerTimedOut), which [`on_failure`](Self::on_failure) and the
            /// [`RetryPolicy`](crate::RetryPolicy) treat as any error.
            ///
            /// | a handler that is | | its slot |
            /// |---|---|---|
            /// | a future | is dropped | takes the next job |
            /// | a function that blocks | runs on: `HeldJob::is_timed_out` is true, and what it returns changes nothing | takes the next job once it has returned |
            /// | the owner of a job from a consumer | keeps it in vain: what would finish it fails with `NotHeld` | takes the next job |
            ///
            /// Its job is no longer touched, but released, buried or moved at once, so another worker may get it while a function runs on.
            fn handler_timeout(self, after: ::core::time::Duration) -> Self {
                Self(self.0.handler_timeout(after))
            }

            /// Sets how many jobs are worked on at a time, of all servers together: no limit unless changed.
            ///
            /// Servers that have jobs take turns, and an empty one does not hold the others up. With several servers, one of them may have
            /// handed over a job that is beyond the limit: it waits for a place until nothing more has been wanted for a second, and is
            /// then given back by closing its connection.
            fn concurrency(self, jobs: usize) -> Self {
                Self(self.0.concurrency(jobs))
            }

            /// Sets how many jobs of each server are worked on at a time, each with a connection of its own: unless changed, as many as
            /// [`concurrency`](Self::concurrency) allows, and 1 if that is not set either.
            fn concurrency_per_server(self, jobs: usize) -> Self {
                Self(self.0.concurrency_per_server(jobs))
            }

            /// Sets what becomes of jobs that fail. Unless changed a job is tried ten times, the second time after 1 s, then after twice as long
            /// each time, up to an hour; then it is buried.
            fn retry(self, retry: $crate::policy::RetryPolicy) -> Self {
                Self(self.0.retry(retry))
            }

            /// Chooses what becomes of a job whose handler has failed: by its error, by how often it was tried, or by what else is in
            /// [`Failure`](crate::Failure). It is asked where the slot runs, before the [`RetryPolicy`](crate::RetryPolicy), and should be
            /// quick.
            ///
            /// | verdict | the job is |
            /// |---|---|
            /// | [`Failed`](crate::Verdict::Failed) | what [`bury_malformed`](Self::bury_malformed) and the [`RetryPolicy`](crate::RetryPolicy) make of it; the same if the function panics |
            /// | [`RetryAfter`](crate::Verdict::RetryAfter) | released, which counts as a failure |
            /// | [`Bury`](crate::Verdict::Bury) | moved to the tube for dead letters if there is one, else buried |
            /// | [`Done`](crate::Verdict::Done) | deleted |
            ///
            /// ```
            #[doc = $crate::__use!("{Verdict, Worker}")]
            ///
            /// // What is not text will not be the next time; a server that is down deserves a minute.
            /// Worker::builder().on_failure(|failure| match failure.error {
            ///     error if error.is::<std::str::Utf8Error>() => Verdict::Bury,
            ///     error if error.is::<std::io::Error>() => Verdict::retry_after(60),
            ///     _ => Verdict::Failed,
            /// });
            /// ```
            fn on_failure(
                self,
                on_failure: impl Fn(&$crate::Failure<'_>) -> $crate::policy::Verdict + Send + Sync + 'static,
            ) -> Self {
                Self(self.0.on_failure(on_failure))
            }

            /// Moves jobs that failed, and are not to be tried again, to this tube of their server, where they are ready, with the same
            /// priority and ttr. Without it they are buried. What a handler's own verdict buries is buried nevertheless.
            ///
            /// It cannot be a tube that jobs are taken from. A job is put into this tube before it is deleted, so if its connection breaks in between there are two of it, and it is
            /// tried again. If the server has no memory for it, or is draining, it is buried.
            fn dead_letters['t](self, tube: impl $crate::proto::Argument<$crate::proto::TubeArg<'t>>) -> Self {
                Self(self.0.dead_letters(tube))
            }

            /// Sets whether a job is set aside at once if its handler could not decode the body, as no further attempt will change that: it
            /// is moved to the tube for dead letters if there is one, else buried. It is unless this is `false`; then the job has failed
            /// like any other.
            ///
            /// A handler reports this by an error that is a [`MalformedJob`](crate::MalformedJob), or has one in its chain of sources:
            /// `Job::json` fails with it, and decoders of other formats can. [`on_failure`](Self::on_failure) is asked first, if there is
            /// one.
            fn bury_malformed(self, bury: bool) -> Self {
                Self(self.0.bury_malformed(bury))
            }

            /// Sets how long to wait between attempts to connect: unless changed at most 100 ms after the first, and twice as long each time, up to
            /// 10 s.
            fn backoff(self, backoff: $crate::policy::Backoff) -> Self {
                Self(self.0.backoff(backoff))
            }

            /// Sets how long one reserve waits, in seconds: 10 unless changed. A server that has vanished without a word is noticed after
            /// this and the reply timeout.
            fn reserve_slice(self, seconds: u32) -> Self {
                Self(self.0.reserve_slice(seconds))
            }

            /// Sets whether a slot takes the job in hand back after its connection broke: it does not unless this is `true`. Needs servers
            /// from 1.12 on.
            fn reclaim(self, reclaim: bool) -> Self {
                Self(self.0.reclaim(reclaim))
            }

            /// Sets how each connection is made, its timeouts and limits among that: as [`ConnectOptions::new`](crate::ConnectOptions::new) unless
            /// changed.
            fn connection(self, options: impl Into<$crate::ConnectOptions>) -> Self {
                Self(self.0.connection(options))
            }

            /// Calls this with what happens, where the slots run. What happens to the connections of one server is reported in order, one
            /// event at a time.
            ///
            /// It should be quick, and hand over what takes longer: its slot does nothing meanwhile, no heartbeat either, and while it is
            /// called with an event of a connection, no other slot of the same server gets past an event of its own connection.
            fn on_event(self, on_event: impl Fn(&$crate::policy::WorkerEvent) + Send + Sync + 'static) -> Self {
                Self(self.0.on_event(on_event))
            }
        }
    };
}

/// What the handlers of a binding are.
#[doc(hidden)]
#[macro_export]
macro_rules! __handlers {
    ((async)) => {
        $crate::Futures
    };
    ($blocking:tt) => {
        $crate::Functions
    };
}

/// Shows a type as what it is around.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug_as_inner {
    ($($name:ident)*) => {
        $(impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                self.0.fmt(f)
            }
        })*
    };
}
