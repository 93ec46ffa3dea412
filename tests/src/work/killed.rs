//! Servers that are killed with SIGKILL while they are worked for, and remember: only a real one with a binlog does.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use beanstalk_driver::{
    HeldJob, Producer, ProducerConfig, Worker,
    policy::{Backoff, Verdict},
};
use beanstalk_proto::Lost;
use smol::{channel, future::zip};

use super::{Adapter, Stand, eventually};
use crate::daemon::Daemon;

const QUICK: Backoff = Backoff { first: Duration::from_millis(5), max: Duration::from_millis(100) };
const LONG: Duration = Duration::from_secs(20);
const SERVERS: usize = 3;
const ROUNDS: usize = 4;
/// How many jobs are put before a server is killed.
const LOAD: usize = 150;

pub(super) async fn the_job_in_hand_is_taken_back_where_the_server_remembers_it<R: Adapter>(stand: Stand) {
    let Some(mut server) = stand.durable() else { return };
    let mut client = super::session::<R>(&server).await;
    client.put(1, 0, 60, "x").await.unwrap().inserted().unwrap();
    let builder = Worker::<R>::builder().server(&server.address()).backoff(QUICK).reclaim(true);
    let worker = builder.build().unwrap();
    let (handle, (began, beginning), (go, going)) = (worker.handle(), channel::bounded(1), channel::bounded::<()>(1));
    let work = worker.run(move |job: HeldJob| {
        let (began, going) = (began.clone(), going.clone());
        async move {
            began.send(job.id).await.unwrap();
            going.recv().await.unwrap();
            assert!(!job.is_lost());
            Ok::<_, String>(Verdict::Done)
        }
    });
    let script = async {
        let id = beginning.recv().await.unwrap();
        server.restart();
        eventually::<R>("it connects again", || handle.metrics().reconnects == 1).await;
        while client.stats().await.unwrap().current_jobs_reserved != Some(1) {
            R::pause(Duration::from_millis(1)).await;
        }
        go.send(()).await.unwrap();
        eventually::<R>("the job is done", || handle.metrics().done == 1).await;
        assert!(client.peek(id).await.is_err());
        handle.shutdown(LONG);
    };
    let (metrics, ()) = zip(work, script).await;
    assert_eq!((metrics.reserved, metrics.done, metrics.lost), (1, 1, 0));
}

pub(super) async fn a_jobs_handle_takes_it_back_where_the_server_remembers_it<R: Adapter>(stand: Stand) {
    let Some(mut server) = stand.durable() else { return };
    let mut session = super::session::<R>(&server).await.reclaim_jobs(true);
    let id = session.put(4, 0, 60, "x").await.unwrap().id();
    let mut job = session.next_job(0).await.unwrap().unwrap().job().unwrap();
    server.restart();
    job.session().stats().await.unwrap();
    assert!(!job.is_held());
    job.bury().await.unwrap();
    assert_eq!(session.stats_job(id).await.unwrap().pri, Some(4.into()));
    assert_eq!(session.peek_buried().await.unwrap().id, id);
}

pub(super) async fn what_was_acknowledged_is_done_though_servers_are_killed_all_the_time<R: Adapter>(stand: Stand) {
    let mut servers: Vec<Daemon> = (0..SERVERS).filter_map(|_| stand.durable()).collect();
    if servers.is_empty() {
        return;
    }
    let addresses: Vec<String> = servers.iter().map(Daemon::address).collect();
    let done = Arc::new(Mutex::new(HashSet::new()));
    let worker = Worker::<R>::builder().servers(&addresses).concurrency_per_server(2).backoff(QUICK).build().unwrap();
    let (handle, note) = (worker.handle(), Arc::clone(&done));
    let work = worker.run(move |job: HeldJob| {
        let note = Arc::clone(&note);
        async move {
            R::pause(Duration::from_millis(2)).await;
            note.lock().unwrap().insert(job.text().map_err(|error| error.to_string())?.to_string());
            Ok::<_, String>(Verdict::Done)
        }
    });
    let script = async {
        let config = ProducerConfig::default().backoff(QUICK);
        let producer = Producer::<R>::with_config(&addresses, config).unwrap();
        let (mut acknowledged, mut unknown) = (HashSet::new(), 0);
        for round in 0..ROUNDS {
            while acknowledged.len() < (round + 1) * LOAD {
                let job = (acknowledged.len() + unknown).to_string();
                match producer.put(1, 0, 60, job.clone()).await {
                    Ok(_) => assert!(acknowledged.insert(job)),
                    Err(error) => {
                        assert_eq!(error.lost(), Some(Lost::Unknown), "{error}");
                        unknown += 1;
                    }
                }
                R::pause(Duration::from_millis(1)).await;
            }
            servers[round % SERVERS].restart();
        }
        eventually::<R>("all are done", || done.lock().unwrap().is_superset(&acknowledged)).await;
        handle.shutdown(LONG);
    };
    let (metrics, ()) = zip(work, script).await;
    assert!(metrics.reconnects >= ROUNDS as u64, "{metrics:?}");
    assert_eq!(metrics.reserved, metrics.done + metrics.lost + metrics.returned, "{metrics:?}");
}
