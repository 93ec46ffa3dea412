//! Workers whose tasks go without having been told to.

use std::{convert::Infallible, time::Duration};

use beanstalk_driver::{
    ConnectOptions, Driver, Futures, Route, Runtime, Worker,
    policy::{Verdict, WorkerEvent},
};
use beanstalk_proto::{Error, Instant};
use smol::{channel, future::zip};

use super::{Stand, consumers::Host};

/// A runtime that drops every task, as one that is shut down does.
struct Dropping<R>(R);

impl<R: Host> Default for Dropping<R> {
    fn default() -> Self {
        Self(R::default())
    }
}

impl<R: Host> Runtime for Dropping<R> {
    type Handlers = Futures;
    type Transport = R::Transport;

    fn connect(
        &self,
        route: &Route,
        options: &ConnectOptions,
    ) -> impl Future<Output = Result<Driver<R::Transport>, Error>> + Send {
        self.0.connect(route, options)
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep(&self, until: Instant) -> impl Future<Output = ()> + Send + 'static {
        self.0.sleep(until)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(task);
    }
}

pub(super) async fn a_slot_whose_task_is_gone_is_reported<R: Host>(stand: Stand) {
    let server = stand.server();
    let (tell, told) = channel::unbounded();
    let builder = Worker::<Dropping<R>>::builder().server(&server.address()).concurrency(2);
    let worker = builder.on_event(move |event| tell.try_send(event.clone()).unwrap()).build().unwrap();
    let handle = worker.handle();
    let work = worker.run(|_| async { Ok::<_, Infallible>(Verdict::Done) });
    let script = async {
        for expected in 0..2 {
            let event = told.recv().await.unwrap();
            assert!(matches!(event, WorkerEvent::SlotEnded { slot, .. } if slot == expected), "{event}");
        }
        handle.shutdown(Duration::from_secs(20));
    };
    let (metrics, ()) = zip(work, script).await;
    assert_eq!(metrics, Default::default());
}
