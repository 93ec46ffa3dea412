//! Producers over several servers.

use std::{collections::HashMap, time::Duration};

use beanstalk_driver::{
    Producer, ProducerConfig,
    policy::{Backoff, ServerId},
};
use beanstalk_proto::{Error, Lost, StatsTube};

use crate::daemon::Daemon;

use super::{Adapter, Stand, restart, session};

fn producer<R: Adapter>(servers: &[Daemon]) -> Producer<R> {
    let backoff = Backoff { first: Duration::from_secs(600), max: Duration::from_secs(600) };
    let config = ProducerConfig { backoff, patience: Some(Duration::ZERO), ..ProducerConfig::default() };
    Producer::with_config(servers.iter().map(Daemon::address), config).unwrap()
}

pub(super) async fn servers_take_turns_and_a_dead_one_is_passed_over<R: Adapter>(stand: Stand) {
    let mut servers = [stand.server(), stand.server(), stand.server()];
    let mut producer = producer::<R>(&servers);
    producer.use_tube("t").unwrap();
    let ids: Vec<ServerId> = producer.servers().map(|(id, _)| id).collect();
    for n in 0..6 {
        let (placed, outcome) = producer.put(1, 0, 60, "x").await.unwrap();
        assert_eq!((placed.server, placed.id), (ids[n % 3], outcome.id()));
    }
    servers[1].kill();
    // Its connection looks whole until it is used: that put may have arrived, or fails before it was sent.
    let mut unknown = 0;
    for _ in 0..6 {
        match producer.put(1, 0, 60, "x").await {
            Ok((placed, _)) => assert_ne!(placed.server, ids[1]),
            Err(error) => {
                assert_eq!(error.lost(), Some(Lost::Unknown), "{error}");
                unknown += 1;
            }
        }
    }
    assert!(unknown <= 1 && !producer.is_healthy(ids[1]) && producer.is_healthy(ids[0]));
    for server in [&servers[0], &servers[2]] {
        let stats = session::<R>(server).await.stats_tube("t").await.unwrap();
        assert!(stats.current_jobs_ready >= Some(4), "{stats:?}");
    }
    // One that comes back under another name is another.
    restart(&mut servers[1]);
    assert!(producer.remove_server(ids[1]) && !producer.remove_server(ids[1]));
    let id = producer.add_server(&servers[1].address()).unwrap();
    assert!(id != ids[1] && producer.is_healthy(id));
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.push(producer.put(1, 0, 60, "x").await.unwrap().0.server);
    }
    assert!(taken.contains(&id));
    assert!(matches!(producer.add_server("no endpoint"), Err(Error::Argument(_))));
    assert!(matches!(producer.use_tube("not a name"), Err(Error::Argument(_))));
}

pub(super) async fn a_key_stays_with_its_server_until_that_is_gone<R: Adapter>(stand: Stand) {
    let mut servers = [stand.server(), stand.server(), stand.server()];
    let mut producer = producer::<R>(&servers);
    let mut homes = HashMap::new();
    for n in 0..60 {
        let key = format!("key {}", n % 20);
        let (placed, _) = producer.put_keyed(&key, 1, 0, 60, "x").await.unwrap();
        assert_eq!(*homes.entry(key).or_insert(placed.server), placed.server);
    }
    let ids: Vec<ServerId> = producer.servers().map(|(id, _)| id).collect();
    servers[0].kill();
    producer.remove_server(ids[0]);
    for (key, home) in &homes {
        let (placed, _) = producer.put_keyed(key, 1, 0, 60, "x").await.unwrap();
        assert!(placed.server == *home || *home == ids[0]);
    }
    for server in &mut servers {
        server.kill();
    }
    producer.remove_server(ids[1]);
    producer.remove_server(ids[2]);
    assert!(matches!(producer.put(1, 0, 60, "x").await, Err(Error::Closed { lost: Lost::NotSent })));
}

pub(super) async fn a_job_is_found_where_it_was_placed<R: Adapter>(stand: Stand) {
    let servers = [stand.server(), stand.server()];
    let mut producer = producer::<R>(&servers);
    producer.use_tube("t").unwrap();
    for n in 0..4 {
        let (placed, _) = producer.put(1, 0, 60, n.to_string()).await.unwrap();
        let client = producer.client(placed.server).await.unwrap();
        let job = R::driver(client).call(beanstalk_proto::Peek::new(placed.id)).await.unwrap();
        assert_eq!(job.text(), Ok(&*n.to_string()));
        // Whatever is done with it, the producer says again which tube it means.
        R::driver(client).call(beanstalk_proto::Use::new("elsewhere")).await.unwrap();
    }
    let ids: Vec<ServerId> = producer.servers().map(|(id, _)| id).collect();
    for id in ids {
        let client = producer.client(id).await.unwrap();
        let stats = R::driver(client).call(StatsTube::new("t")).await.unwrap();
        assert_eq!(stats.current_jobs_ready, Some(2));
    }
}
