//! How long a call waits for a server.

use std::time::{Duration, Instant};

use beanstalk_driver::{
    ProducerConfig,
    policy::{Backoff, SessionConfig},
};
use beanstalk_proto::{Command, Error, Lost, client::Config};

use super::binding::Binding;
use crate::unreachable::{RefusingPort, Silent};

const PATIENCE: Duration = Duration::from_millis(400);
/// Far less than the connect timeout, and enough for a slow machine.
const MOST: Duration = Duration::from_secs(4);

fn config() -> Config {
    Config { connect_timeout: Some(Duration::from_secs(20)), ..Config::default() }
}

fn check(start: Instant, result: Result<(), Error>) {
    let (took, error) = (start.elapsed(), result.expect_err("nobody answers"));
    assert!(took >= PATIENCE && took < MOST, "it took {took:?}");
    assert_eq!(error.lost(), Some(Lost::NotSent), "{error}");
}

pub(super) fn connecting_ends_with_the_patience_of_a_session<B: Binding>() {
    let nobody = Silent::new();
    let session = SessionConfig::default().patience(Some(PATIENCE));
    let start = Instant::now();
    B::session(&nobody.address().to_string(), session, config(), &mut |result| match result {
        None => Some(Command::ListTubes),
        Some(result) => {
            check(start, result.map(drop));
            None
        }
    });
}

fn put<B: Binding>(address: String, backoff: Backoff) {
    let config = ProducerConfig::default().patience(Some(PATIENCE)).backoff(backoff).connection(config());
    let mut result = Ok(());
    let start = Instant::now();
    B::put(&[address], config, &mut |_, placed| {
        result = placed.map(drop);
        false
    });
    check(start, result);
}

pub(super) fn connecting_ends_with_the_patience_of_a_producer<B: Binding>() {
    let nobody = Silent::new();
    put::<B>(nobody.address().to_string(), Backoff::default());
}

pub(super) fn a_put_waits_for_a_server_as_long_as_its_patience<B: Binding>() {
    let minute = Duration::from_secs(60);
    let nobody = RefusingPort::new();
    put::<B>(nobody.address(), Backoff { first: minute, max: minute });
}
