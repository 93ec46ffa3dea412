//! Who is told of what happens to a worker: a callback, and with the feature `tracing`, whoever listens there.

use beanstalk_driver::policy::{WorkerEvent, guarded};

type Tell = Box<dyn Fn(&WorkerEvent) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Listener(pub(crate) Option<Tell>);

impl Listener {
    pub(crate) fn tell(&self, event: &WorkerEvent) {
        // A listener that panics, or a subscriber, would end the slot.
        let _panicked = guarded(|| {
            #[cfg(feature = "tracing")]
            trace(event);
            if let Some(tell) = &self.0 {
                tell(event);
            }
        });
    }
}

#[cfg(feature = "tracing")]
fn trace(event: &WorkerEvent) {
    use beanstalk_driver::policy::Event;
    match event {
        WorkerEvent::Connection { event: Event::Lost { .. }, .. } | WorkerEvent::Failed { .. } => {
            tracing::warn!("{event}");
        }
        WorkerEvent::Panicked { .. } | WorkerEvent::SlotEnded { .. } => tracing::error!("{event}"),
        event => tracing::debug!("{event}"),
    }
}
