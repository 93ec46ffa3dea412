//! Which job comes first.

use beanstalk_proto::{CommandError, Reserved};

use super::refused;
use crate::{peer::Peer, session::Stage};

pub async fn the_most_urgent_job_comes_first_and_among_equals_the_oldest<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    for (priority, body) in [(u32::MAX, "5"), (1024, "3"), (1024, "4"), (0, "1"), (1023, "2")] {
        client.put(priority, 0, 60, body).await.unwrap().inserted().unwrap();
    }
    for body in ["1", "2", "3", "4", "5"] {
        assert_eq!(client.reserve().await.unwrap().job().unwrap().text().unwrap(), body);
    }
}

pub async fn a_released_job_keeps_the_place_of_its_id<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let first = client.put(1, 0, 60, "first").await.unwrap().id();
    client.put(1, 0, 60, "second").await.unwrap().inserted().unwrap();
    client.reserve().await.unwrap().job().unwrap();
    client.release(first, 1, 0).await.unwrap().released().unwrap();
    assert_eq!(client.reserve().await.unwrap().job().unwrap().id, first);
}

pub async fn a_delayed_job_becomes_ready_when_its_delay_is_over<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let later = client.put(0, 60, 60, "later").await.unwrap().id();
    let sooner = client.put(9, 1, 60, "sooner").await.unwrap().id();
    assert_eq!(client.peek_delayed().await.unwrap().id, sooner);
    refused(client.peek_ready().await, "peek-ready", CommandError::NotFound);
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
    assert_eq!(client.reserve().await.unwrap().job().unwrap().id, sooner);
    assert_eq!(client.peek_delayed().await.unwrap().id, later);
}

pub async fn among_watched_tubes_the_most_urgent_job_wins<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    for (tube, priority) in [("a", 3), ("b", 1), ("c", 2)] {
        client.use_tube(tube).await.unwrap();
        client.put(priority, 0, 60, tube).await.unwrap().inserted().unwrap();
        client.watch(tube).await.unwrap();
    }
    for tube in ["b", "c", "a"] {
        assert_eq!(client.reserve().await.unwrap().job().unwrap().text().unwrap(), tube);
    }
}

pub async fn a_job_of_a_tube_not_watched_is_not_reserved<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let id = client.put(0, 0, 60, "x").await.unwrap().id();
    client.watch("other").await.unwrap();
    client.ignore("default").await.unwrap();
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
    client.watch("default").await.unwrap();
    assert_eq!(client.reserve_with_timeout(0).await.unwrap().job().unwrap().id, id);
}
