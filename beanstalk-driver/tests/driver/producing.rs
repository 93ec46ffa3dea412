//! Puts on several servers: which of their failures are those of a server.

use std::time::Duration;

use beanstalk_driver::{
    ConnectOptions, Producer, ProducerConfig,
    policy::{Placed, ServerId},
};
use beanstalk_proto::{Error, Lost, PutOutcome, client::Limits};

use crate::{
    client::{Call, answer, is_waiting, pass, result},
    virtual_runtime::Virtual,
};

const PATIENCE: Duration = Duration::from_secs(1);

/// A producer for one server, on connections with room for one put.
fn producer() -> (Producer<Virtual>, ServerId) {
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let config = ProducerConfig::default().patience(PATIENCE).connection(ConnectOptions::new().limits(limits));
    let producer = Producer::with_config(["queue"], config).unwrap();
    let server = producer.servers().next().unwrap().0;
    (producer, server)
}

fn put(producer: &Producer<Virtual>) -> Call<'_, (Placed, PutOutcome)> {
    Box::pin(producer.put(0, 0, 60, "x"))
}

#[test]
fn a_put_whose_turn_did_not_come_in_time_costs_its_server_nothing() {
    let runtime = Virtual::default();
    let wire = runtime.offer();
    runtime.by_default(|| {
        let (producer, server) = producer();
        let (_, outcome) = answer(&runtime, &mut put(&producer)).unwrap();
        outcome.inserted().unwrap();
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
