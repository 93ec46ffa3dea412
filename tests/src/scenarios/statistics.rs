//! What the server reports about itself, a tube, a job.

use std::time::Duration;

use beanstalk_proto::{
    Raw, Reply,
    stats::{JobState, JobStats, ServerStats, TubeStats},
};

use crate::{
    peer::Peer,
    session::{Session, Stage},
};

/// The keys that the server sends, in its order.
async fn keys<P: Peer>(client: &mut Session<P>, command: String) -> Vec<String> {
    let Reply::Ok(body) = client.call(Raw::new(command)).await.unwrap() else { panic!("no statistics") };
    let text = String::from_utf8(body).unwrap();
    text.lines().skip(1).map(|line| line.split_once(": ").unwrap().0.to_string()).collect()
}

pub async fn every_key_of_the_server_is_a_field<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    assert_eq!(keys(&mut client, "stats".into()).await, ServerStats::KEYS);
    let stats = client.stats().await.unwrap();
    assert!(stats.extra.is_empty(), "{:?}", stats.extra);
    assert!(!stats.version.unwrap().is_empty());
    assert!(!stats.hostname.unwrap().is_empty());
}

pub async fn every_key_of_a_tube_is_a_field<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    assert_eq!(keys(&mut client, "stats-tube default".into()).await, TubeStats::KEYS);
    let stats = client.stats_tube("default").await.unwrap();
    assert!(stats.extra.is_empty(), "{:?}", stats.extra);
}

pub async fn every_key_of_a_job_is_a_field<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = client.put(0, 0, 60, "x").await.unwrap().id();
    assert_eq!(keys(&mut client, format!("stats-job {id}")).await, JobStats::KEYS);
    let stats = client.stats_job(id).await.unwrap();
    assert!(stats.extra.is_empty(), "{:?}", stats.extra);
}

pub async fn the_counters_of_a_server_count<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut worker = stage.connect::<P>().await;
    let before = client.stats().await.unwrap();
    for priority in [1023, 1024] {
        client.put(priority, 0, 60, "x").await.unwrap().inserted().unwrap();
    }
    client.put(0, 60, 60, "x").await.unwrap().inserted().unwrap();
    worker.reserve().await.unwrap().job().unwrap();
    let after = client.stats().await.unwrap();
    assert_eq!((after.current_jobs_urgent, after.current_jobs_ready), (Some(0), Some(1)));
    assert_eq!((after.current_jobs_reserved, after.current_jobs_delayed), (Some(1), Some(1)));
    assert_eq!((after.total_jobs, after.cmd_put), (Some(3), Some(3)));
    assert_eq!(after.current_connections, before.current_connections);
    assert_eq!((after.current_producers, after.current_workers, after.current_waiting), (Some(1), Some(1), Some(0)));
    assert_eq!(after.cmd_reserve, Some(1));
    assert_eq!(after.cmd_stats.unwrap(), before.cmd_stats.unwrap() + 1);
    assert_eq!((after.max_job_size, after.draining), (Some(65535), Some(false)));
    assert!(after.uptime.unwrap() < Duration::from_secs(600));
}

pub async fn the_counters_of_a_tube_count<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    client.use_tube("t").await.unwrap();
    client.watch("t").await.unwrap();
    for body in ["a", "b"] {
        client.put(0, 0, 60, body).await.unwrap().inserted().unwrap();
    }
    let job = client.reserve().await.unwrap().job().unwrap();
    client.bury(job.id, 0).await.unwrap();
    let job = client.reserve().await.unwrap().job().unwrap();
    client.delete(job.id).await.unwrap();
    let stats = client.stats_tube("t").await.unwrap();
    assert_eq!(stats.name.unwrap(), "t");
    assert_eq!((stats.current_jobs_ready, stats.current_jobs_buried), (Some(0), Some(1)));
    assert_eq!((stats.total_jobs, stats.cmd_delete), (Some(2), Some(1)));
    assert_eq!((stats.current_using, stats.current_watching, stats.current_waiting), (Some(1), Some(1), Some(0)));
    assert_eq!((stats.pause, stats.pause_time_left), (Some(Duration::ZERO), Some(Duration::ZERO)));
}

pub async fn the_state_of_a_job_is_reported<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    client.use_tube("t").await.unwrap();
    client.watch("t").await.unwrap();
    let delayed = client.put(0, 60, 60, "x").await.unwrap().id();
    let id = client.put(5, 0, 70, "x").await.unwrap().id();
    assert_eq!(client.stats_job(delayed).await.unwrap().state, Some(JobState::Delayed));
    let stats = client.stats_job(id).await.unwrap();
    assert_eq!((stats.id, stats.state, stats.time_left), (Some(id), Some(JobState::Ready), Some(Duration::ZERO)));
    assert_eq!(stats.tube.unwrap(), "t");
    client.reserve().await.unwrap().job().unwrap();
    let stats = client.stats_job(id).await.unwrap();
    assert_eq!((stats.state, stats.ttr), (Some(JobState::Reserved), Some(Duration::from_secs(70))));
    assert!(stats.time_left.unwrap() > Duration::from_secs(60));
    client.bury(id, 1).await.unwrap();
    assert_eq!(client.stats_job(id).await.unwrap().state, Some(JobState::Buried));
    client.kick(1).await.unwrap();
    let stats = client.stats_job(id).await.unwrap();
    assert_eq!((stats.state, stats.buries, stats.kicks), (Some(JobState::Ready), Some(1), Some(1)));
}
