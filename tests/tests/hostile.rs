//! Every client against peers that break the protocol. Names read `client::file::misdeed`.

use std::process::ExitCode;

use beanstalk_tests::{
    peer::{Blocking, Tokio},
    runner,
};

fn main() -> ExitCode {
    let mut trials = runner::hostile::<Blocking>();
    trials.extend(runner::hostile::<Tokio>());
    runner::main(trials)
}
