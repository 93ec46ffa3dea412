//! The runtime of sessions: everything happens in the thread that calls, and nothing is woken.

use std::{future::Future, thread};

use beanstalk_driver::{ConnectOptions, Driver, Functions, Route, Runtime};
use beanstalk_proto::{Error, Instant};

use crate::{
    blocking::{self, Blocking, block_on},
    dial,
    stream::Stream,
};

/// Blocks the thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Std;

impl Runtime for Std {
    type Handlers = Functions;
    type Transport = Blocking<Stream>;

    async fn connect(&self, route: &Route, options: &ConnectOptions) -> Result<Driver<Blocking<Stream>>, Error> {
        dial::connect(route, options)
    }

    fn now(&self) -> Instant {
        blocking::now()
    }

    #[allow(clippy::manual_async_fn, reason = "the future of an `async fn` would borrow the runtime")]
    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        async move { thread::sleep(until.saturating_duration_since(blocking::now())) }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Without a thread the task is dropped, which is noticed by what waits for it.
        let _thread = thread::Builder::new().name("beanstalk".into()).spawn(move || block_on(task));
    }
}
