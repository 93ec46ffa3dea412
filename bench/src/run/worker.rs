//! Our workers, with a handler that only counts.

use std::{
    convert::Infallible,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;

use super::{Meter, RunArgs, tokio_runtime};
use crate::task::WARM_UP;

/// Long enough for the last job's delete.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Counts handled jobs; the meter runs from the one behind the warm-up until `count` later.
#[derive(Debug)]
struct Tally {
    args: RunArgs,
    handled: AtomicU64,
    meter: Mutex<Option<Meter>>,
}

impl Tally {
    const fn new(args: RunArgs) -> Self {
        Self { args, handled: AtomicU64::new(0), meter: Mutex::new(None) }
    }

    /// A job is being handled, so the one before it is done. Says whether it was the last.
    fn handle(&self) -> bool {
        let handled = self.handled.fetch_add(1, Ordering::Relaxed);
        if handled == WARM_UP {
            *self.meter.lock().expect("nobody panicked") = Some(Meter::start(self.args.server));
        }
        let last = handled == WARM_UP + self.args.count;
        if let Some(meter) = last.then(|| self.meter.lock().expect("nobody panicked").take()).flatten() {
            meter.stop(self.args.count);
        }
        last
    }
}

pub(super) fn blocking(args: RunArgs) -> Result<()> {
    use beanstalk_sync::{HeldJob, Verdict, Worker};

    let worker = Worker::builder().server(&format!("127.0.0.1:{}", args.port)).build()?;
    let (handle, tally) = (worker.handle(), Tally::new(args));
    worker.run(move |_: HeldJob| {
        if tally.handle() {
            handle.shutdown(SHUTDOWN);
        }
        Ok::<_, Infallible>(Verdict::Done)
    });
    Ok(())
}

macro_rules! run {
    ($krate:ident, $args:expr) => {{
        use $krate::{HeldJob, Verdict, Worker};

        let worker = Worker::builder().server(&format!("127.0.0.1:{}", $args.port)).build()?;
        let (handle, tally) = (worker.handle(), Tally::new($args));
        worker.run(move |_: HeldJob| {
            if tally.handle() {
                handle.shutdown(SHUTDOWN);
            }
            async { Ok::<_, Infallible>(Verdict::Done) }
        })
    }};
}

pub(super) fn on_tokio(args: RunArgs) -> Result<()> {
    let runtime = tokio_runtime()?;
    runtime.block_on(async { anyhow::Ok(run!(beanstalk_tokio, args).await) })?;
    Ok(())
}

pub(super) fn on_async_std(args: RunArgs) -> Result<()> {
    async_std::task::block_on(async { anyhow::Ok(run!(beanstalk_async_std, args).await) })?;
    Ok(())
}
