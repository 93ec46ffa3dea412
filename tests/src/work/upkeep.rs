//! Looking after tubes.

use std::{ops::ControlFlow, time::Duration};

use beanstalk_driver::{
    ConnectOptions, Session, clear_tube, move_jobs,
    policy::{JobFilter, Queue},
    wait_until_empty,
};
use smol::future::zip;

use crate::daemon::Daemon;

use super::{Adapter, Stand, session};

async fn client<R: Adapter>(server: &Daemon) -> R::Client {
    let route = server.address().parse().unwrap();
    R::default().connect(&route, &ConnectOptions::default()).await.unwrap()
}

/// Three jobs that are ready, two that are delayed, and one that is buried.
async fn fill<R: Adapter>(session: &mut Session<R>) {
    session.use_tube("t").await.unwrap();
    session.watch("t").await.unwrap();
    session.put(5, 0, 60, "buried").await.unwrap().inserted().unwrap();
    session.next_job(0).await.unwrap().unwrap().job().unwrap().bury().await.unwrap();
    for n in 0..3 {
        session.put(6, 0, 60, format!("ready {n}")).await.unwrap().inserted().unwrap();
    }
    for n in 0..2 {
        session.put(7, 3600, 60, format!("delayed {n}")).await.unwrap().inserted().unwrap();
    }
}

async fn counts<R: Adapter>(session: &mut Session<R>, tube: &str) -> [u64; 3] {
    let stats = session.stats_tube(tube).await.unwrap();
    [stats.current_jobs_ready, stats.current_jobs_delayed, stats.current_jobs_buried].map(Option::unwrap)
}

pub(super) async fn a_tube_is_cleared_by_state<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let (mut session, mut client) = (session::<R>(&server).await, client::<R>(&server).await);
    fill(&mut session).await;
    assert_eq!(clear_tube(R::driver(&mut client), "t", &[Queue::Delayed]).await.unwrap(), 2);
    assert_eq!(counts(&mut session, "t").await, [3, 0, 1]);
    assert_eq!(clear_tube(R::driver(&mut client), "t", &Queue::ALL).await.unwrap(), 4);
    assert_eq!(counts(&mut session, "t").await, [0, 0, 0]);
    assert_eq!(R::driver(&mut client).call(beanstalk_proto::ListTubeUsed::new()).await.unwrap(), "default");
}

pub(super) async fn jobs_move_between_servers_with_progress<R: Adapter>(stand: Stand) {
    let (one, other) = (stand.server(), stand.server());
    let (mut from, mut to) = (client::<R>(&one).await, client::<R>(&other).await);
    let (mut old, mut new) = (session::<R>(&one).await, session::<R>(&other).await);
    fill(&mut old).await;
    new.watch("u").await.unwrap();
    let mut progress = Vec::new();
    let jobs = JobFilter::new(&Queue::ALL).on_progress(|so_far| {
        progress.push(so_far.done);
        ControlFlow::Continue(())
    });
    let moved = move_jobs(R::driver(&mut from), "t", R::driver(&mut to), "u", jobs).await.unwrap();
    assert_eq!((moved, progress.last()), (6, Some(&6)));
    assert!(progress.is_sorted());
    assert_eq!(counts(&mut old, "t").await, [0, 0, 0]);
    assert_eq!(counts(&mut new, "u").await, [3, 2, 1]);
}

pub(super) async fn an_empty_tube_is_awaited<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let (mut session, mut client) = (session::<R>(&server).await, client::<R>(&server).await);
    assert!(wait_until_empty(R::driver(&mut client), "nowhere", None).await.unwrap());
    session.put(1, 0, 60, "x").await.unwrap().inserted().unwrap();
    let soon = Some(Duration::from_millis(50));
    assert!(!wait_until_empty(R::driver(&mut client), "default", soon).await.unwrap());
    let work = async {
        let job = session.next_job(0).await.unwrap().unwrap().job().unwrap();
        R::pause(Duration::from_millis(50)).await;
        job.delete().await.unwrap();
    };
    let (empty, ()) = zip(wait_until_empty(R::driver(&mut client), "default", None), work).await;
    assert!(empty.unwrap());
}
