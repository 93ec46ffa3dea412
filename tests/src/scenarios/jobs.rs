//! The life of a job, from put to delete.

use std::time::Duration;

use beanstalk_proto::{
    CommandError, Error, Job, JobId, Lost, Priority, Put, PutOutcome, ReleaseOutcome, Reserved, stats::JobState,
};

use super::refused;
use crate::{peer::Peer, server::Options, session::Stage};

pub async fn a_job_is_put_reserved_and_deleted<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = client.put(10, 0, 60, "hello").await.unwrap().id();
    let job = Job { id, body: b"hello".to_vec() };
    assert_eq!(client.peek(id).await.unwrap(), job);
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::Job(job.clone()));
    let stats = client.stats_job(id).await.unwrap();
    assert_eq!((stats.state, stats.reserves, stats.pri), (Some(JobState::Reserved), Some(1), Some(Priority(10))));
    assert_eq!(client.peek(id).await.unwrap(), job, "a held job can be peeked at");
    client.delete(id).await.unwrap();
    refused(client.peek(id).await, &format!("peek {id}"), CommandError::NotFound);
}

pub async fn ids_count_up_from_one<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    for id in 1..=3 {
        assert_eq!(client.put(0, 0, 60, "").await.unwrap(), PutOutcome::Inserted(JobId(id)));
    }
}

pub async fn the_builder_and_the_positional_put_send_the_same<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let built = Put::of("x").priority(7).delay(Duration::from_millis(1500)).ttr(9);
    let built = client.call(built).await.unwrap().id();
    let positional = client.put(7, 2, 9, "x").await.unwrap().id();
    for id in [built, positional] {
        let stats = client.stats_job(id).await.unwrap();
        assert_eq!(stats.pri, Some(Priority(7)));
        assert_eq!(stats.delay, Some(Duration::from_secs(2)), "rounded up");
        assert_eq!(stats.ttr, Some(Duration::from_secs(9)));
    }
}

pub async fn a_ttr_of_zero_becomes_one<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = client.put(0, 0, 0, "x").await.unwrap().id();
    assert_eq!(client.stats_job(id).await.unwrap().ttr, Some(Duration::from_secs(1)));
}

pub async fn a_held_job_whose_ttr_runs_out_becomes_ready<P: Peer>(stage: &Stage) {
    for _ in 0..10 {
        let stage = stage.another(Options::default());
        let mut slow = stage.connect::<P>().await;
        let mut other = stage.connect::<P>().await;
        let id = slow.put(0, 0, 1, "x").await.unwrap().id();
        assert!(matches!(slow.reserve().await.unwrap(), Reserved::Job(_)));
        let Some(job) = other.reserve_expired(&stage).await else { continue };
        assert_eq!(job.id, id);
        refused(slow.delete(id).await, &format!("delete {id}"), CommandError::NotFound);
        let stats = other.stats_job(id).await.unwrap();
        assert_eq!((stats.timeouts, stats.reserves), (Some(1), Some(2)));
        other.delete(id).await.unwrap();
        return;
    }
    panic!("no server ever noticed that the ttr was over");
}

pub async fn touch_gives_a_job_its_whole_ttr_again<P: Peer>(stage: &Stage) {
    let mut worker = stage.connect::<P>().await;
    let mut other = stage.connect::<P>().await;
    let id = worker.put(0, 0, 2, "x").await.unwrap().id();
    assert!(matches!(worker.reserve().await.unwrap(), Reserved::Job(_)));
    // Two seconds, in which the job would have gone to the other.
    assert_eq!(other.reserve_with_timeout(1).await.unwrap(), Reserved::TimedOut);
    worker.touch(id).await.unwrap();
    assert_eq!(other.reserve_with_timeout(1).await.unwrap(), Reserved::TimedOut);
    worker.delete(id).await.unwrap();
}

pub async fn release_takes_a_new_priority_and_a_delay<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = client.put(1, 0, 60, "x").await.unwrap().id();
    client.reserve().await.unwrap().job().unwrap();
    assert_eq!(client.release(id, 5, 0).await.unwrap(), ReleaseOutcome::Released);
    let stats = client.stats_job(id).await.unwrap();
    assert_eq!((stats.state, stats.pri, stats.releases), (Some(JobState::Ready), Some(Priority(5)), Some(1)));
    client.reserve().await.unwrap().job().unwrap();
    client.release(id, u32::MAX, 100).await.unwrap().released().unwrap();
    let stats = client.stats_job(id).await.unwrap();
    assert_eq!((stats.state, stats.pri), (Some(JobState::Delayed), Some(Priority(u32::MAX))));
    assert_eq!(stats.delay, Some(Duration::from_secs(100)));
    assert!(stats.time_left.unwrap() > Duration::from_secs(90));
}

