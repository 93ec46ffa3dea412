//! Producers over several servers.

use std::{collections::HashMap, time::Duration};

use beanstalk_driver::{
    Producer, ProducerConfig, SharedClient,
    policy::{Backoff, ServerId},
};
use beanstalk_proto::{Error, Lost, StatsTube};

use crate::daemon::Daemon;

use super::{Adapter, Stand, session};

fn producer<R: Adapter>(servers: &[Daemon]) -> Producer<R> {
    let backoff = Backoff { first: Duration::from_secs(600), max: Duration::from_secs(600) };
    let config = ProducerConfig::default().backoff(backoff).patience(Some(Duration::ZERO));
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
    servers[1].restart();
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
    let producer = producer::<R>(&servers);
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
        let client: SharedClient<R> = producer.client(placed.server).unwrap();
        let job = client.call(beanstalk_proto::Peek::new(placed.id)).await.unwrap();
        assert_eq!(job.text(), Ok(&*n.to_string()));
        // Whatever is done with it, each put brings its tube with it.
        client.call_in("elsewhere", beanstalk_proto::Kick::new(1)).await.unwrap();
    }
    let ids: Vec<ServerId> = producer.servers().map(|(id, _)| id).collect();
    for id in ids {
        let client: SharedClient<R> = producer.client(id).unwrap();
        let stats = client.call(StatsTube::new("t")).await.unwrap();
        assert_eq!(stats.current_jobs_ready, Some(2));
    }
}

pub(super) async fn a_clone_has_a_tube_and_a_timeout_of_its_own<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let mut producer = producer::<R>(std::slice::from_ref(&server));
    producer.use_tube("one").unwrap();
    let mut clone = producer.clone();
    clone.use_tube("other").unwrap();
    for handle in [&producer, &clone, &producer] {
        handle.put(1, 0, 60, "x").await.unwrap().1.inserted().unwrap();
    }
    let mut session = session::<R>(&server).await;
    for (tube, jobs) in [("one", 2), ("other", 1)] {
        assert_eq!(session.stats_tube(tube).await.unwrap().current_jobs_ready, Some(jobs));
    }
    // Who is in a hurry gives up alone, on a server that takes connections and answers nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Producer::<R>::new([listener.local_addr().unwrap().to_string()]).unwrap();
    let id = silent.servers().next().unwrap().0;
    let hurried = silent.timeout(Duration::from_millis(20));
    let error = hurried.put(1, 0, 60, "x").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { waited, .. } if waited >= Duration::from_millis(20)), "{error}");
    assert!(silent.is_healthy(id));
}

pub(super) async fn many_tasks_lose_no_job_while_a_server_dies_and_comes_back<R: Adapter>(stand: Stand) {
    let servers = [(); 3].map(|()| stand.durable());
    let is_durable = servers.iter().all(Option::is_some);
    super::crowd::run::<R>(servers.map(|server| server.unwrap_or_else(|| stand.server())), is_durable).await;
}
