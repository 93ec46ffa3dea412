//! Calls whose callers went away. Nothing gets out of sync, and no job is lost, or delivered when it is another's.

use std::{
    future::poll_fn,
    mem,
    task::Poll,
    time::{Duration, Instant},
};

use beanstalk_proto::{
    Command, CommandError, Error, JobId, Kind, Priority, Reserved, TubeName, client::Config, stats::JobState,
};

use super::refused;
use crate::{
    peer::Peer,
    server::Options,
    session::{Session, Stage},
};

/// How long what is on its way may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lets the runtime look at its sockets.
async fn let_others_run() {
    let mut first = true;
    poll_fn(|cx| match mem::take(&mut first) {
        true => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        false => Poll::Ready(()),
    })
    .await;
}

/// Calls until the reply to a reserve that nobody waits for has come.
async fn until_it_answers<P: Peer>(client: &mut Session<P>) {
    let until = Instant::now() + PATIENCE;
    loop {
        let_others_run().await;
        match client.list_tube_used().await {
            Ok(tube) => return assert_eq!(tube, "default"),
            Err(Error::ReserveWaiting) => {
                assert!(Instant::now() < until, "the reserve waits on, though its job is there");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub async fn a_cancelled_reserve_is_adopted_by_the_next<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut producer = stage.connect::<P>().await;
    client.cancel(Command::Reserve).await;
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
    let id = producer.put(0, 0, 60, "x").await.unwrap().id();
    let job = client.reserve().await.unwrap().job().unwrap();
    assert_eq!((job.id, job.body.as_slice()), (id, b"x".as_slice()));
    client.delete(id).await.unwrap();
    let stats = producer.stats().await.unwrap();
    assert_eq!((stats.cmd_reserve, stats.cmd_reserve_with_timeout), (Some(1), Some(0)), "the others wrote nothing");
}

pub async fn an_adopting_reserve_with_timeout_ends_when_its_own_time_is_over<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut producer = stage.connect::<P>().await;
    client.cancel(Command::Reserve).await;
    let start = Instant::now();
    assert_eq!(client.reserve_with_timeout(1).await.unwrap(), Reserved::TimedOut);
    assert!(start.elapsed() >= Duration::from_millis(990) && start.elapsed() < PATIENCE);
    let id = producer.put(0, 0, 60, "x").await.unwrap().id();
    assert_eq!(client.reserve_with_timeout(5).await.unwrap().job().unwrap().id, id);
    assert_eq!(client.list_tube_used().await.unwrap(), "default");
}

pub async fn a_reserve_outlives_the_timeout_of_the_one_it_adopted<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut producer = stage.connect::<P>().await;
    let id = producer.put(0, 2, 60, "x").await.unwrap().id();
    client.cancel(Command::ReserveWithTimeout { timeout: 1 }).await;
    assert_eq!(client.reserve().await.unwrap().job().unwrap().id, id);
    client.delete(id).await.unwrap();
}

pub async fn behind_a_cancelled_reserve_commands_fail_until_a_job_arrives<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut producer = stage.connect::<P>().await;
    client.cancel(Command::Reserve).await;
    for _ in 0..3 {
        assert!(matches!(client.list_tube_used().await, Err(Error::ReserveWaiting)));
    }
    let id = producer.put(0, 0, 60, "x").await.unwrap().id();
    until_it_answers(&mut client).await;
    assert_eq!(client.reserve().await.unwrap().job().unwrap().id, id);
}

pub async fn a_parked_job_is_confirmed_by_a_touch<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut producer = stage.connect::<P>().await;
    client.cancel(Command::Reserve).await;
    let id = producer.put(0, 0, 60, "x").await.unwrap().id();
    until_it_answers(&mut client).await;
    assert_eq!(client.reserve_with_timeout(0).await.unwrap().job().unwrap().id, id);
    let stats = producer.stats().await.unwrap();
    assert_eq!((stats.cmd_touch, stats.cmd_reserve_with_timeout), (Some(1), Some(0)));
    client.delete(id).await.unwrap();
}

pub async fn a_parked_job_that_another_worker_holds_by_now_is_not_delivered<P: Peer>(stage: &Stage) {
    for _ in 0..10 {
        let stage = stage.another(Options::default());
        let mut client = stage.connect::<P>().await;
        let mut other = stage.connect::<P>().await;
        client.cancel(Command::Reserve).await;
        let id = other.put(0, 0, 1, "x").await.unwrap().id();
        until_it_answers(&mut client).await;
        // Its ttr runs out where it is parked.
        let Some(job) = other.reserve_expired(&stage).await else { continue };
        assert_eq!(job.id, id);
        assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
        other.delete(id).await.unwrap();
        return;
    }
    panic!("no server ever noticed that the ttr was over");
}

pub async fn a_job_that_arrived_unread_and_is_no_longer_ours_is_not_delivered<P: Peer>(stage: &Stage) {
    for _ in 0..10 {
        let stage = stage.another(Options::default());
        let mut client = stage.connect::<P>().await;
        let mut other = stage.connect::<P>().await;
        client.cancel(Command::Reserve).await;
        let id = other.put(0, 0, 1, "x").await.unwrap().id();
        // Nobody reads the client's socket, where the job is, until its ttr is over.
        let Some(job) = other.reserve_expired(&stage).await else { continue };
        assert_eq!(job.id, id);
        assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
        other.delete(id).await.unwrap();
        return;
    }
    panic!("no server ever noticed that the ttr was over");
}

