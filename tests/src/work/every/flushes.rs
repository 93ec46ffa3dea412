//! Being told when a request was flushed, by clients that many share: what is known from then on, and what is not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use beanstalk_driver::{self as tasks, ProducerConfig, policy::Placed};
use beanstalk_proto::{Error, JobId, Lost, Put, client::Config};
use beanstalk_sync::Client;

use super::{
    super::{Adapter, Stand},
    binding::{Async, Binding, Blocking},
    peers::Answering,
};
use crate::daemon::Daemon;

/// How a binding sends, and waits for the reply later.
pub trait Flushes {
    /// Sends two puts, and drops their replies and the client as soon as they are flushed.
    fn shared_send_and_drop(address: &str, bodies: [&str; 2]) -> Result<(), Error>;

    /// Sends puts, into the tubes `t` and `default`, and takes the replies in the other order.
    fn shared_send_and_reply(address: &str) -> Result<[JobId; 2], Error>;

    /// Sends a put, and drops its reply and the producer as soon as it is flushed.
    fn producer_send_and_drop(address: &str, body: &str) -> Result<(), Error>;

    /// Sends puts, without and with this key, and takes the replies in the other order. Gives which servers are healthy, too.
    #[expect(clippy::type_complexity, reason = "what came of each put, and of each server")]
    fn producer_send_and_reply(
        servers: &[String],
        config: ProducerConfig,
        key: &str,
    ) -> Result<([Result<Placed, Error>; 2], Vec<bool>), Error>;
}

macro_rules! flushes {
    ($block_on:path, $shared:ty, $producer:ty, [$($await:tt)*], [$($reply:tt)*]) => {
        fn shared_send_and_drop(address: &str, bodies: [&str; 2]) -> Result<(), Error> {
            $block_on(async {
                let client = <$shared>::connect(address, Config::default())$($await)*?;
                for body in bodies {
                    drop(client.send_in("default", Put::of(body))$($await)*?);
                }
                Ok(())
            })
        }

        fn shared_send_and_reply(address: &str) -> Result<[JobId; 2], Error> {
            $block_on(async {
                let client = <$shared>::connect(address, Config::default())$($await)*?;
                let first = client.send_in("t", Put::of("first"))$($await)*?;
                let second = client.send_in("default", Put::of("second"))$($await)*?;
                let second = second$($reply)*?.inserted()?;
                Ok([first$($reply)*?.inserted()?, second])
            })
        }

        fn producer_send_and_drop(address: &str, body: &str) -> Result<(), Error> {
            $block_on(async {
                let producer = <$producer>::new([address])?;
                producer.send(Put::of(body))$($await)*.map(drop)
            })
        }

        fn producer_send_and_reply(
            servers: &[String],
            config: ProducerConfig,
            key: &str,
        ) -> Result<([Result<Placed, Error>; 2], Vec<bool>), Error> {
            $block_on(async {
                let producer = <$producer>::with_config(servers, config)?;
                let first = producer.send(Put::of("first"))$($await)*?;
                let second = producer.send_keyed(key, Put::of("second"))$($await)*?;
                let second = second$($reply)*.map(|(placed, _)| placed);
                let first = first$($reply)*.map(|(placed, _)| placed);
                let healthy = producer.servers().map(|(id, _)| producer.is_healthy(id)).collect();
                Ok(([first, second], healthy))
            })
        }
    };
}

impl<R: Adapter> Flushes for Async<R> {
    flushes!(R::block_on, tasks::SharedClient<R>, tasks::Producer<R>, [.await], [.await]);
}

/// With the options behind the endpoint, as the driver's has them.
struct Shared;

impl Shared {
    fn connect(address: &str, config: Config) -> Result<beanstalk_sync::SharedClient, Error> {
        beanstalk_sync::SharedClient::connect_with(address, config)
    }
}

impl Flushes for Blocking {
    flushes!(smol::block_on, Shared, beanstalk_sync::Producer, [], [.reply()]);
}

