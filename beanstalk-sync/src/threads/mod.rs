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
mod shared;
mod task;
mod wait;
mod worker;

use std::{
    future::{Future, poll_fn, ready},
    io, process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, TryRecvError},
    },
    task::{Poll, Waker},
    thread, time,
};

use beanstalk_driver::{ConnectOptions, Driver, Functions, Route, Runtime};
use beanstalk_proto::{Error, Instant, Lost};

use crate::{dial, stream::Stream};
pub use consumer::ConsumerJob;
use evented::Evented;
pub use flushed::Flushed;
use keeper::Keeper;
pub use shared::{Producer, SharedClient};
use task::Task;
pub use worker::{Consumer, ConsumerBuilder, HeldJob, Worker, WorkerBuilder, WorkerHandle};

/// The runtime of threads: each task has one of its own.
#[derive(Clone, Debug)]
pub struct Threads {
    /// What the core's clock counts from.
    epoch: time::Instant,
    keeper: Arc<Keeper>,
}

impl Default for Threads {
    fn default() -> Self {
        Self { epoch: time::Instant::now(), keeper: Arc::default() }
    }
}

impl Runtime for Threads {
    type Handlers = Functions;
    type Transport = Evented<Stream>;

    async fn connect(&self, route: &Route, options: &ConnectOptions) -> Result<Driver<Self::Transport>, Error> {
        let (route, options) = (route.clone(), options.clone());
        // Looking up a name can't be broken off, and what is not awaited any more is left behind.
        let connected = elsewhere(move || dial::connect(&route, &options)).await.map_err(not_connected)?;
        connected?.try_map(Evented::new).map_err(not_connected)
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        wait::until(self.epoch.checked_add(until.saturating_duration_since(Instant::ZERO)))
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
        task::run_aside(handler)
    }
}

fn not_connected(error: io::Error) -> Error {
    Error::Io { error, lost: Lost::NotSent }
}

/// Runs what blocks on a thread of its own, for a task of this runtime.
fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = io::Result<T>> + Send {
    /// However the thread ends, the task learns of it.
    struct Ended(Waker);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.wake_by_ref();
        }
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let mut begin = Some((work, sender));
    poll_fn(move |cx| {
        if let Some((work, sender)) = begin.take() {
            let ended = Ended(cx.waker().clone());
            thread::Builder::new().name("beanstalk-connect".into()).spawn(move || {
                let (_ended, sender) = (ended, sender);
                // Nobody takes it if the task waits no more.
                let _left_behind = sender.send(work());
                drop(sender);
            })?;
        }
        match receiver.try_recv() {
            Ok(done) => Poll::Ready(Ok(done)),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => {
                Poll::Ready(Err(io::Error::other("the thread that connects has panicked")))
            }
        }
    })
}

/// What is behind the locks here is whole after every step, so that a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
