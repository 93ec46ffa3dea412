//! What is seen of workers from outside, on every binding: names, fields, labels and levels of spans, events and metrics.
//!
//! They are promised in the documentation of the driver's `Worker`: dashboards and filters are made of them.

mod metered;
mod recorder;
mod traced;
mod tracer;

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use beanstalk_async_std::AsyncStd;
use beanstalk_tests::{
    runner::{self, Trial},
    work::every::{Async, Binding, Blocking},
};
use beanstalk_tokio::Tokio;

/// How long anything may take that comes about by itself.
const LONG: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    tracer::install();
    recorder::install();
    let mut trials = all::<Blocking>();
    trials.extend(all::<Async<Tokio>>());
    trials.extend(all::<Async<AsyncStd>>());
    trials.push(runner::trial(
        "a_handler_that_is_dropped_with_its_worker_is_counted",
        metered::a_handler_that_is_dropped_with_its_worker_is_counted,
    ));
    trials.push(runner::trial("the_documentation_names_what_there_is", metered::the_documentation_names_what_there_is));
    runner::main(env!("CARGO_CRATE_NAME"), trials)
}

fn all<B: Binding>() -> Vec<Trial> {
    let trial = |name: &str, play: fn()| runner::trial(format!("{}::{name}", B::NAME), play);
    vec![
        trial("a_job_has_a_span_that_its_handler_runs_in", traced::a_job_has_a_span_that_its_handler_runs_in::<B>),
        trial("what_happens_is_logged_with_its_level", traced::what_happens_is_logged_with_its_level::<B>),
        trial("what_happens_is_counted", metered::what_happens_is_counted::<B>),
        trial("a_subscriber_or_recorder_that_panics_ends_nothing", metered::one_that_panics_ends_nothing::<B>),
    ]
}

/// Waits until something has come about that nobody reports.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < until, "it does not come about: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
