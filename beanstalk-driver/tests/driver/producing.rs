//! Puts on several servers: which takes a job, which of their failures are those of a server, and what waits meanwhile.

use std::{io, time::Duration};

use beanstalk_driver::{
    ConnectOptions, Producer, ProducerConfig,
    policy::{Backoff, Placed, ServerId},
};
use beanstalk_proto::{ArgumentError, Error, Full, Kind, Lost, PutOutcome, Reply, client::Limits};

use crate::{
    client::{Call, DELAY, answer, is_waiting, lines, pass, result},
    virtual_runtime::Virtual,
};

const PATIENCE: Duration = Duration::from_secs(1);

fn config() -> ProducerConfig {
    ProducerConfig::default().patience(PATIENCE).backoff(Backoff { first: DELAY, max: DELAY })
}

/// A producer for servers of these names.
fn for_servers<const N: usize>(names: [&str; N], config: ProducerConfig) -> (Producer<Virtual>, [ServerId; N]) {
    let producer = Producer::with_config(names, config).unwrap();
    let mut servers = producer.servers().map(|(id, _)| id);
    let ids = names.map(|_| servers.next().unwrap());
    (producer, ids)
}

/// A producer for one server, on connections with room for one put.
fn producer() -> (Producer<Virtual>, ServerId) {
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let (producer, [server]) = for_servers(["queue"], config().connection(ConnectOptions::new().limits(limits)));
    (producer, server)
}

fn put(producer: &Producer<Virtual>) -> Call<'_, (Placed, PutOutcome)> {
    Box::pin(producer.put(0, 0, 60, "xy"))
}

/// Puts a job, and returns which server has it.
fn placed(runtime: &Virtual, producer: &Producer<Virtual>) -> ServerId {
    let (placed, outcome) = answer(runtime, &mut put(producer)).unwrap();
    outcome.inserted().unwrap();
    placed.server
}

#[test]
fn a_put_whose_turn_did_not_come_in_time_costs_its_server_nothing() {
    let runtime = Virtual::default();
    let wire = runtime.offer();
    runtime.by_default(|| {
        let (producer, server) = producer();
        placed(&runtime, &producer);
        wire.world().silent = true;
        let (mut sent, mut in_line) = (put(&producer), put(&producer));
        assert!(is_waiting(&mut sent) && is_waiting(&mut in_line));
        pass(&runtime, PATIENCE);
        assert!(matches!(result(&mut in_line), Err(Error::TimedOut { lost: Lost::NotSent, .. })));
        assert!(is_waiting(&mut sent) && producer.is_healthy(server));
    });
}

#[test]
fn a_server_that_was_not_connected_to_in_time_is_not_healthy() {
    let runtime = Virtual::default();
    runtime.by_default(|| {
        let (producer, server) = producer();
        let mut waits = put(&producer);
        assert!(is_waiting(&mut waits));
        runtime.advance(PATIENCE);
        assert!(matches!(result(&mut waits), Err(Error::TimedOut { lost: Lost::NotSent, .. })));
        assert!(!producer.is_healthy(server));
    });
}

#[test]
fn a_server_is_asked_whether_it_is_there_once_on_each_connection_and_puts_bring_their_tube() {
    let runtime = Virtual::default();
    let wire = runtime.offer();
    runtime.by_default(|| {
        let (mut producer, _) = for_servers(["queue"], config());
        // Whatever it answers, it is there.
        wire.world().script = vec![(Kind::ListTubeUsed, Reply::UnknownCommand)];
        placed(&runtime, &producer);
        producer.use_tube("a").unwrap();
        placed(&runtime, &producer);
        assert_eq!(lines(&wire), ["list-tube-used", "put 0 0 60 2\r\nxy", "use a", "put 0 0 60 2\r\nxy"]);
        wire.hang_up();
        runtime.run();
        let next = runtime.offer();
        placed(&runtime, &producer);
        assert_eq!(lines(&next), ["list-tube-used", "use a", "put 0 0 60 2\r\nxy"]);
    });
}

