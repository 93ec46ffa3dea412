//! What workers, producers and sessions refuse before anything runs, with every binding: what is missing or makes no sense, by name.

use std::time::Duration;

use beanstalk_driver::policy::{Backoff, RetryPolicy, SessionConfig};
use beanstalk_proto::{ArgumentError, Error, client::Config};
const UPSIDE_DOWN: Backoff = Backoff { first: Duration::from_secs(2), max: Duration::from_millis(1500) };
const SERVER: &str = "127.0.0.1:9";
const NOBODY: [&str; 0] = [];

/// What was built is of no use, for this reason.
#[track_caller]
fn refused<T>(built: Result<T, Error>, why: &str) {
    let Err(error) = built else { panic!("it was built, although {why}") };
    assert!(matches!(error, Error::Argument(ArgumentError::Setting { .. })), "{error:?}");
    assert_eq!(error.to_string(), why);
}

macro_rules! bindings {
    ($($name:ident: $krate:ident;)*) => {
        $(mod $name {
            use super::*;
            use $krate::{Consumer, Producer, ProducerConfig, Session, Worker};

            #[test]
            fn a_worker_that_could_not_work_is_not_built() {
                refused(Worker::builder().build(), "servers: there is none to take jobs from");
                refused(Worker::builder().servers(NOBODY).tube("t").build(), "servers: there is none to take jobs from");
                let builder = || Worker::builder().server(SERVER);
                refused(builder().concurrency(0).build(), "concurrency: 0 jobs at a time are none at all");
                refused(builder().concurrency_per_server(0).build(), "concurrency_per_server: 0 jobs at a time are none at all");
                for most in [65_536, usize::MAX] {
                    let why = "each job takes a connection, and to one server there can be 65535 at most";
                    refused(builder().concurrency(most).build(), &format!("concurrency: {why}"));
                    refused(Consumer::builder().server(SERVER).concurrency(most).build(), &format!("concurrency: {why}"));
                    refused(builder().concurrency_per_server(most).build(), &format!("concurrency_per_server: {why}"));
                }
                // There the other is the limit.
                assert!(builder().concurrency(usize::MAX).concurrency_per_server(1).build().is_ok());
                assert!(builder().concurrency(1).concurrency_per_server(usize::MAX).build().is_ok());
                for (dead, tubes) in [("default", &[][..]), ("t", &["u", "t"][..])] {
                    let why = format!("dead_letters: jobs are taken from the tube {dead}, so that one that failed for good would be tried again");
                    refused(builder().tubes(tubes).dead_letters(dead).build(), &why);
                }
                assert!(builder().tube("t").dead_letters("default").build().is_ok());
                refused(builder().reserve_slice(0).build(), "reserve_slice: a reserve of 0 seconds does not wait, so that jobs would be asked for once a second");
                refused(builder().backoff(UPSIDE_DOWN).build(), "backoff: the first delay, 2s, is longer than the longest, 1.5s");
                let retry = RetryPolicy::default().first(Duration::from_secs(9)).max(Duration::from_secs(8));
                refused(builder().retry(retry).build(), "retry: the first delay, 9s, is longer than the longest, 8s");
                assert!(builder().build().is_ok() && builder().concurrency(1).reserve_slice(1).build().is_ok());
            }

            #[test]
            fn a_producer_that_could_not_put_is_not_built() {
                refused(Producer::new(NOBODY), "servers: there is none to put jobs on");
                let config = ProducerConfig::default().backoff(UPSIDE_DOWN);
                refused(Producer::with_config([SERVER], config), "backoff: the first delay, 2s, is longer than the longest, 1.5s");
                assert!(Producer::new([SERVER]).is_ok());
            }

            #[test]
            fn a_producer_has_a_server_once_however_it_is_written() {
                let producer = Producer::new(["localhost", "localhost:11300", "beanstalk://localhost"]).unwrap();
                assert_eq!(producer.servers().map(|(_, server)| server).collect::<Vec<_>>(), ["localhost:11300"]);
            }

            #[test]
            fn a_session_that_could_not_reconnect_is_not_made() {
                let config = SessionConfig::default().reconnect(Some(UPSIDE_DOWN));
                let session = Session::new(SERVER, config, Config::default());
                refused(session, "reconnect: the first delay, 2s, is longer than the longest, 1.5s");
                assert!(Session::new(SERVER, SessionConfig::default(), Config::default()).is_ok());
            }
        })*
    };
}

bindings! {
    blocking: beanstalk_sync;
    tokio: beanstalk_tokio;
    async_std: beanstalk_async_std;
}
