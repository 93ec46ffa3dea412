//! A client's end of a link, as the asynchronous driver takes it, and the clients' view of time.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::Duration,
};

use beanstalk_driver::{Block, Driver, PollTransport};
use beanstalk_proto::{
    Error, Instant, Lost, Segments,
    client::{Config, Connection},
};

use super::{
    link::LinkId,
    world::{TimerId, World},
};

/// The world, as its clients hold it. All of them are in one thread; the lock is for those who must promise that they could be
/// in others.
#[derive(Clone, Debug)]
pub(super) struct Sim(Arc<Mutex<World>>);

impl Sim {
    /// Shares a world.
    pub(super) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world. Never across an await.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.try_lock().expect("nobody else to hold it")
    }

    /// What time it is.
    pub(super) fn now(&self) -> Instant {
        self.world().now
    }

    /// Waits.
    pub(super) async fn sleep(&self, duration: Duration) {
        let at = self.now() + duration;
        self.sleep_until(at).await;
    }

    /// Waits until then.
    pub(super) async fn sleep_until(&self, at: Instant) {
        let timer = Alarm::new(self);
        self.world().set_timer(timer.id, at);
        poll_fn(|cx| timer.poll(cx)).await;
    }

    /// Drops a future that takes longer than this, or than so many polls.
    pub(super) async fn cancel<T>(&self, future: impl Future<Output = T>, after: Duration, polls: u64) -> Option<T> {
        let (mut future, mut late) = (pin!(future), pin!(self.sleep(after)));
        let mut polled = 0;
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                polled += 1;
                if polled >= polls { Poll::Ready(None) } else { late.as_mut().poll(cx).map(|()| None) }
            }
        })
        .await
    }

    /// Connects, with the driver that the asynchronous adapters have.
    pub(super) fn connect(&self, config: Config) -> Option<(LinkId, Driver<Stream>)> {
        let stream = Stream::connect(self)?;
        Some((stream.link, Driver::new(Connection::new(config), stream)))
    }
}

/// A timer that is forgotten on drop.
#[derive(Debug)]
struct Alarm {
    sim: Sim,
    id: TimerId,
}

impl Alarm {
    fn new(sim: &Sim) -> Self {
        Self { sim: sim.clone(), id: sim.world().new_timer() }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.sim.world().timer_is_due(self.id, cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.sim.world().drop_timer(self.id);
    }
}

/// A client's end. Dropping it closes it, in order or not.
#[derive(Debug)]
pub(super) struct Stream {
    sim: Sim,
    link: LinkId,
    timer: Alarm,
}

impl Stream {
    /// Connects, unless the network will not.
    pub(super) fn connect(sim: &Sim) -> Option<Self> {
        let link = sim.world().connect()?;
        Some(Self { sim: sim.clone(), link, timer: Alarm::new(sim) })
    }

    /// Which link it is the end of.
    pub(super) fn link(&self) -> LinkId {
        self.link
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.sim.world().client_close(self.link);
    }
}

/// As sockets, without an error with more in it.
fn io<T>(result: Result<Option<T>, ()>) -> Poll<Result<T, ()>> {
    match result {
        Ok(Some(value)) => Poll::Ready(Ok(value)),
        Ok(None) => Poll::Pending,
        Err(()) => Poll::Ready(Err(())),
    }
}

impl PollTransport for Stream {
    type Error = ();

    fn poll_read(&mut self, cx: &mut Context<'_>, _: Block, buf: &mut [u8]) -> Poll<Result<usize, ()>> {
        io(self.sim.world().client_read(self.link, buf, cx.waker()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, _: Block, segments: Segments<'_>) -> Poll<Result<usize, ()>> {
        let bytes = segments.collect::<Vec<_>>().concat();
        io(self.sim.world().client_write(self.link, &bytes, cx.waker()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>, _: Block) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
        self.sim.world().client_fin(self.link);
        Poll::Ready(Ok(()))
    }

    fn failure((): (), lost: Lost) -> Error {
        Error::Io { error: std::io::ErrorKind::ConnectionReset.into(), lost }
    }

    fn now(&self) -> Instant {
        self.sim.now()
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let sim = self.sim.clone();
        move || sim.now()
    }

    fn set_timer(&mut self, at: Instant) {
        self.sim.world().set_timer(self.timer.id, at);
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.poll(cx)
    }
}
