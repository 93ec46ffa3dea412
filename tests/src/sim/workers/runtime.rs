//! The runtime of a simulation, as the policies' tasks want it: the very tasks that tokio and async-std carry out.

use std::{cell::RefCell, future::Future, io, sync::Arc, time::Duration};

use beanstalk_driver::{ConnectOptions, Driver, Futures, Route, Runtime};
use beanstalk_proto::{Error, Instant, Lost, client::Connection};

use super::{
    super::{outage::Outage, stream::Stream},
    cluster::{Cluster, Owner},
};

thread_local! {
    /// Which simulation runs in this thread. Workers make their runtime themselves, out of nothing.
    static RUNNING: RefCell<Option<Arc<Cluster>>> = const { RefCell::new(None) };
}

/// Virtual time, and servers in memory.
pub(super) struct Virtual {
    cluster: Arc<Cluster>,
    owner: Owner,
}

/// Makes a simulation the one of this thread, until it is dropped.
pub(super) struct Running;

impl Running {
    pub(super) fn new(cluster: &Arc<Cluster>) -> Self {
        RUNNING.set(Some(Arc::clone(cluster)));
        Self
    }
}

/// The servers of this thread's simulation.
pub(super) fn addresses() -> Vec<String> {
    RUNNING.with_borrow(|cluster| cluster.as_ref().map(|cluster| cluster.addresses())).unwrap_or_default()
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(None);
    }
}

impl Default for Virtual {
    fn default() -> Self {
        let cluster = RUNNING.with_borrow(Clone::clone).expect("a simulation in this thread");
        let owner = cluster.new_owner();
        Self { cluster, owner }
    }
}

impl Runtime for Virtual {
    type Handlers = Futures;
    type Transport = Stream;

    async fn connect(&self, route: &Route, options: &ConnectOptions) -> Result<Driver<Self::Transport>, Error> {
        let (address, config) = (route.endpoint(), options.config);
        let server = Cluster::number(&address.to_string());
        let sim = self.cluster.servers()[server].clone();
        let lost = Lost::NotSent;
        self.cluster.note("connects", self.owner, address.to_string().as_bytes());
        self.cluster.tally().connects(self.owner, server, sim.now());
        if sim.world().outage == Some(Outage::Vanished) {
            sim.sleep(config.connect_timeout.unwrap_or(Duration::from_secs(60))).await;
            return Err(Error::TimedOut {
                command: "connect",
                subject: beanstalk_proto::Subject::None,
                waited: Duration::ZERO,
                lost,
            });
        }
        let delay = sim.world().delay();
        let stream = Stream::connect(&sim);
        if let Some(stream) = &stream {
            self.cluster.tally().connected(self.owner, server, stream.link());
            if let Some(end) = sim.world().links.get_mut(&stream.link()) {
                end.task = self.cluster.current();
            }
        }
        sim.sleep(delay).await;
        match stream {
            Some(stream) => Ok(Driver::new(Connection::new(config), stream)),
            None => Err(Error::Io { error: io::ErrorKind::ConnectionRefused.into(), lost }),
        }
    }

    fn now(&self) -> Instant {
        self.cluster.look_at_clock()
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        let clock = self.cluster.servers()[0].clone();
        async move { clock.sleep_until(until).await }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.cluster.spawn(self.owner, Box::pin(task));
    }

    fn seed(&self) -> u64 {
        self.cluster.rng().next()
    }
}
