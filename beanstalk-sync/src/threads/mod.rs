//! The runtime of workers, shared clients and producers: each task on a thread of its own.
//!
//! ```text
//!   task's thread:   poll ── pending ──▶ wait for the socket, the waker and the timer at once ──▶ poll …
//!                      │ a handler is to run
//!                      ▼
//!                    run it, with the task let go ──▶ poll …
//!   its keeper:        once the handler has run for 20 ms: poll, wait … in its place
//! ```
//!
//! A short job costs no change of threads, and while a long one runs its slot is looked after: heartbeats, shutdowns and broken
//! connections take place as if it were not there.

mod consumer;
mod evented;
mod flushed;
mod keeper;
#[cfg(all(test, schedules))]
mod schedules;
mod shared;
mod sync;
mod task;
mod wait;
mod worker;

use std::{
    convert::Infallible,
    fmt,
    future::{Future, poll_fn, ready},
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process,
    sync::{Arc, PoisonError},
    task::{Poll, Waker},
    thread,
};

use beanstalk_driver::{ConnectOptions, Driver, Functions, Route, Runtime};
use beanstalk_proto::{Error, Instant, Lost};

use crate::{blocking, dial, stream::Stream};
pub use consumer::ConsumerJob;
use evented::Evented;
pub use flushed::Flushed;
use keeper::Keeper;
pub use shared::{Producer, SharedClient};
use sync::{Mutex, MutexGuard};
use task::Task;
use wait::Handler;
pub use worker::{Consumer, ConsumerBuilder, HeldJob, Worker, WorkerBuilder, WorkerHandle};

/// The runtime of threads, for code that is generic over runtimes, by the crate `beanstalk-driver`: each task has a thread of its own.
/// Nothing else needs it.
///
/// ```
/// use beanstalk_sync::Threads;
/// use beanstalk_driver::{Runtime, SharedClient, proto::Error};
///
/// /// For any of the bindings.
/// fn client<R: Runtime>() -> Result<SharedClient<R>, Error> {
///     let (shared, options) = (Default::default(), beanstalk_driver::ConnectOptions::new());
///     SharedClient::new("localhost:11300", shared, options)
/// }
///
/// let client: beanstalk_sync::SharedClient = client::<Threads>()?.into();
/// # let _ = client;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Threads {
    keeper: Arc<Keeper>,
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}

impl Runtime for Threads {
    type Handlers = Functions;
    type Transport = Evented<Stream>;

    async fn connect(&self, route: &Route, options: &ConnectOptions) -> Result<Driver<Self::Transport>, Error> {
        let (route, options) = (route.clone(), options.clone());
        // Looking up a name can't be broken off, and what is not awaited any more is left behind.
        let connecting = aside(
            move || dial::connect(&route, &options),
            |connect, waker| {
                let (thread, waker) = (thread::Builder::new().name("beanstalk-connect".into()), waker.clone());
                let connect_and_wake = move || {
                    connect();
                    waker.wake();
                };
                thread.spawn(connect_and_wake).map(drop)
            },
        );
        let connected = connecting.await.map_err(not_connected)?;
        let panicked = |_| not_connected(io::Error::other("the thread that connects has panicked"));
        connected.map_err(panicked)??.try_map(Evented::new).map_err(not_connected)
    }

    fn now(&self) -> Instant {
        blocking::now()
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        wait::until(blocking::std_time(until))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        Task::spawn(Box::pin(task), &self.keeper);
    }

    /// A process that is forked from this one has the clients, but not the threads of their tasks.
    fn current() -> Option<u64> {
        Some(process::id().into())
    }

    fn pass() -> impl Future<Output = ()> + Send + 'static {
        // No socket is looked at for a task that could keep anybody from it.
        ready(())
    }

    fn run_handler<T: Send + 'static>(
        &self,
        handler: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let ended = aside(
            || wait::block_on(handler),
            // The thread that has run it polls the task, so no thread has to be woken.
            |handler, _| {
                wait::ask(|asked| asked.handler = Some(handler));
                Ok::<_, Infallible>(())
            },
        );
        async {
            let Ok(ended) = ended.await;
            ended.unwrap_or_else(|panic| resume_unwind(panic))
        }
    }
}

fn not_connected(error: io::Error) -> Error {
    Error::Io { error, lost: Lost::NotSent }
}

/// The future of what this returns, or panics with, once it was begun elsewhere: by `begin`, in the future's first poll.
fn aside<T: Send + 'static, E>(
    work: impl FnOnce() -> T + Send + 'static,
    begin: impl FnOnce(Handler, &Waker) -> Result<(), E> + Send,
) -> impl Future<Output = Result<thread::Result<T>, E>> + Send {
    let outcome = Arc::new(Mutex::new(None));
    let mut begin = Some((work, begin));
    poll_fn(move |cx| {
        if let Some((work, begin)) = begin.take() {
            let outcome = Arc::clone(&outcome);
            let work = move || {
                let ended = catch_unwind(AssertUnwindSafe(work));
                // It is not taken if the task waits no more.
                *lock(&outcome) = Some(ended);
            };
            begin(Box::new(work), cx.waker())?;
        }
        lock(&outcome).take().map_or(Poll::Pending, |ended| Poll::Ready(Ok(ended)))
    })
}

/// What is behind the locks here is whole after every step, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
