//! async-std, as the core's workers and sessions want it.

use std::{future::Future, time};

use async_std::task;
use beanstalk_driver::{ConnectOptions, Driver, Futures, Route, Runtime, connect::connect};
use beanstalk_proto::{Error, Instant};

use crate::{dial::Dial, stream::Stream, transport::Transport};

/// The runtime of async-std, for code that is generic over runtimes, by the crate `beanstalk-driver`. Nothing else needs it.
///
/// ```
/// use beanstalk_async_std::AsyncStd;
/// use beanstalk_driver::{Runtime, SharedClient, proto::Error};
///
/// /// For any of the bindings.
/// fn client<R: Runtime>() -> Result<SharedClient<R>, Error> {
///     let (shared, options) = (Default::default(), beanstalk_driver::ConnectOptions::new());
///     SharedClient::new("localhost:11300", shared, options)
/// }
///
/// let client: beanstalk_async_std::SharedClient = client::<AsyncStd>()?.into();
/// # let _ = client;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AsyncStd {
    /// What the core's clock counts from.
    epoch: time::Instant,
}

impl Default for AsyncStd {
    fn default() -> Self {
        Self { epoch: time::Instant::now() }
    }
}

impl Runtime for AsyncStd {
    type Handlers = Futures;
    type Transport = Transport<Stream>;

    async fn connect(&self, route: &Route, options: &ConnectOptions) -> Result<Driver<Transport<Stream>>, Error> {
        connect::<Dial>(route, options).await
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        task::sleep(until.saturating_duration_since(self.now()))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        task::spawn(task);
    }
}
