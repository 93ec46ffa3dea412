//! The runtime of sessions: everything happens in the thread that calls, and nothing is woken.

use std::{future::Future, thread, time};

use beanstalk_driver::{ConnectOptions, Driver, Functions, Route, Runtime};
use beanstalk_proto::{Error, Instant};

use crate::{
    blocking::{Blocking, block_on},
    dial,
    stream::Stream,
};

/// Blocks the thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Std {
    /// What the core's clock counts from.
    epoch: time::Instant,
}

impl Default for Std {
    fn default() -> Self {
        Self { epoch: time::Instant::now() }
    }
}

impl Runtime for Std {
    type Handlers = Functions;
    type Transport = Blocking<Stream>;

    async fn connect(&self, route: &Route, options: &ConnectOptions) -> Result<Driver<Blocking<Stream>>, Error> {
        dial::connect(route, options)
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        let runtime = *self;
        async move { thread::sleep(until.saturating_duration_since(runtime.now())) }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Without a thread the task is dropped, which is noticed by what waits for it.
        let _thread = thread::Builder::new().name("beanstalk".into()).spawn(move || block_on(task));
    }
}
