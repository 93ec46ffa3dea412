//! Makes named tests of scenarios, and ends those that hang.

use std::{process::ExitCode, sync::mpsc, thread, time::Duration};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{
    hostile,
    peer::Peer,
    scenarios::{self, Scenario},
    server::{self, Backend},
    session::Stage,
};

/// How long any test may take before it counts as hanging.
const WATCHDOG: Duration = Duration::from_secs(30);
/// Most of a scenario's time is waiting for the server's clock, so more run at once than there are processors.
const AT_ONCE: usize = 16;

/// Every scenario for one client against every server.
pub fn conformance<P: Peer>() -> Vec<Trial> {
    let mut trials = Vec::new();
    for &backend in Backend::ALL {
        for scenario in scenarios::all::<P>() {
            let name = format!("{}::{}::{}::{}", P::NAME, backend.name(), scenario.module, scenario.name);
            trials.push(on_stage(name, backend, scenario));
        }
    }
    trials
}

/// The scenarios that need no client, against every server.
pub fn bare() -> Vec<Trial> {
    let mut trials = Vec::new();
    for &backend in Backend::ALL {
        for scenario in scenarios::bare_all() {
            let name = format!("bare::{}::{}", backend.name(), scenario.name);
            trials.push(on_stage(name, backend, scenario));
        }
    }
    trials
}

/// Every misdeed against one client.
pub fn hostile<P: Peer>() -> Vec<Trial> {
    let misdeeds = hostile::all::<P>().into_iter();
    misdeeds.map(|misdeed| trial(format!("{}::{}::{}", P::NAME, misdeed.module, misdeed.name), misdeed.play)).collect()
}

/// A test of its own.
pub fn trial(name: impl Into<String>, test: impl FnOnce() + Send + 'static) -> Trial {
    let name = name.into();
    Trial::test(name.clone(), move || within(WATCHDOG, name, test))
}

/// Runs tests as the command line asks.
pub fn main(trials: Vec<Trial>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn on_stage(name: String, backend: Backend, scenario: Scenario) -> Trial {
    let absent = backend == Backend::Real && server::installed().is_none();
    let play = move || {
        let stage = Stage::new(backend);
        (scenario.play)(&stage);
        for &kind in scenario.kinds {
            assert!(stage.was_sent(kind), "{} is listed with {kind:?}, which it does not send", scenario.name);
        }
    };
    trial(name, play).with_ignored_flag(absent)
}

/// Runs a test in a thread of its own, which is left behind if it hangs.
fn within(limit: Duration, name: String, test: impl FnOnce() + Send + 'static) -> Result<(), Failed> {
    let (done, ended) = mpsc::channel::<()>();
    let test = move || {
        // Dropped at the end, also by a panic.
        let _done = done;
        test();
    };
    let thread = thread::Builder::new().name(name).spawn(test)?;
    match ended.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => Err(format!("it hangs: no end after {limit:?}").into()),
        _ => thread.join().map_err(|panic| Failed::from(message(&*panic))),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(message), _) => message.clone(),
        (None, Some(message)) => (*message).to_string(),
        (None, None) => "it panicked".to_string(),
    }
}
