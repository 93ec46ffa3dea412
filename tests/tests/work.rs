//! Workers, sessions and producers over every runtime and every server.
//!
//! A real beanstalkd is used where one is installed. Names read `runtime::server::file::scenario`; a part of one on the
//! command line runs the tests it matches.

use std::process::ExitCode;

use beanstalk_async_std::AsyncStd;
use beanstalk_sync::Threads;
use beanstalk_tests::{
    runner,
    work::{
        self,
        every::{self, Async, Blocking},
    },
};
use beanstalk_tokio::Tokio;

fn main() -> ExitCode {
    let mut trials = work::all::<Tokio>();
    trials.extend(work::all::<AsyncStd>());
    trials.extend(work::hosts::<Threads>());
    trials.extend(work::hosts::<Tokio>());
    trials.extend(work::hosts::<AsyncStd>());
    trials.extend(every::all::<Blocking>());
    trials.extend(every::all::<Async<Tokio>>());
    trials.extend(every::all::<Async<AsyncStd>>());
    runner::main(env!("CARGO_CRATE_NAME"), trials)
}
