//! Waiting for jobs, and what may be said meanwhile.

use std::time::{Duration, Instant};

use beanstalk_proto::{CommandError, Error, ListTubeUsed, Lost, Reserve, ReserveWithTimeout, Reserved, client::Config};

use super::refused;
use crate::{peer::Peer, session::Stage};

/// A reply timeout that is over before any second of the server's.
const SHORT: Config = {
    let limits = beanstalk_proto::client::Limits {
        reply_body: 1 << 20,
        unclaimed_replies: 1 << 20,
        in_flight: 1024,
        queued: 1 << 20,
    };
    Config { limits, connect_timeout: None, reply_timeout: Some(Duration::from_millis(900)) }
};

pub async fn reserve_waits_until_a_job_comes<P: Peer>(stage: &Stage) {
    let mut worker = stage.connect::<P>().await;
    let mut producer = stage.connect::<P>().await;
    let ticket = worker.send(Reserve::new()).await.unwrap();
    let id = producer.put(0, 0, 60, "x").await.unwrap().id();
    assert_eq!(worker.reply(ticket).await.unwrap().job().unwrap().id, id);
}

pub async fn reserve_with_timeout_0_only_looks<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
    let id = client.put(0, 0, 60, "x").await.unwrap().id();
    assert_eq!(client.reserve_with_timeout(0).await.unwrap().job().unwrap().id, id);
}

pub async fn reserve_with_timeout_waits_no_longer_than_its_timeout<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let start = Instant::now();
    assert_eq!(client.reserve_with_timeout(1).await.unwrap(), Reserved::TimedOut);
    assert!(start.elapsed() >= Duration::from_millis(990), "only {:?}", start.elapsed());
}

pub async fn deadline_soon_ends_a_reserve_of_who_holds_an_expiring_job<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = client.put(0, 0, 1, "x").await.unwrap().id();
    client.reserve().await.unwrap().job().unwrap();
    assert_eq!(client.reserve().await.unwrap(), Reserved::DeadlineSoon);
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::DeadlineSoon);
    client.delete(id).await.unwrap();
    // It also comes while the reserve waits, when the last second begins.
    client.put(0, 0, 2, "x").await.unwrap().inserted().unwrap();
    client.reserve().await.unwrap().job().unwrap();
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
    assert_eq!(client.reserve_with_timeout(10).await.unwrap(), Reserved::DeadlineSoon);
}

pub async fn after_deadline_soon_a_touch_lets_reserves_wait_again<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let held = client.put(0, 0, 2, "held").await.unwrap().id();
    client.reserve().await.unwrap().job().unwrap();
    assert_eq!(client.reserve().await.unwrap(), Reserved::DeadlineSoon);
    client.touch(held).await.unwrap();
    let ticket = client.send(Reserve::new()).await.unwrap();
    let next = stage.connect::<P>().await.put(0, 0, 60, "next").await.unwrap().id();
    assert_eq!(client.reply(ticket).await.unwrap().job().unwrap().id, next);
    client.delete(held).await.unwrap();
    client.delete(next).await.unwrap();
    assert_eq!(client.stats().await.unwrap().job_timeouts, Some(0));
}

pub async fn a_ready_job_wins_against_deadline_soon<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    client.put(0, 0, 1, "held").await.unwrap().inserted().unwrap();
    client.reserve().await.unwrap().job().unwrap();
    let ready = client.put(0, 0, 60, "ready").await.unwrap().id();
    assert_eq!(client.reserve().await.unwrap().job().unwrap().id, ready);
}

pub async fn reserve_job_takes_ready_delayed_and_buried_jobs<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let buried = client.put(0, 0, 60, "buried").await.unwrap().id();
    client.reserve().await.unwrap().job().unwrap();
    client.bury(buried, 0).await.unwrap();
    let delayed = client.put(0, 60, 60, "delayed").await.unwrap().id();
    let ready = client.put(0, 0, 60, "ready").await.unwrap().id();
    for (id, body) in [(ready, "ready"), (delayed, "delayed"), (buried, "buried")] {
        let job = client.reserve_job(id).await.unwrap();
        assert_eq!((job.id, job.text().unwrap()), (id, body));
        client.delete(id).await.unwrap();
    }
}

pub async fn reserve_job_leaves_what_another_connection_holds<P: Peer>(stage: &Stage) {
    let mut holder = stage.connect::<P>().await;
    let mut other = stage.connect::<P>().await;
    let id = holder.put(0, 0, 60, "x").await.unwrap().id();
    holder.reserve().await.unwrap().job().unwrap();
    refused(other.reserve_job(id).await, &format!("reserve-job {id}"), CommandError::NotFound);
    refused(holder.reserve_job(id).await, &format!("reserve-job {id}"), CommandError::NotFound);
}

pub async fn reserve_job_needs_no_watching_and_no_running_tube<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    client.use_tube("elsewhere").await.unwrap();
    let id = client.put(0, 0, 60, "x").await.unwrap().id();
    client.pause_tube("elsewhere", 1000).await.unwrap();
    assert_eq!(client.reserve_job(id).await.unwrap().id, id);
}

pub async fn nothing_is_sent_behind_a_waiting_reserve<P: Peer>(stage: &Stage) {
    let mut worker = stage.connect::<P>().await;
    let mut producer = stage.connect::<P>().await;
    let ticket = worker.send(Reserve::new()).await.unwrap();
    let error = worker.list_tube_used().await.unwrap_err();
    assert!(matches!(error, Error::ReserveWaiting), "{error}");
    assert_eq!(error.lost(), Some(Lost::NotSent));
    assert!(matches!(worker.reserve().await, Err(Error::ReserveWaiting)), "it has a caller already");
    let id = producer.put(0, 0, 60, "x").await.unwrap().id();
    assert_eq!(worker.reply(ticket).await.unwrap().job().unwrap().id, id);
    assert_eq!(worker.list_tube_used().await.unwrap(), "default");
    assert_eq!(producer.stats().await.unwrap().cmd_list_tube_used, Some(1), "nothing was queued");
}

pub async fn what_is_sent_behind_a_reserve_with_timeout_waits_as_long<P: Peer>(stage: &Stage) {
    let mut client = stage.connect_with::<P>(SHORT).await;
    let reserve = client.send(ReserveWithTimeout::new(1)).await.unwrap();
    let behind = client.send(ListTubeUsed::new()).await.unwrap();
    assert_eq!(client.reply(behind).await.unwrap(), "default", "longer than the reply timeout alone");
    assert_eq!(client.reply(reserve).await.unwrap(), Reserved::TimedOut);
}

pub async fn the_reply_timeout_does_not_apply_to_reserves<P: Peer>(stage: &Stage) {
    let mut client = stage.connect_with::<P>(SHORT).await;
    assert_eq!(client.reserve_with_timeout(1).await.unwrap(), Reserved::TimedOut);
    let id = client.put(0, 1, 60, "x").await.unwrap().id();
    assert_eq!(client.reserve().await.unwrap().job().unwrap().id, id);
}
