//! Who is told of what happens to a worker: a callback, and with the feature `tracing`, whoever listens there.

use std::panic::{AssertUnwindSafe, catch_unwind};

use beanstalk_driver::policy::WorkerEvent;

type Tell = Box<dyn Fn(&WorkerEvent) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Listener(pub(crate) Option<Tell>);

impl Listener {
    pub(crate) fn tell(&self, event: &WorkerEvent) {
        #[cfg(feature = "tracing")]
        trace(event);
        if let Some(tell) = &self.0 {
            // A listener that panics would end the slot, and nobody would know.
            let _told = catch_unwind(AssertUnwindSafe(|| tell(event)));
        }
    }
}

#[cfg(feature = "tracing")]
fn trace(event: &WorkerEvent) {
    use beanstalk_driver::policy::Event;
    match event {
        WorkerEvent::Connection { event: Event::Lost { .. }, .. } | WorkerEvent::Failed { .. } => {
            tracing::warn!("{event}");
        }
        WorkerEvent::Panicked { .. } => tracing::error!("{event}"),
        event => tracing::debug!("{event}"),
    }
}