pub async fn bury_takes_a_new_priority<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = client.put(1, 0, 60, "x").await.unwrap().id();
    client.reserve().await.unwrap().job().unwrap();
    client.bury(id, 3).await.unwrap();
    assert_eq!(client.peek_buried().await.unwrap().id, id);
    let stats = client.stats_job(id).await.unwrap();
    assert_eq!((stats.state, stats.pri, stats.buries), (Some(JobState::Buried), Some(Priority(3)), Some(1)));
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
}

pub async fn any_connection_deletes_what_nobody_holds<P: Peer>(stage: &Stage) {
    let mut producer = stage.connect::<P>().await;
    let mut other = stage.connect::<P>().await;
    let ready = producer.put(2, 0, 60, "ready").await.unwrap().id();
    let delayed = producer.put(2, 60, 60, "delayed").await.unwrap().id();
    let buried = producer.put(1, 0, 60, "buried").await.unwrap().id();
    assert_eq!(producer.reserve().await.unwrap().job().unwrap().id, buried);
    producer.bury(buried, 0).await.unwrap();
    for id in [ready, delayed, buried] {
        other.delete(id).await.unwrap();
    }
}

pub async fn only_the_holder_deletes_releases_buries_and_touches<P: Peer>(stage: &Stage) {
    let mut holder = stage.connect::<P>().await;
    let mut other = stage.connect::<P>().await;
    let id = holder.put(0, 0, 60, "x").await.unwrap().id();
    holder.reserve().await.unwrap().job().unwrap();
    refused(other.delete(id).await, &format!("delete {id}"), CommandError::NotFound);
    refused(other.release(id, 0, 0).await, &format!("release {id}"), CommandError::NotFound);
    refused(other.bury(id, 0).await, &format!("bury {id}"), CommandError::NotFound);
    refused(other.touch(id).await, &format!("touch {id}"), CommandError::NotFound);
    holder.touch(id).await.unwrap();
    holder.delete(id).await.unwrap();
}

pub async fn a_lost_connection_gives_its_jobs_back_at_once<P: Peer>(stage: &Stage) {
    let mut holder = stage.connect::<P>().await;
    let mut other = stage.connect::<P>().await;
    let id = holder.put(0, 0, 60, "x").await.unwrap().id();
    holder.reserve().await.unwrap().job().unwrap();
    drop(holder);
    assert_eq!(other.reserve().await.unwrap().job().unwrap().id, id);
    let stats = other.stats_job(id).await.unwrap();
    assert_eq!((stats.timeouts, stats.releases, stats.reserves), (Some(0), Some(0), Some(2)));
}

pub async fn quit_gives_jobs_back_and_ends_the_connection<P: Peer>(stage: &Stage) {
    let mut holder = stage.connect::<P>().await;
    let id = holder.put(0, 0, 60, "x").await.unwrap().id();
    holder.reserve().await.unwrap().job().unwrap();
    holder.quit().await.unwrap();
    assert!(matches!(holder.stats().await, Err(Error::Closed { lost: Lost::NotSent })));
    let mut other = stage.connect::<P>().await;
    assert_eq!(other.reserve().await.unwrap().job().unwrap().id, id);
    other.disconnect().await.unwrap();
}

pub async fn a_draining_server_refuses_jobs_and_nothing_else<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = client.put(0, 0, 60, "before").await.unwrap().id();
    stage.server().drain();
    // A signal takes effect when the server gets to it.
    let refusal = loop {
        match client.put(9, 0, 60, "after").await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(refusal.command_error(), Some(CommandError::Draining));
    assert_eq!(refusal.to_string(), "put: DRAINING: the server takes no new jobs");
    assert!(!refusal.is_fatal());
    assert_eq!(client.reserve().await.unwrap().job().unwrap().id, id);
    client.delete(id).await.unwrap();
    assert_eq!(client.stats().await.unwrap().draining, Some(true));
}
