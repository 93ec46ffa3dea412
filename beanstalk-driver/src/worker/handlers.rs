//! The handlers of a worker: one for all jobs, or one for each tube.

use alloc::{boxed::Box, collections::BTreeMap, format, sync::Arc};
use core::{
    fmt,
    future::{Future, ready},
};

use super::{
    handler::{BoxError, HandlerResult},
    held_job::HeldJob,
};
use crate::{
    observe::JobSpan,
    policy::Verdict,
    runtime::{Boxed, Functions, Futures, Runtime},
};
use beanstalk_proto::TubeName;

/// What a handler may take: the job, or what is made of it.
///
/// | argument | |
/// |---|---|
/// | `HeldJob` | the job |
/// | `Json<T>`, with the feature `json` | its body, decoded: see `Json` |
/// | `(Json<T>, HeldJob)` | both |
///
/// An application may have arguments of its own. If one can't be made, the handler is not called, and the job has failed with that
/// error; a [`MalformedJob`](beanstalk_proto::MalformedJob) is set aside at once, see
/// `WorkerBuilder::bury_malformed`. For `beanstalk-sync`, too, the job is that of `beanstalk-driver`, of which it makes its own by
/// `HeldJob::from(job)`.
///
/// ```
/// use beanstalk_driver::{BoxError, FromJob, HeldJob};
///
/// struct Address(String);
///
/// impl FromJob for Address {
///     fn from_job(job: HeldJob) -> Result<Self, BoxError> {
///         Ok(Self(job.text()?.to_string()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}`",
    label = "this handler takes `{Self}`",
    note = "a handler takes the job by value: write `job: HeldJob`, `Json(value): Json<T>` or `(Json(value), job): (Json<T>, HeldJob)`",
    note = "an argument of an application's own implements `FromJob`"
)]
pub trait FromJob: Sized {
    /// Makes it of a job.
    ///
    /// # Errors
    ///
    /// What the job fails with.
    fn from_job(job: HeldJob) -> Result<Self, BoxError>;
}

impl FromJob for HeldJob {
    fn from_job(job: HeldJob) -> Result<Self, BoxError> {
        Ok(job)
    }
}

/// What a call of a handler returns: a [`HandlerResult`], or in the asynchronous crates a future of one. `Kind` is which of the two
/// the crate has: nothing implements this but these.
///
/// ```
/// use beanstalk_driver::{Functions, Futures, HandlerOutput, policy::Verdict};
///
/// fn is_for_beanstalk_sync(_: &impl HandlerOutput<Functions>) {}
/// fn is_for_the_others(_: &impl HandlerOutput<Futures>) {}
///
/// is_for_beanstalk_sync(&Verdict::Done);
/// is_for_the_others(&async { Verdict::Done });
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "this handler returns `{Self}`",
    note = "a handler returns `()`, `Verdict`, `Result<(), E>` or `Result<Verdict, E>`, an asynchronous one a future of one of these",
    note = "handlers of `beanstalk-sync` are functions, those of the other crates `async fn`s"
)]
pub trait HandlerOutput<Kind> {
    /// Returns what is to become of the job, or why its handler failed.
    ///
    /// # Errors
    ///
    /// The handler's.
    fn outcome(self) -> impl Future<Output = Result<Verdict, BoxError>> + Send;
}

impl<F: Future<Output: HandlerResult> + Send> HandlerOutput<Futures> for F {
    async fn outcome(self) -> Result<Verdict, BoxError> {
        self.await.into_outcome()
    }
}

impl<O: HandlerResult> HandlerOutput<Functions> for O {
    fn outcome(self) -> impl Future<Output = Result<Verdict, BoxError>> + Send {
        ready(self.into_outcome())
    }
}

/// What a slot waits for.
pub(super) type Run = Boxed<Result<Verdict, BoxError>>;

type Start<R> = dyn Fn(&R, HeldJob, JobSpan) -> Run + Send + Sync;

/// A handler of any type.
pub(super) struct Handler<R>(Box<Start<R>>);

impl<R: Runtime> Handler<R> {
    pub(super) fn new<A, O>(handler: impl Fn(A) -> O + Send + Sync + 'static) -> Self
    where
        A: FromJob,
        O: HandlerOutput<R::Handlers> + 'static,
    {
        let handler = Arc::new(handler);
        Self(Box::new(move |runtime, job, span| {
            let handler = Arc::clone(&handler);
            let run = async move {
                // Neither what it takes nor what it returns is there while this is awaited.
                let outcome = handler(A::from_job(job)?).outcome();
                outcome.await
            };
            Box::pin(runtime.run_handler(span.around(run)))
        }))
    }
}

impl<R> fmt::Debug for Handler<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").finish_non_exhaustive()
    }
}

/// Which handler a job is for.
pub(super) enum Handlers<R> {
    One(Handler<R>),
    ByTube(BTreeMap<TubeName, Handler<R>>),
    /// None: a consumer's jobs go to the calls that wait for them.
    Calls,
}

impl<R: Runtime> Handlers<R> {
    /// Calls the handler of a job from this tube, which has to be known only if there is one for each.
    pub(super) fn run(&self, runtime: &R, job: HeldJob, tube: Option<&TubeName>, span: JobSpan) -> Run {
        let handler = match self {
            Self::One(handler) => Some(handler),
            Self::ByTube(handlers) => tube.and_then(|tube| handlers.get(tube)),
            Self::Calls => None,
        };
        match (handler, tube) {
            (Some(Handler(run)), _) => run(runtime, job, span),
            // The builder has refused tubes without a handler, so only a server that leaves the tube out gets here.
            (None, Some(tube)) => Box::pin(ready(Err(format!("the tube {tube} has no handler").into()))),
            (None, None) => Box::pin(ready(Err("the server did not report its tube".into()))),
        }
    }
}
