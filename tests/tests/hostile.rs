//! Every client against peers that break the protocol. Names read `client::file::misdeed`.

use std::process::ExitCode;

use beanstalk_tests::{
    peer::{AsyncStd, Blocking, Smol, Tokio},
    runner,
};

fn main() -> ExitCode {
    let mut trials = runner::hostile::<Blocking>();
    trials.extend(runner::hostile::<Tokio>());
    trials.extend(runner::hostile::<AsyncStd>());
    trials.extend(runner::hostile::<Smol>());
    runner::main(env!("CARGO_CRATE_NAME"), trials)
}
