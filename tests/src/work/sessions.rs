//! Sessions and the job handles that they give.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    time::Duration,
};

use beanstalk_driver::{
    Session,
    policy::{Backoff, Event, SessionConfig},
};
use beanstalk_proto::{CommandError, Error, Lost, TubeName, client::Config, stats::JobState};

use smol::future::zip;

use crate::daemon::Daemon;

use super::{Adapter, Stand, session};

fn quick<R: Adapter>(server: &Daemon, config: SessionConfig) -> Session<R> {
    Session::new(&server.address(), config, Config::default()).unwrap()
}

fn quickly() -> SessionConfig {
    let reconnect = Some(Backoff { first: Duration::from_millis(5), max: Duration::from_millis(50) });
    SessionConfig::default().reconnect(reconnect)
}

fn sorted(mut tubes: Vec<TubeName>) -> Vec<TubeName> {
    tubes.sort();
    tubes
}

pub(super) async fn a_new_connection_uses_and_watches_what_the_old_one_did<R: Adapter>(stand: Stand) {
    let mut server = stand.server();
    let events = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&events);
    let mut session = quick::<R>(&server, quickly()).on_event(move |event| note.lock().unwrap().push(event.clone()));
    session.use_tube("u").await.unwrap();
    session.watch("a").await.unwrap();
    session.watch("b").await.unwrap();
    session.ignore("default").await.unwrap();
    for connections in 2..5 {
        server.restart();
        assert_eq!(sorted(session.list_tubes_watched().await.unwrap()), ["a", "b"]);
        assert_eq!(session.list_tube_used().await.unwrap(), "u");
        let id = session.put(1, 0, 60, "x").await.unwrap().id();
        assert_eq!(session.stats_job(id).await.unwrap().tube.unwrap(), "u");
        assert_eq!(session.connections(), connections);
    }
    let events = events.lock().unwrap();
    let count = |is: fn(&Event) -> bool| events.iter().filter(|&event| is(event)).count();
    assert_eq!(count(|event| *event == Event::Connected), 4);
    assert_eq!(count(|event| *event == Event::Restored), 4);
    assert!(count(|event| matches!(event, Event::Lost { .. })) >= 3);
    assert_eq!(events.first(), Some(&Event::Connected));
}

pub(super) async fn a_job_of_a_lost_connection_is_not_held_nor_is_another_under_its_id<R: Adapter>(stand: Stand) {
    let mut server = stand.server();
    let mut session = quick::<R>(&server, quickly());
    let id = session.put(9, 0, 60, "the same").await.unwrap().id();
    let mut job = session.next_job(0).await.unwrap().unwrap().job().unwrap();
    assert!(job.is_held() && job.id == id);
    server.restart();
    // It has forgotten the job, and gives its number to another.
    job.session().stats().await.unwrap();
    assert!(!job.is_held());
    let other = job.session().put(9, 0, 60, "another").await.unwrap().id();
    assert_eq!(other, id);
    assert!(matches!(job.touch().await, Err(Error::NotHeld { .. })));
    let error = job.reclaim().await.unwrap_err();
    assert_eq!(error.command_error(), Some(CommandError::NotFound));
    job.session().delete(other).await.unwrap();
    // Nothing to be found.
    assert_eq!(job.reclaim().await.unwrap_err().command_error(), Some(CommandError::NotFound));
    let error = job.delete().await.unwrap_err();
    assert!(matches!(error, Error::NotHeld { id: gone } if gone == id) && error.lost() == Some(Lost::NotSent));

    // Nor by itself, be its body the same.
    server.restart();
    let mut session = quick::<R>(&server, quickly()).reclaim_jobs(true);
    let id = session.put(9, 0, 60, "the same").await.unwrap().id();
    let mut job = session.next_job(0).await.unwrap().unwrap().job().unwrap();
    server.restart();
    job.session().stats().await.unwrap();
    assert_eq!(job.session().put(9, 0, 60, "the same").await.unwrap().id(), id);
    assert_eq!(job.touch().await.unwrap_err().command_error(), Some(CommandError::NotFound));
    assert!(!job.is_held());
    assert_eq!(job.delete().await.unwrap_err().command_error(), Some(CommandError::NotFound));
    assert_eq!(session.stats_job(id).await.unwrap().reserves, Some(0));
}

