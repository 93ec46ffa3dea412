//! Kicking: out of the grave, or out of a delay.

use beanstalk_proto::{CommandError, JobId};

use super::refused;
use crate::{
    peer::Peer,
    session::{Session, Stage},
};

/// Puts a job and buries it.
async fn bury_one<P: Peer>(client: &mut Session<P>, body: &str) -> JobId {
    let id = client.put(0, 0, 60, body).await.unwrap().id();
    assert_eq!(client.reserve().await.unwrap().job().unwrap().id, id);
    client.bury(id, 0).await.unwrap();
    id
}

pub async fn kick_takes_buried_jobs_first_and_delayed_ones_only_without_them<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let delayed = client.put(0, 60, 60, "delayed").await.unwrap().id();
    let buried = bury_one(&mut client, "buried").await;
    assert_eq!(client.kick(10).await.unwrap(), 1);
    assert_eq!(client.peek_ready().await.unwrap().id, buried);
    assert_eq!(client.peek_delayed().await.unwrap().id, delayed);
    client.delete(buried).await.unwrap();
    assert_eq!(client.kick(10).await.unwrap(), 1);
    assert_eq!(client.peek_ready().await.unwrap().id, delayed);
    assert_eq!(client.stats_job(delayed).await.unwrap().kicks, Some(1));
    assert_eq!(client.kick(10).await.unwrap(), 0);
}

pub async fn kick_takes_no_more_than_its_bound_and_in_order_of_burying<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut ids = Vec::new();
    for body in ["a", "b", "c"] {
        ids.push(bury_one(&mut client, body).await);
    }
    assert_eq!(client.peek_buried().await.unwrap().id, ids[0]);
    assert_eq!(client.kick(0).await.unwrap(), 0);
    assert_eq!(client.kick(2).await.unwrap(), 2);
    assert_eq!(client.peek_buried().await.unwrap().id, ids[2]);
    assert_eq!(client.kick(u32::MAX).await.unwrap(), 1);
    refused(client.peek_buried().await, "peek-buried", CommandError::NotFound);
}

pub async fn kick_is_about_the_tube_in_use<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = bury_one(&mut client, "x").await;
    client.use_tube("elsewhere").await.unwrap();
    assert_eq!(client.kick(1).await.unwrap(), 0);
    client.use_tube("default").await.unwrap();
    assert_eq!(client.kick(1).await.unwrap(), 1);
    assert_eq!(client.peek_ready().await.unwrap().id, id);
}

pub async fn kick_job_kicks_a_buried_or_a_delayed_job<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let buried = bury_one(&mut client, "buried").await;
    let delayed = client.put(0, 60, 60, "delayed").await.unwrap().id();
    client.use_tube("elsewhere").await.unwrap();
    for id in [delayed, buried] {
        client.kick_job(id).await.unwrap();
    }
    for id in [buried, delayed] {
        assert_eq!(client.reserve_with_timeout(0).await.unwrap().job().unwrap().id, id);
    }
}

pub async fn kick_job_of_a_ready_or_held_job_finds_nothing<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = client.put(0, 0, 60, "x").await.unwrap().id();
    refused(client.kick_job(id).await, &format!("kick-job {id}"), CommandError::NotFound);
    client.reserve().await.unwrap().job().unwrap();
    refused(client.kick_job(id).await, &format!("kick-job {id}"), CommandError::NotFound);
}
