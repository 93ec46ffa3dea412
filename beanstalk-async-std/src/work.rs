//! Staying connected and getting work done: the core's workers, sessions and producers, on this runtime.

use beanstalk_driver::ConsumerJob;
use beanstalk_proto::Error;

use crate::{AsyncStd, HeldJob, SharedClient};

beanstalk_driver::worker! {
    (async) on AsyncStd;
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use beanstalk_async_std::{Error, HeldJob, Verdict, Worker};
    ///
    /// async fn send(job: HeldJob) -> Result<Verdict, std::str::Utf8Error> {
    ///     let address = std::str::from_utf8(&job.body)?;
    ///     println!("sending to {address}");
    ///     Ok(Verdict::Done)
    /// }
    ///
    /// # async fn example() -> Result<(), Error> {
    /// let worker =
    ///     Worker::builder().server("localhost:11300").tube("emails").concurrency(4).build()?;
    /// let handle = worker.handle();
    /// // Somewhere else, when it is time: handle.shutdown(Duration::from_secs(10));
    /// let metrics = worker.run(send).await;
    /// println!("{} done, {} to be done again", metrics.done, metrics.retried);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Handlers run on the slots' tasks. What blocks a thread belongs in `spawn_blocking`, or the heartbeat has no chance.
    ///
    /// A handler that still runs at the deadline of a shutdown is dropped.
}

beanstalk_driver::consumer! {
    (async) on AsyncStd;
    /// A consumer is a `futures_core::Stream`, too.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use beanstalk_async_std::{Consumer, Error};
    ///
    /// # async fn example() -> Result<(), Error> {
    /// let consumer =
    ///     Consumer::builder().server("localhost:11300").tube("emails").concurrency(4).build()?;
    /// while let Some(job) = consumer.next_timeout(Duration::from_secs(60)).await {
    ///     // On a task of its own, if it takes longer: up to four jobs are held at a time.
    ///     let Ok(address) = job.text() else {
    ///         job.bury().await?;
    ///         continue;
    ///     };
    ///     println!("sending to {address}");
    ///     job.delete().await?;
    /// }
    /// // Nothing has come for a minute.
    /// consumer.shutdown(Duration::from_secs(10)).await;
    /// # Ok(())
    /// # }
    /// ```
}

beanstalk_driver::session! { (async) on AsyncStd; }

beanstalk_driver::producer! {
    (async) on AsyncStd;
    ///
    /// Dropping the future of a put abandons it: the job may have been put.
}