pub(super) async fn verdicts_keep_the_jobs_priority<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let mut session = session::<R>(&server).await;
    session.put(77, 0, 60, "x").await.unwrap().inserted().unwrap();
    let mut job = session.next_job(0).await.unwrap().unwrap().job().unwrap();
    assert_eq!((job.tube().await.unwrap().as_str(), job.server().to_string()), ("default", server.address()));
    let id = job.id;
    job.release(0).await.unwrap().released().unwrap();
    let stats = session.stats_job(id).await.unwrap();
    assert_eq!((stats.pri, stats.state, stats.releases), (Some(77.into()), Some(JobState::Ready), Some(1)));
    let mut job = session.next_job(0).await.unwrap().unwrap().job().unwrap();
    job.touch().await.unwrap();
    job.bury().await.unwrap();
    let stats = session.stats_job(id).await.unwrap();
    assert_eq!((stats.pri, stats.state), (Some(77.into()), Some(JobState::Buried)));
    assert!(session.next_job(0).await.unwrap().is_none());
    session.kick_job(id).await.unwrap();
    session.next_job(0).await.unwrap().unwrap().job().unwrap().delete().await.unwrap();
    assert!(session.peek(id).await.is_err());
}

pub(super) async fn a_selection_that_was_dropped_is_undone<R: Adapter>(stand: Stand) {
    /// Polls a call once, which sends it, and drops it; `false` if it was answered at once.
    fn is_dropped(call: impl Future) -> bool {
        pin!(call).as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }
    let server = stand.server();
    let mut session = session::<R>(&server).await;
    session.use_tube("u").await.unwrap();
    session.watch("a").await.unwrap();
    while !is_dropped(session.watch("b")) {
        session.ignore("b").await.unwrap();
    }
    assert_eq!(sorted(session.list_tubes_watched().await.unwrap()), ["a", "default"]);
    while !is_dropped(session.ignore("a")) {
        session.watch("a").await.unwrap();
    }
    assert_eq!(sorted(session.list_tubes_watched().await.unwrap()), ["a", "default"]);
    while !is_dropped(session.use_tube("v")) {
        session.use_tube("u").await.unwrap();
    }
    // What undoes it may be dropped too.
    is_dropped(session.stats());
    assert_eq!(session.list_tube_used().await.unwrap(), "u");
    is_dropped(session.watch("a"));
    assert_eq!(sorted(session.list_tubes_watched().await.unwrap()), ["a", "default"]);
    assert_eq!(session.connections(), 1);
}

pub(super) async fn patience_ends_with_why_there_is_no_connection<R: Adapter>(stand: Stand) {
    let mut server = stand.server();
    server.kill();
    assert!(matches!(Session::<R>::connect(&server.address()).await, Err(Error::Connect { .. })));
    assert!(matches!(Session::<R>::connect("no endpoint").await, Err(Error::Argument(_))));
    let config = quickly().patience(Some(Duration::from_millis(200)));
    let mut session = quick::<R>(&server, config);
    for _ in 0..2 {
        assert!(matches!(session.put(1, 0, 1, "x").await, Err(Error::Connect { .. })));
    }
    server.restart();
    session.put(1, 0, 1, "x").await.unwrap().inserted().unwrap();
}

pub(super) async fn without_reconnecting_a_broken_connection_ends_the_session<R: Adapter>(stand: Stand) {
    let mut server = stand.server();
    let mut session = quick::<R>(&server, SessionConfig::default().reconnect(None));
    session.stats().await.unwrap();
    server.restart();
    assert!(session.stats().await.unwrap_err().is_fatal());
    assert!(matches!(session.stats().await, Err(Error::Closed { lost: Lost::NotSent })));
}

pub(super) async fn the_end_of_its_connection_can_be_awaited<R: Adapter>(stand: Stand) {
    let mut server = stand.server();
    let mut session = super::session::<R>(&server).await;
    session.list_tube_used().await.unwrap();
    let ends = async {
        R::pause(Duration::from_millis(20)).await;
        server.kill();
    };
    let (error, ()) = zip(session.closed(), ends).await;
    assert!(matches!(error, Error::Closed { .. } | Error::Io { .. }), "{error}");
    assert!(session.is_closed() && !session.is_connected());
    // There is none, so there is nothing to wait for.
    session.closed().await;
    server.restart();
    session.put(0, 0, 60, "x").await.unwrap().inserted().unwrap();
    assert!(!session.is_closed());
}