/// The next job, which may be on its way.
fn next(worker: &mut Client) -> String {
    worker.reserve_with_timeout(60).unwrap().job().unwrap().text().unwrap().to_string()
}

pub(super) fn what_a_shared_client_has_flushed_is_done_though_all_of_it_is_dropped<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut worker = Client::connect(&server.address()).unwrap();
    for bodies in [["one", "two"], ["three", "four"]] {
        B::shared_send_and_drop(&server.address(), bodies).unwrap();
        assert_eq!([next(&mut worker), next(&mut worker)], bodies);
    }
}

pub(super) fn replies_to_what_a_shared_client_has_flushed_are_taken_in_any_order<B: Binding>(stand: Stand) {
    let server = stand.server();
    let [first, second] = B::shared_send_and_reply(&server.address()).unwrap();
    let mut client = Client::connect(&server.address()).unwrap();
    assert_eq!(client.stats_job(first).unwrap().tube.unwrap(), "t");
    assert_eq!(client.stats_job(second).unwrap().tube.unwrap(), "default");
}

pub(super) fn what_a_producer_has_flushed_is_done_though_it_is_dropped<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut worker = Client::connect(&server.address()).unwrap();
    for body in ["one", "two", "three"] {
        B::producer_send_and_drop(&server.address(), body).unwrap();
        assert_eq!(next(&mut worker), body);
    }
}

pub(super) fn replies_to_what_a_producer_has_flushed_are_taken_in_any_order<B: Binding>(stand: Stand) {
    let servers = [stand.server(), stand.server()];
    let addresses = servers.each_ref().map(Daemon::address);
    let (placed, healthy) = B::producer_send_and_reply(&addresses, ProducerConfig::default(), "a key").unwrap();
    let [first, second] = placed.map(Result::unwrap);
    assert_eq!(healthy, [true, true]);
    let mut bodies = servers.iter().map(|server| Client::connect(&server.address()).unwrap()).map(|mut client| {
        let mut text = |id| client.peek(id).map(|job| job.text().unwrap().to_string()).ok();
        [text(first.id), text(second.id)]
    });
    let found: Vec<_> = bodies.by_ref().flatten().flatten().collect();
    assert!(found.contains(&"first".to_string()) && found.contains(&"second".to_string()), "{found:?}");
}

pub(super) fn what_a_producer_has_flushed_is_put_on_no_other_server<B: Binding>(stand: Stand) {
    let server = stand.server();
    let puts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&puts);
    // Nonsense once both are sent.
    let broken = Answering::start(move |line| match line.split(' ').next() {
        Some("list-tube-used") => Some("USING default\r\n".into()),
        Some("put") => (count.fetch_add(1, Ordering::Relaxed) > 0).then(|| "NONSENSE\r\n".into()),
        _ => None,
    });
    let addresses = [broken.address.clone(), server.address()];
    // A key that belongs to the first of them.
    let key = (0..).map(|n| n.to_string()).find(|key| belongs_to_first(&addresses, key)).unwrap();
    let (placed, healthy) = B::producer_send_and_reply(&addresses, ProducerConfig::default(), &key).unwrap();
    for error in placed.map(Result::unwrap_err) {
        assert_eq!(error.lost(), Some(Lost::Unknown), "{error}");
    }
    assert_eq!((healthy, puts.load(Ordering::Relaxed)), (vec![false, true], 2));
    assert_eq!(Client::connect(&server.address()).unwrap().stats().unwrap().current_jobs_ready, Some(0));
}

fn belongs_to_first(addresses: &[String; 2], key: &str) -> bool {
    use beanstalk_driver::policy::{Backoff, Pick, Servers};
    use beanstalk_proto::Instant;

    let mut servers = Servers::new(Backoff::default(), None, 0);
    let [first, _] = addresses.each_ref().map(|address| servers.add(address));
    servers.pick(Some(key.as_bytes()), Instant::ZERO, Instant::ZERO) == Pick::Server(first)
}
