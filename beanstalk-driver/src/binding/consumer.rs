//! The consumer, and what configures it.

/// Emits `Consumer` and `ConsumerBuilder`, beside a `WorkerHandle` of [`worker!`](crate::worker) and a `ConsumerJob` that is made of the
/// driver's.
///
/// ```ignore
/// beanstalk_driver::consumer! {
///     (async) on Tokio;
///     /// What is added to its documentation: an example.
/// }
/// ```
///
/// `(blocking by block_on)` makes a blocking one.
#[macro_export]
macro_rules! consumer {
    ($mode:tt on $runtime:ty; $($doc:tt)*) => {
        /// Takes jobs from one server or several, one by one, as [`Consumer::next`] is called.
        ///
        /// Each job is owned by who got it: it may be moved to another task or thread, is kept alive for as long as it is held, and ends by
        /// [`delete`](ConsumerJob::delete), [`release`](ConsumerJob::release), [`bury`](ConsumerJob::bury), [`fail`](ConsumerJob::fail), or
        /// by being dropped, which gives it back. Connections that break are made again, with their tubes; servers may come and go.
        ///
        $($doc)*
        ///
        /// # What is reserved, and when
        ///
        /// No reserve is sent, and no connection made, while no call of `next` waits; no server is ever asked for more jobs than calls
        /// wait. A reserve that waits when its call ends (as another server had a job, or the call was given up) is not broken
        /// off: what comes of it within a second of the last call is kept alive and handed to the next one, as soon as that comes, and
        /// otherwise given back by closing its connection, so that it is ready again at once and none of its counts moves.
        #[doc = $crate::__async_doc!($mode "A call that is dropped when its job was there already gives it back in the same way.")]
        ///
        /// As many jobs may be held at a time as [`concurrency`](ConsumerBuilder::concurrency) and
        /// [`concurrency_per_server`](ConsumerBuilder::concurrency_per_server) allow, one unless changed; meanwhile `next` waits.
        ///
        /// # Its end
        ///
        /// [`Consumer::shutdown`] lets the jobs in hand be finished until a deadline. Dropping a consumer lets them be finished, however
        /// long that takes; nothing else is reserved.
        #[must_use = "a consumer reserves only what is asked for"]
        pub struct Consumer($crate::Consumer<$runtime>);

        impl Consumer {
            $crate::__methods! { $mode
                /// Returns a builder with nothing set: it needs a server at least.
                fn builder() -> ConsumerBuilder {
                    ConsumerBuilder($crate::ConsumerBuilder::default())
                }

                /// Returns what stops it, counts what it does, and changes its servers.
                #[must_use]
                fn handle(&self) -> WorkerHandle {
                    WorkerHandle(self.0.handle())
                }

                /// Waits for the next job. `None` once it is shut down, or has no servers any more as all of them have refused to be
                /// connected to (an event reports why).
                ///
                /// Several calls may wait at a time, and get what comes in the order in which they began.
                cancel("If the future is dropped, no job is lost: see [`Consumer`].")
                fn next(&self) -> Option<ConsumerJob> { self.0.next() } then job { job.map(ConsumerJob::from) }

                /// As [`Consumer::next`], and `None` if no job has come in time, too.
                cancel("As [`Consumer::next`].")
                fn next_timeout(&self, timeout: ::core::time::Duration) -> Option<ConsumerJob> {
                    self.0.next_timeout(timeout)
                } then job { job.map(ConsumerJob::from) }

                /// Ends it: calls that wait get `None`, jobs in hand may be finished until then, and what is not is given back. Returns
                /// what was done, as soon as all of it is over, at the deadline at the latest.
                cancel("If the future is dropped once it was polled, the shutdown goes on.")
                fn shutdown(&self, within: ::core::time::Duration) -> $crate::policy::Metrics { self.0.shutdown(within) }
            }
        }

        $crate::__only! { async $mode
            impl $crate::Stream for Consumer {
                type Item = ConsumerJob;

                /// As [`Consumer::next`], with one difference: a stream that was pending and is not polled any more waits on, until its
                /// consumer is dropped. A job that comes for it is kept alive until then.
                fn poll_next(
                    self: ::core::pin::Pin<&mut Self>,
                    cx: &mut ::core::task::Context<'_>,
                ) -> ::core::task::Poll<Option<ConsumerJob>> {
                    $crate::Stream::poll_next(::core::pin::Pin::new(&mut self.get_mut().0), cx)
                }
            }
        }

        /// Configures a [`Consumer`]. What is wrong is the error of [`ConsumerBuilder::build`].
        ///
        /// ```no_run
        /// use std::time::Duration;
        #[doc = $crate::__use!("{Backoff, Consumer}")]
        ///
        /// // Two jobs of each server may be held at a time.
        /// let consumer = Consumer::builder()
        ///     .servers(["queue-1:11300", "queue-2:11300"])
        ///     .tube("emails")
        ///     .concurrency_per_server(2)
        ///     .backoff(Backoff { first: Duration::from_secs(1), max: Duration::from_secs(30) })
        ///     .build()?;
        /// # drop(consumer);
        /// # Ok::<(), beanstalk_proto::Error>(())
        /// ```
        #[must_use]
        #[derive(Default)]
        pub struct ConsumerBuilder($crate::ConsumerBuilder<$runtime>);

        impl ConsumerBuilder {
            $crate::__builder_methods! { $mode }
            $crate::__methods! { $mode
                /// Returns the consumer. It connects once it is asked for a job.
                ///
                /// # Errors
                ///
                /// [`Error::Argument`] for what is no endpoint or no tube name, and for what no consumer could work with: no servers, a
                /// concurrency of 0 or over 65,535, a `reserve_slice` of 0, a first delay that is longer than the longest.
                fn build(self) -> Result<Consumer, Error> {
                    Ok(Consumer(self.0.build()?))
                }
            }
        }

        $crate::__debug_as_inner! { Consumer ConsumerBuilder }
    };
}
