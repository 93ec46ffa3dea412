//! Handlers that are services of tower, with whatever there is as a layer.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use beanstalk_driver::{HandlerResult, HeldJob};
use tower_service::Service;

type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Returns a handler that has a `tower_service::Service` do the jobs, so that timeouts, rate limits, limits of concurrency, filters and
/// traces are layers of `tower`.
///
/// Each job gets a clone of the service, and waits until that is ready; meanwhile it is held and kept alive as while its handler
/// runs. A service that cannot be cloned, as one with a rate limit, is shared by `tower`'s `Buffer`.
///
/// A response is `()`, which is [`Verdict::Done`](crate::Verdict::Done), or a [`Verdict`](crate::Verdict). An error, of the service or of a layer, makes the
/// job fail as any handler's does: the [`RetryPolicy`](crate::RetryPolicy) releases or buries it. So a layer that retries is seldom of use:
/// it would hold the job, where the server keeps it for whichever worker is free.
///
/// A layer with a timeout drops the call, and the job fails. The heartbeat needs no help from layers: a job is touched for as long as its call
/// runs.
///
/// ```no_run
/// use std::time::Duration;
///
/// use beanstalk_tokio::{BoxError, HeldJob, Worker, service_handler};
/// use tower::ServiceBuilder;
///
/// async fn send(job: HeldJob) -> Result<(), BoxError> {
///     println!("sending {}", job.text()?);
///     Ok(())
/// }
///
/// # async fn example() -> Result<(), beanstalk_tokio::Error> {
/// let service = ServiceBuilder::new()
///     .buffer(16)
///     // Of all jobs together, whichever server they are from.
///     .rate_limit(100, Duration::from_secs(1))
///     .timeout(Duration::from_secs(30))
///     .service_fn(send);
/// let worker =
///     Worker::builder().server("localhost:11300").tube("emails").concurrency(16).build()?;
/// worker.run(service_handler(service)).await;
/// # Ok(())
/// # }
/// ```
pub fn service_handler<S>(service: S) -> impl Fn(HeldJob) -> Answer<S::Response, S::Error> + Send + Sync + 'static
where
    S: Service<HeldJob, Future: Send> + Clone + Send + 'static,
    Result<S::Response, S::Error>: HandlerResult,
{
    // What is only sent from thread to thread becomes what all of them share.
    let service = Mutex::new(service);
    move |job| {
        let mut service = service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(job).await
        })
    }
}
