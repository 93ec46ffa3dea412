//! What the owner of a server asks its thread.

use std::{
    sync::{Weak, mpsc::Sender},
    time::Duration,
};

use beanstalk_proto::{Instant, stats::ServerStats};

use crate::engine::Engine;

pub(super) enum Request {
    Stop,
    /// Looks at the engine, or changes its settings.
    Engine(Look),
    Pause(bool),
    /// Is answered once everything that was sent before has been dealt with.
    Settle(Option<Sender<()>>),
    /// The same, then time goes by, then the same again.
    Advance(Duration, Sender<()>),
    Watch(Watcher),
}

/// What to do with the engine.
pub(super) type Look = Box<dyn FnOnce(&mut Engine, Instant) + Send>;

/// A thread that waits for a state of the server.
pub(super) struct Watcher {
    pub(super) condition: Box<dyn FnMut(&ServerStats) -> bool + Send>,
    pub(super) done: Sender<()>,
    /// Gone when the thread no longer waits.
    pub(super) waiting: Weak<()>,
}

impl Watcher {
    /// Shows the state, and returns whether to show the next one.
    pub(super) fn show(&mut self, stats: &ServerStats) -> bool {
        if self.waiting.strong_count() == 0 {
            return false;
        }
        let met = (self.condition)(stats);
        if met {
            // A send that fails means that the wait was given up just now.
            let _ = self.done.send(());
        }
        !met
    }
}