#[test]
fn a_put_that_is_over_before_its_server_is_late_fails_alone() {
    let runtime = Virtual::default();
    let wire = runtime.offer();
    runtime.by_default(|| {
        let (producer, [server]) = for_servers(["queue"], config());
        placed(&runtime, &producer);
        wire.world().silent = true;
        let never = producer.timeout(Duration::ZERO);
        let refused = result(&mut put(&never));
        assert!(matches!(refused, Err(Error::Argument(ArgumentError::Setting { .. }))), "{refused:?}");
        let hasty = producer.timeout(DELAY);
        let mut hurried = put(&hasty);
        assert!(is_waiting(&mut hurried));
        pass(&runtime, DELAY);
        let error = result(&mut hurried).unwrap_err();
        assert!(matches!(error, Error::TimedOut { lost: Lost::Unknown, waited: DELAY, .. }), "{error:?}");
        assert!(producer.is_healthy(server));
        // What the server is late with by its own measure is its failure.
        let mut patient = put(&producer);
        assert!(is_waiting(&mut patient));
        pass(&runtime, Duration::from_secs(5));
        assert!(matches!(result(&mut patient), Err(Error::Closed { .. } | Error::TimedOut { .. })));
        assert!(!producer.is_healthy(server) && producer.failure(server).is_some());
    });
}

#[test]
fn puts_wait_for_a_server_that_is_out_as_many_as_may_and_as_long() {
    let runtime = Virtual::default();
    runtime.by_default(|| {
        let (producer, [server]) = for_servers(["queue"], config().waiting(5, 3));
        let mut first = put(&producer);
        assert!(is_waiting(&mut first));
        runtime.run();
        assert!(is_waiting(&mut first), "it waits until the server may be asked again");
        assert!(!producer.is_healthy(server));
        let refused = |error: Error| matches!(&error, Error::Io { error, .. } if error.kind() == io::ErrorKind::ConnectionRefused);
        assert!(producer.failure(server).is_some_and(refused));
        let full = result(&mut put(&producer)).unwrap_err();
        assert!(matches!(full, Error::Full(Full::WaitingBytes { bytes: 2, limit: 3 })), "{full:?}");
        drop(first);
        let mut second = put(&producer);
        assert!(is_waiting(&mut second), "its place is free");
        runtime.offer();
        pass(&runtime, DELAY);
        answer(&runtime, &mut second).unwrap().1.inserted().unwrap();
        assert!(producer.is_healthy(server) && producer.failure(server).is_none());
    });

    let runtime = Virtual::default();
    runtime.by_default(|| {
        let (producer, _) = for_servers(["queue"], config());
        let mut waits = put(&producer);
        for _ in 0..20 {
            assert!(is_waiting(&mut waits), "it has more patience");
            pass(&runtime, DELAY / 2);
        }
        let error = result(&mut waits).unwrap_err();
        assert!(
            matches!(&error, Error::Io { error, lost: Lost::NotSent } if error.kind() == io::ErrorKind::ConnectionRefused),
            "{error:?}"
        );
        assert!(runtime.attempts() > 5, "{} attempts", runtime.attempts());
    });
}

#[test]
fn a_put_that_may_not_wait_fails_with_what_its_server_failed_with_before() {
    let runtime = Virtual::default();
    runtime.by_default(|| {
        let (producer, _) = for_servers(["queue"], config().patience(Duration::ZERO));
        for _ in 0..2 {
            let error = answer(&runtime, &mut put(&producer)).unwrap_err();
            assert!(matches!(error, Error::Io { lost: Lost::NotSent, .. }), "{error:?}");
        }
        assert_eq!(runtime.attempts(), 1);
    });
}

#[test]
fn others_take_the_jobs_of_a_server_that_is_out_until_a_probe_has_found_it_again() {
    let runtime = Virtual::default();
    let (first, _second) = (runtime.offer(), runtime.offer());
    runtime.by_default(|| {
        let (producer, [a, b]) = for_servers(["a", "b"], config());
        assert_eq!([placed(&runtime, &producer), placed(&runtime, &producer)], [a, b]);
        first.hang_up();
        runtime.run();
        assert_eq!([placed(&runtime, &producer), placed(&runtime, &producer)], [b, b]);
        assert!(!producer.is_healthy(a) && producer.is_healthy(b));
        let again = runtime.offer();
        pass(&runtime, DELAY);
        assert_eq!(placed(&runtime, &producer), b, "no put waits for a probe");
        runtime.run();
        assert!(producer.is_healthy(a));
        assert_eq!(placed(&runtime, &producer), a);
        assert_eq!(lines(&again), ["list-tube-used", "put 0 0 60 2\r\nxy"], "on the connection of the probe");
        assert!(producer.remove_server(a) && !producer.remove_server(a));
        assert_eq!([placed(&runtime, &producer), placed(&runtime, &producer)], [b, b]);
    });
}
