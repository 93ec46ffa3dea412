//! What a producer makes of servers that it cannot put on: those that refuse it, and none that answers.

use std::time::{Duration, Instant};

use beanstalk_driver::{ConnectOptions, ProducerConfig, policy::Backoff};
use beanstalk_proto::{Error, Full, Lost};

use super::{super::Stand, binding::Binding};
use crate::{
    front::{Front, Manners},
    unreachable::RefusingPort,
};

const DELAY: Backoff = Backoff { first: Duration::from_millis(5), max: Duration::from_millis(5) };

fn front(server: &str, token: &'static str) -> Front {
    Front::start(server, Manners { token: Some(token), ..Manners::default() })
}

fn config(patience: Duration) -> ProducerConfig {
    let connection = ConnectOptions::new().token("open-sesame");
    ProducerConfig::default().backoff(DELAY).patience(Some(patience)).connection(connection)
}

pub(super) fn a_server_that_refuses_is_left_alone_by_a_producer_of_several<B: Binding>(stand: Stand) {
    let server = stand.server();
    let (good, refusing) = (front(&server.address(), "open-sesame"), front(&server.address(), "open-barley"));
    let addresses = [good.address().to_string(), refusing.address().to_string()];
    let (mut puts, mut refused) = (0, 0);
    B::put(&addresses, config(Duration::from_secs(600)), &mut |_, placed| {
        puts += 1;
        if let Err(error) = placed {
            assert!(error.is_refusal(), "{error}");
            refused += 1;
        }
        puts < 40
    });
    // The put whose turn it was is told, and nobody tries again.
    assert_eq!((refused, refusing.accepted(), good.accepted()), (1, 1, 1));
}

pub(super) fn where_all_servers_refuse_each_put_fails_at_once_and_the_next_one_tries_again<B: Binding>(stand: Stand) {
    let server = stand.server();
    let fronts = [(); 2].map(|()| front(&server.address(), "open-barley"));
    let addresses = fronts.each_ref().map(|front| front.address().to_string());
    let (mut puts, start) = (0, Instant::now());
    B::put(&addresses, config(Duration::from_secs(600)), &mut |_, placed| {
        puts += 1;
        let error = placed.unwrap_err();
        assert!(error.is_refusal() && error.lost() == Some(Lost::NotSent), "{error}");
        puts < 6
    });
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    let accepted: usize = fronts.iter().map(Front::accepted).sum();
    assert_eq!(accepted, 6);
}

pub(super) fn puts_that_wait_for_a_server_are_bounded_in_number_and_bytes<B: Binding>() {
    let nobody = RefusingPort::new();
    // Out from the first put to the end.
    let long = Backoff { first: Duration::from_secs(600), max: Duration::from_secs(600) };
    let config = |waiting, waiting_bytes| {
        ProducerConfig::default()
            .backoff(long)
            .patience(Some(Duration::from_millis(400)))
            .waiting(waiting, waiting_bytes)
    };
    let full = |results: Vec<Result<(), Error>>| {
        let errors: Vec<_> = results.into_iter().map(Result::unwrap_err).collect();
        assert!(errors.iter().all(|error| error.lost() == Some(Lost::NotSent)), "{errors:?}");
        errors.into_iter().filter_map(|error| if let Error::Full(full) = error { Some(full) } else { None }).collect()
    };
    let servers = [nobody.address()];
    let of_number: Vec<Full> = full(B::put_at_once(&servers, config(3, usize::MAX), vec!["x".repeat(9); 8]));
    assert_eq!(of_number, [Full::Waiting { limit: 3 }; 5]);
    let of_bytes: Vec<Full> = full(B::put_at_once(&servers, config(usize::MAX, 100), vec!["x".repeat(40); 5]));
    assert_eq!(of_bytes, [Full::WaitingBytes { bytes: 80, limit: 100 }; 3]);
}
