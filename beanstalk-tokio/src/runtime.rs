//! tokio, as the core's workers and sessions want it.

use std::{
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
};

use beanstalk_driver::{ConnectOptions, Driver, Futures, Route, Runtime, connect::connect};
use beanstalk_proto::{Error, Instant};
use tokio::{runtime::Handle, task, time};

use crate::{dial::Dial, stream::Stream, transport::Transport};

/// The tokio runtime that a task runs on, for code that is generic over runtimes, by the crate `beanstalk-driver`. Nothing else needs it.
///
/// ```
/// use beanstalk_tokio::Tokio;
/// use beanstalk_driver::{Runtime, SharedClient, proto::Error};
///
/// /// For any of the bindings.
/// fn client<R: Runtime>() -> Result<SharedClient<R>, Error> {
///     let (shared, options) = (Default::default(), beanstalk_driver::ConnectOptions::new());
///     SharedClient::new("localhost:11300", shared, options)
/// }
///
/// let client: beanstalk_tokio::SharedClient = client::<Tokio>()?.into();
/// # let _ = client;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tokio {
    /// What the core's clock counts from.
    epoch: time::Instant,
}

impl Default for Tokio {
    fn default() -> Self {
        Self { epoch: time::Instant::now() }
    }
}

impl Runtime for Tokio {
    type Handlers = Futures;
    type Transport = Transport<Stream>;

    async fn connect(&self, route: &Route, options: &ConnectOptions) -> Result<Driver<Transport<Stream>>, Error> {
        connect::<Dial>(route, options).await
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        time::sleep(until.saturating_duration_since(self.now()))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn pass() -> impl Future<Output = ()> + Send + 'static {
        task::yield_now()
    }

    fn current() -> Option<u64> {
        // What is not public of an id is its number.
        Handle::try_current().ok().map(|handle| {
            let mut hasher = DefaultHasher::new();
            handle.id().hash(&mut hasher);
            hasher.finish()
        })
    }
}
