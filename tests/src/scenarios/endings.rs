//! How a connection ends, on either side, and who hears of it.

use std::{
    panic::{self, AssertUnwindSafe},
    pin::pin,
    thread,
    time::Duration,
};

use beanstalk_proto::{
    Error, Lost, Put, ReserveWithTimeout, Reserved, Use,
    client::{Config, Ticket},
};
use smol::future::{self, FutureExt};

use crate::{peer::Peer, script::Script, server::Options, session::Stage};

/// What no test comes near.
const LONG: u32 = 60;

/// Drives the future a few steps, which do not complete it.
async fn does_not_complete<F: Future>(pending: F) {
    let mut pending = pin!(pending);
    for _ in 0..5 {
        assert!(future::poll_once(&mut pending).await.is_none(), "it is complete");
        thread::sleep(Duration::from_millis(1));
        future::yield_now().await;
    }
}

pub async fn the_end_of_a_connection_is_noticed_without_a_call<P: Peer>(stage: &Stage) {
    let short_lived = stage.another(Options::default());
    let mut client = short_lived.connect::<P>().await;
    client.list_tube_used().await.unwrap();
    assert!(!client.is_closed());
    drop(short_lived);
    while !client.is_closed() {
        smol::Timer::after(Duration::from_millis(1)).await;
    }
    let error = client.closed().await;
    assert!(matches!(error, Error::Closed { lost: Lost::NotSent }), "{error}");
    let error = client.list_tube_used().await.unwrap_err();
    assert!(error.is_fatal() && error.lost() == Some(Lost::NotSent), "{error}");
}

pub async fn the_end_of_a_connection_can_be_awaited<P: Peer>(stage: &Stage) {
    let short_lived = stage.another(Options::default());
    let mut client = short_lived.connect::<P>().await;
    client.list_tube_used().await.unwrap();
    let ends = async move {
        smol::Timer::after(Duration::from_millis(20)).await;
        drop(short_lived);
    };
    let (error, ()) = future::zip(client.closed(), ends).await;
    assert!(matches!(error, Error::Closed { .. } | Error::Io { .. }), "{error}");
    assert!(client.is_closed());
}

pub async fn what_poisons_an_idle_connection_ends_it<P: Peer>(_stage: &Stage) {
    let script = Script::play(|remote| {
        remote.line()?;
        remote.send("USING default\r\n")?;
        remote.line()?;
        remote.send("USING default\r\nUSING default\r\n")?;
        remote.wait_for_the_end()
    });
    let mut client = P::connect(script.address(), Config::default()).await.unwrap();
    client.call(Use::new("default")).await.unwrap();
    assert!(!client.is_closed());
    client.call(Use::new("default")).await.unwrap();
    let error = client.closed().await;
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert!(client.is_closed());
}

pub async fn waiting_for_the_end_takes_no_reply_away<P: Peer>(stage: &Stage) {
    let mut client = stage.connect::<P>().await;
    let mut other = stage.connect::<P>().await;
    let waits = client.send(ReserveWithTimeout::new(LONG)).await.unwrap();
    does_not_complete(client.closed()).await;
    let id = other.put(0, 0, 60, "x").await.unwrap().id();
    // Whichever of the two reads it.
    does_not_complete(client.closed()).await;
    assert!(!client.is_closed());
    assert_eq!(client.reply(waits).await.unwrap().job().unwrap().id, id);
    client.delete(id).await.unwrap();
    // Nor is a reserve that was cancelled any less taken over.
    client.cancel(beanstalk_proto::Command::ReserveWithTimeout { timeout: LONG }).await;
    does_not_complete(client.closed()).await;
    let id = other.put(0, 0, 60, "y").await.unwrap().id();
    does_not_complete(client.closed()).await;
    assert_eq!(client.reserve_with_timeout(LONG).await.unwrap().job().unwrap().id, id);
}

pub async fn a_put_that_was_flushed_is_done_though_its_client_closes_at_once<P: Peer>(stage: &Stage) {
    let mut worker = stage.connect::<P>().await;
    for body in 0..20 {
        let mut producer = stage.connect::<P>().await;
        let _reply: Ticket<_> = producer.send(Put::of(format!("{body}"))).await.unwrap();
        drop(producer);
        let Reserved::Job(job) = worker.reserve_with_timeout(LONG).await.unwrap() else { panic!("no job {body}") };
        assert_eq!(job.text().unwrap(), format!("{body}"));
    }
}

pub async fn dropping_a_client_closes_and_sends_nothing<P: Peer>(_stage: &Stage) {
    let (tell, told) = smol::channel::bounded(1);
    let script = Script::play(move |remote| {
        remote.line()?;
        remote.send("USING t\r\n")?;
        let end = remote.line().unwrap_err();
        tell.send_blocking(end.kind()).unwrap();
        Ok(())
    });
    let mut client = P::connect(script.address(), Config::default()).await.unwrap();
    client.call(Use::new("t")).await.unwrap();
    drop(client);
    assert_eq!(told.recv_blocking().unwrap(), std::io::ErrorKind::UnexpectedEof);
}

pub async fn a_panic_closes_and_gives_the_jobs_held_back_at_once<P: Peer>(stage: &Stage) {
    let mut other = stage.connect::<P>().await;
    let mut holder = stage.connect::<P>().await;
    let id = holder.put(0, 0, 60, "x").await.unwrap().id();
    let scope = async move {
        holder.reserve().await.unwrap().job().unwrap();
        // As `panic!`, without its message among the tests' own.
        panic::resume_unwind(Box::new("on purpose"))
    };
    let unwound: Result<(), _> = AssertUnwindSafe(scope).catch_unwind().await;
    assert!(unwound.is_err());
    assert_eq!(other.reserve().await.unwrap().job().unwrap().id, id);
    let stats = other.stats_job(id).await.unwrap();
    assert_eq!((stats.timeouts, stats.releases, stats.reserves), (Some(0), Some(0), Some(2)));
}
