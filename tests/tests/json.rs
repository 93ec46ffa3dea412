//! Values that are put as JSON, by every type of client of every binding.

use std::collections::BTreeMap;

use beanstalk_proto::{ArgumentError, Error, Priority};
use beanstalk_server::EmbeddedServer;
use beanstalk_tests::{watchdog, work::Adapter};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Mail {
    to: String,
    copies: u32,
}

/// A type of client, and what came of putting a mail, and what has no form in JSON.
type Put = (&'static str, Result<u64, Error>, Result<u64, Error>);

macro_rules! puts {
    ($binding:ident $address:ident $mail:ident $none:ident [$($await:tt)*]) => {{
        let mut client = $binding::Client::connect($address)$($await)*?;
        let mut session = $binding::Session::connect($address)$($await)*?;
        let shared = $binding::SharedClient::connect($address)$($await)*?;
        let mut producer = $binding::Producer::new([$address])?;
        client.use_tube("mails")$($await)*?;
        session.use_tube("mails")$($await)*?;
        producer.use_tube("mails")?;
        let id = |put: beanstalk_proto::PutOutcome| put.id().0;
        [
            (
                "Client",
                client.put_json(1, 600, 30, $mail)$($await)*.map(id),
                client.put_json(1, 600, 30, $none)$($await)*.map(id),
            ),
            (
                "Session",
                session.put_json(1, 600, 30, $mail)$($await)*.map(id),
                session.put_json(1, 600, 30, $none)$($await)*.map(id),
            ),
            (
                "SharedClient",
                shared.put_json_in("mails", 1, 600, 30, $mail)$($await)*.map(id),
                shared.put_json_in("mails", 1, 600, 30, $none)$($await)*.map(id),
            ),
            (
                "Producer",
                producer.put_json(1, 600, 30, $mail)$($await)*.map(|(placed, _)| placed.id.0),
                producer.put_json(1, 600, 30, $none)$($await)*.map(|(placed, _)| placed.id.0),
            ),
        ]
    }};
}

fn check(puts: impl FnOnce(&str, &Mail, &BTreeMap<(u8, u8), u8>) -> Result<[Put; 4], Error>) {
    let _bound = watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    let (mail, none) = (Mail { to: "ann".into(), copies: 4 }, BTreeMap::from([((1, 2), 3)]));
    let puts = puts(server.addr(), &mail, &none).unwrap();
    let mut client = beanstalk_sync::Client::connect(server.addr()).unwrap();
    assert_eq!(client.stats().unwrap().cmd_put, Some(4), "what has no form in JSON is not sent");
    for (by, put, none) in puts {
        let id = put.unwrap();
        let (job, stats) = (client.peek(id).unwrap(), client.stats_job(id).unwrap());
        assert_eq!(job.json::<Mail>().unwrap(), mail, "by {by}");
        let (tube, seconds) = (stats.tube.unwrap(), |time: Option<std::time::Duration>| time.unwrap().as_secs());
        let seen = (tube.as_str(), stats.pri, seconds(stats.delay), seconds(stats.ttr));
        assert_eq!(seen, ("mails", Some(Priority(1)), 600, 30), "by {by}");
        let error = none.unwrap_err();
        let Error::Argument(ArgumentError::Body { .. }) = &error else { panic!("by {by}: {error}") };
        assert!(error.to_string().contains("key must be a string"), "by {by}: {error}");
    }
}

#[test]
fn every_client_of_beanstalk_sync_puts_a_value_as_json() {
    check(|address, mail, none| Ok(puts!(beanstalk_sync address mail none [])));
}

#[test]
fn every_client_of_beanstalk_tokio_puts_a_value_as_json() {
    check(|address, mail, none| {
        beanstalk_tokio::Tokio::block_on(async { Ok(puts!(beanstalk_tokio address mail none [.await])) })
    });
}

#[test]
fn every_client_of_beanstalk_async_std_puts_a_value_as_json() {
    check(|address, mail, none| {
        beanstalk_async_std::AsyncStd::block_on(async { Ok(puts!(beanstalk_async_std address mail none [.await])) })
    });
}

/// A value that cannot be shared by threads does not keep the future from being sent to another.
#[test]
fn a_put_of_json_is_sent_between_threads_whatever_the_value() {
    fn sent<F: Send>(_: F) {}
    fn of(client: &mut beanstalk_tokio::Client, shared: &beanstalk_tokio::SharedClient, value: &std::cell::Cell<u8>) {
        sent(client.put_json(0, 0, 60, value));
        sent(shared.put_json_in("t", 0, 0, 60, value));
    }
    let _ = of;
}
