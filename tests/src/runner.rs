//! Makes named tests of scenarios, ends those that hang, and requires known failures to fail.

use std::{process::ExitCode, time::Duration};

use libtest_mimic::{Arguments, Failed};

use crate::{
    hostile,
    known::{self, Known},
    peer::Peer,
    scenarios::{self, Scenario},
    server::{self, Backend},
    session::Stage,
    watchdog,
};

/// Most of a scenario's time is waiting for the server's clock, so more run at once than there are processors.
const AT_ONCE: usize = 16;

/// A named test.
pub struct Trial {
    name: String,
    test: Box<dyn FnOnce() -> Result<(), Failed> + Send>,
    ignored: bool,
}

impl Trial {
    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets whether it only runs when asked for.
    #[must_use]
    pub fn with_ignored_flag(self, ignored: bool) -> Self {
        Self { ignored, ..self }
    }
}

/// Every scenario for one client against every server.
pub fn conformance<P: Peer>() -> Vec<Trial> {
    Backend::ALL.iter().flat_map(|&backend| conformance_on::<P>(backend)).collect()
}

/// Every scenario for one client against one server.
pub fn conformance_on<P: Peer>(backend: Backend) -> Vec<Trial> {
    let scenarios = scenarios::all::<P>().into_iter();
    let name = |scenario: &Scenario| format!("{}::{}::{}::{}", P::NAME, backend.name(), scenario.module, scenario.name);
    scenarios.map(|scenario| on_stage(name(&scenario), backend, scenario)).collect()
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
    trial_bound_to(watchdog::LIMIT, name, test)
}

/// A test of its own that may take so long.
pub fn trial_bound_to(limit: Duration, name: impl Into<String>, test: impl FnOnce() + Send + 'static) -> Trial {
    let name = name.into();
    let within = {
        let name = name.clone();
        move || watchdog::within(limit, name, test).map_err(Failed::from)
    };
    Trial { name, test: Box::new(within), ignored: false }
}

/// Runs the tests of a binary as the command line asks. Those that are listed as known failures have to fail.
pub fn main(binary: &str, trials: Vec<Trial>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    let trials = expecting(&known::listed(binary), trials).into_iter();
    let trials =
        trials.map(|trial| libtest_mimic::Trial::test(trial.name, trial.test).with_ignored_flag(trial.ignored));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Turns the result of every known failure around. A name that no trial has becomes one that fails.
fn expecting(list: &[Known<'static>], mut trials: Vec<Trial>) -> Vec<Trial> {
    for &known in list {
        match trials.iter().position(|trial| trial.name == known.trial) {
            Some(place) => {
                let Trial { name, test, ignored } = trials.swap_remove(place);
                trials.push(Trial { name, test: Box::new(move || known.judge(test())), ignored });
            }
            None => trials.push(trial(format!("known-failures.txt::{}", known.trial), move || {
                panic!("no trial has the name {}: delete its line from tests/known-failures.txt", known.trial)
            })),
        }
    }
    trials
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "
        work fails     a fault
        work passes    a fault that was mended
        work is-gone   a fault whose test was renamed
        other unlisted of another binary";

    #[test]
    fn known_failures_have_to_fail_and_to_exist() {
        let trials = vec![
            trial("fails", || panic!("as it does")),
            trial("passes", || ()),
            trial("unlisted", || ()),
            trial("ignored", || ()).with_ignored_flag(true),
        ];
        let mut results = Vec::new();
        for trial in expecting(&known::of("work", LIST), trials) {
            let result = (trial.test)().map_err(|failed| failed.message().unwrap_or_default().to_string());
            results.push((trial.name, trial.ignored, result));
        }
        results.sort();
        let error = |message: &str| Err(message.to_string());
        let mended = "it is a known failure (a fault that was mended), and it passes: \
                      delete its line from tests/known-failures.txt";
        let gone = "no trial has the name is-gone: delete its line from tests/known-failures.txt";
        let expected = [
            ("fails", false, Ok(())),
            ("ignored", true, Ok(())),
            ("known-failures.txt::is-gone", false, error(gone)),
            ("passes", false, error(mended)),
            ("unlisted", false, Ok(())),
        ];
        assert_eq!(results, expected.map(|(name, ignored, result)| (name.to_string(), ignored, result)));
    }
}
