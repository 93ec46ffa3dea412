//! SIGINT, SIGTERM and SIGHUP, which end a verb about many jobs in order: what is under way is finished, and nothing else is begun. A second
//! one ends the program at once.

use std::{
    fmt,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

use crate::exit::{Exit, Failure, Outcome};

/// Whether a signal came since this was made.
#[derive(Clone, Debug)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(super) fn new() -> Outcome<Self> {
        let came = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In this order: the first signal finds that none has come before it.
            flag::register_conditional_default(signal, Arc::clone(&came))
                .and_then(|_| flag::register(signal, Arc::clone(&came)))
                .map_err(|error| Failure::local("signals", &error))?;
        }
        Ok(Self(came))
    }

    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether to go on.
    pub(super) fn flow(&self) -> ControlFlow<()> {
        if self.came() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// An error if a signal came, with what was done before that.
    pub(super) fn check(&self, done: impl fmt::Display) -> Outcome<()> {
        if self.came() { Err(interrupted(done)) } else { Ok(()) }
    }
}

/// The error of a verb that was ended by a signal.
pub(super) fn interrupted(done: impl fmt::Display) -> Failure {
    Failure::new(Exit::Partial, format!("interrupted: {done}"))
}
