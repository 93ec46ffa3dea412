//! One set of scenarios, over every client and every server.
//!
//! A real beanstalkd is used where one is installed: see `beanstalk_tests::server::installed`. Names read
//! `client::server::file::scenario`; a part of one on the command line runs the tests it matches.

use std::process::ExitCode;

use beanstalk_proto::Kind;
use beanstalk_tests::{
    peer::{AsyncStd, Blocking, Smol, Tokio},
    runner, scenarios,
};

fn main() -> ExitCode {
    let mut trials = runner::bare();
    trials.extend(runner::conformance::<Blocking>());
    trials.extend(runner::conformance::<Tokio>());
    trials.extend(runner::conformance::<AsyncStd>());
    trials.extend(runner::conformance::<Smol>());
    trials.push(runner::trial("every_command_has_a_scenario", every_command_has_a_scenario));
    runner::main(env!("CARGO_CRATE_NAME"), trials)
}

/// That a scenario sends what it is listed with is checked where it is played.
fn every_command_has_a_scenario() {
    let scenarios = scenarios::all::<Blocking>();
    for kind in Kind::ALL {
        assert!(scenarios.iter().any(|scenario| scenario.kinds.contains(kind)), "no scenario is listed with {kind:?}");
    }
}