pub async fn reserve_with_timeout_0_after_a_cancelled_reserve_finds_the_job<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut producer = stage.connect::<P>().await;
    client.cancel(Command::Reserve).await;
    let id = producer.put(0, 0, 60, "x").await.unwrap().id();
    assert_eq!(producer.stats_job(id).await.unwrap().state, Some(JobState::Reserved));
    assert_eq!(client.reserve_with_timeout(0).await.unwrap().job().unwrap().id, id);
    client.delete(id).await.unwrap();
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
}

pub async fn take_orphaned_gives_the_job_that_arrived_for_nobody<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut producer = stage.connect::<P>().await;
    client.cancel(Command::Reserve).await;
    assert_eq!(client.take_orphaned(), []);
    let id = producer.put(0, 0, 60, "x").await.unwrap().id();
    until_it_answers(&mut client).await;
    let orphaned = client.take_orphaned();
    assert_eq!(orphaned, [beanstalk_proto::Job { id, body: b"x".to_vec() }]);
    assert_eq!(client.take_orphaned(), []);
    assert_eq!(client.reserve_with_timeout(0).await.unwrap(), Reserved::TimedOut);
    client.delete(id).await.unwrap();
}

pub async fn a_cancelled_reserve_job_parks_its_job<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let wanted = client.put(9, 0, 60, "wanted").await.unwrap().id();
    let other = client.put(0, 0, 60, "other").await.unwrap().id();
    client.cancel(Command::ReserveJob { id: wanted }).await;
    until_it_answers(&mut client).await;
    refused(client.reserve_job(wanted).await, &format!("reserve-job {wanted}"), CommandError::NotFound);
    assert_eq!(client.reserve_job(other).await.unwrap().id, other, "which asked for a certain job");
    assert_eq!(client.reserve_with_timeout(0).await.unwrap().job().unwrap().id, wanted);
}

pub async fn cancelling_any_command_leaves_the_connection_in_sync<P: Peer>(stage: &Stage) {
    let tube: TubeName = "t".parse().unwrap();
    for &kind in Kind::ALL {
        let (id, priority, tube) = (JobId(1), Priority(0), tube.clone());
        let command = match kind {
            Kind::Put => Command::Put { priority, delay: 0, ttr: 60, body: vec![b'x'; 1000] },
            Kind::Peek => Command::Peek { id },
            Kind::PeekReady => Command::PeekReady,
            Kind::PeekDelayed => Command::PeekDelayed,
            Kind::PeekBuried => Command::PeekBuried,
            Kind::ReserveWithTimeout => Command::ReserveWithTimeout { timeout: 0 },
            Kind::ReserveJob => Command::ReserveJob { id },
            Kind::Delete => Command::Delete { id: JobId(99) },
            Kind::Release => Command::Release { id, priority, delay: 0 },
            Kind::Bury => Command::Bury { id, priority },
            Kind::Kick => Command::Kick { bound: 1 },
            Kind::KickJob => Command::KickJob { id },
            Kind::Touch => Command::Touch { id },
            Kind::StatsJob => Command::StatsJob { id },
            Kind::StatsTube => Command::StatsTube { tube },
            Kind::Stats => Command::Stats,
            Kind::Use => Command::Use { tube },
            Kind::Watch => Command::Watch { tube },
            Kind::Ignore => Command::Ignore { tube },
            Kind::ListTubesWatched => Command::ListTubesWatched,
            Kind::ListTubeUsed => Command::ListTubeUsed,
            Kind::ListTubes => Command::ListTubes,
            Kind::PauseTube => Command::PauseTube { tube, delay: 0 },
            // Answered at once only if there is a job, which there is.
            Kind::Reserve => Command::Reserve,
            // Nothing can follow it.
            Kind::Quit => continue,
        };
        let mut client = stage.connect::<P>().await;
        let id = client.put(0, 0, 60, format!("{kind:?}")).await.unwrap().id();
        client.cancel(command).await;
        let deadline = Instant::now() + PATIENCE;
        let job = loop {
            let_others_run().await;
            match client.peek(id).await {
                Err(Error::ReserveWaiting) => assert!(Instant::now() < deadline, "{kind:?} waits on"),
                other => break other.unwrap(),
            }
        };
        assert_eq!(job.text().unwrap(), format!("{kind:?}"));
        assert_eq!(client.watch("another").await.unwrap(), if kind == Kind::Watch { 3 } else { 2 });
        client.disconnect().await.unwrap();
    }
}

pub async fn disconnecting_while_a_reserve_waits_does_not_wait<P: Peer>(stage: &Stage) {
    // Without a timeout it would wait without end.
    let mut client = stage.connect_with::<P>(Config { reply_timeout: None, ..Config::default() }).await;
    let mut observer = stage.connect::<P>().await;
    client.cancel(Command::Reserve).await;
    client.disconnect().await.unwrap();
    // The server no longer counts on the connection: a job is not given to it.
    let id = observer.put(0, 0, 60, "x").await.unwrap().id();
    assert_eq!(observer.reserve_with_timeout(0).await.unwrap().job().unwrap().id, id);
}
