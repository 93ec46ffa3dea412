//! A handler for each tube.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use beanstalk_driver::policy::{BuryReason, JobEvent, RetryPolicy, Verdict, WorkerEvent};
use beanstalk_proto::{Body, JobId, stats::JobState};
use beanstalk_sync::Client;
use serde::{Deserialize, Serialize};

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Setup},
    eventually,
};

/// What the handler of tube `mail` takes.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) to: String,
    pub(super) copies: u32,
}

/// What handlers by tube have got: which of them, and the job as they saw it.
pub(super) type Seen = mpsc::Sender<(&'static str, String)>;

/// What the handler of tube `t` does: it takes the job, and returns a result whose error is a text.
pub(super) fn plain(seen: &Seen, text: &str, tube: &str) -> Result<(), String> {
    seen.send(("t", format!("{tube}: {text}"))).unwrap();
    if text == "bad" { Err("no such thing".to_string()) } else { Ok(()) }
}

/// What the handler of tube `mail` does: it takes a value, and returns nothing.
pub(super) fn send(seen: &Seen, mail: &Mail) {
    seen.send(("mail", format!("{} for {}", mail.copies, mail.to))).unwrap();
}

/// What the handler of tube `archive` does: it takes a value with its job, and returns a verdict.
pub(super) fn archive(seen: &Seen, mail: &Mail, id: JobId) -> Verdict {
    seen.send(("archive", format!("{} for {} in {id}", mail.copies, mail.to))).unwrap();
    Verdict::Bury
}

pub(super) fn each_tube_has_a_handler_of_its_own_with_types_of_its_own<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut client = Client::connect(&server.address()).unwrap();
    let mut setup = Setup::new(&server.address());
    setup.retry = RetryPolicy::default().bury_after(NonZeroU32::new(1));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    setup.on_event = Box::new(move |event| match event {
        WorkerEvent::Job { event: JobEvent::Reserved | JobEvent::Done { .. }, .. } => {}
        WorkerEvent::Job { id, event, .. } => hears.lock().unwrap().push((*id, event.clone())),
        _ => {}
    });
    let (sees, seen) = mpsc::channel();
    let worker = B::work_by_tube(setup, &["t", "mail", "archive"], sees);
    let mut put = |tube: &str, body: Body<'_>| {
        client.use_tube(tube).unwrap();
        client.put(1, 0, 60, body).unwrap().id()
    };
    let mail = Mail { to: "ann".into(), copies: 4 };
    let json = || Body::json(&mail).unwrap();
    let mut expected = Vec::new();
    put("t", "good".into());
    expected.push(("t", "t: good".to_string()));
    put("mail", json());
    expected.push(("mail", "4 for ann".to_string()));
    let kept = put("archive", json());
    expected.push(("archive", format!("4 for ann in {kept}")));
    let bad = put("t", "bad".into());
    expected.push(("t", "t: bad".to_string()));
    // Neither of these gets to its handler.
    let (no_mail, nothing) = (put("mail", "bad".into()), put("archive", "{}".into()));
    eventually("all are finished", || {
        let metrics = worker.handle.metrics();
        metrics.done + metrics.buried == 6
    });
    let metrics = worker.stop(LONG);
    assert_eq!((metrics.reserved, metrics.done, metrics.failed, metrics.malformed), (6, 2, 3, 2));
    let mut seen: Vec<_> = seen.try_iter().collect();
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
    let buried = |reason| JobEvent::Buried { reason };
    let of = |job| {
        let heard = heard.lock().unwrap();
        heard.iter().filter(|(id, _)| *id == job).map(|(_, event)| event.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(kept), [buried(BuryReason::Handler)]);
    let failed = JobEvent::Failed { reason: "no such thing".into() };
    assert_eq!(of(bad), [failed, buried(BuryReason::Failed { attempt: 1 })]);
    for id in [no_mail, nothing] {
        let events = of(id);
        assert!(matches!(&events[..], [JobEvent::Malformed { .. }, last] if *last == buried(BuryReason::Malformed)));
        assert_eq!(client.stats_job(id).unwrap().state, Some(JobState::Buried));
    }
}

pub(super) fn the_tube_is_known_without_a_question_and_asked_for_only_with_several_handlers<B: Binding>(stand: Stand) {
    for (tubes, questions) in [(&["t"][..], 0), (&["t", "mail"], 20)] {
        let server = stand.server();
        let mut client = Client::connect(&server.address()).unwrap();
        client.use_tube("t").unwrap();
        for n in 0..20 {
            client.put(1, 0, 60, format!("{n}")).unwrap().inserted().unwrap();
        }
        let (sees, seen) = mpsc::channel();
        let worker = B::work_by_tube(Setup::new(&server.address()), tubes, sees);
        eventually("all are done", || worker.handle.metrics().done == 20);
        worker.stop(Duration::from_secs(1));
        let mut seen: Vec<_> = seen.try_iter().collect();
        let mut expected: Vec<_> = (0..20).map(|n| ("t", format!("t: {n}"))).collect();
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
        assert_eq!(client.stats().unwrap().cmd_stats_job, Some(questions), "with handlers of {tubes:?}");
    }
}

pub(super) fn a_tube_without_a_handler_or_with_two_is_refused_by_the_builder<B: Binding>() {
    let expected = [
        "handle: no tube has a handler",
        "handle: the tube other has no handler",
        "handle: the tube t has a handler already",
    ];
    let address = "127.0.0.1:11300";
    assert_eq!(B::refused_handlers(address).map(|error| error.to_string()), expected);
}
