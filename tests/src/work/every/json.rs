//! Bodies that are JSON, and those that should have been.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use beanstalk_driver::policy::{BuryReason, JobEvent, RetryPolicy, WorkerEvent};
use beanstalk_proto::{ArgumentError, Body, Job, JobId, MalformedJob};
use beanstalk_sync::Client;
use serde::{Deserialize, Serialize};

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Setup},
    eventually,
};

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Mail {
    to: String,
    copies: u32,
}

/// An error as an application has it: the one that it was made from is hidden by a text.
fn send(job: &Job) -> anyhow::Result<Mail> {
    anyhow::Context::context(job.json(), "reading")
}

/// An error that hides what it was made from, and is transparent.
fn send_by_eyre(job: &Job) -> eyre::Result<Mail> {
    Ok(job.json()?)
}

/// Puts a mail and a body that is none; returns what one worker that tries twice reported of the latter.
fn run<B: Binding, O: beanstalk_driver::HandlerResult + Send + 'static>(
    server: &str,
    bury_malformed: bool,
    handler: impl Fn(&Job) -> O + Send + Sync + 'static,
) -> Vec<JobEvent> {
    let mut client = Client::connect(server).unwrap();
    client.use_tube("t").unwrap();
    let mut setup = Setup::new(server);
    setup.bury_malformed = bury_malformed;
    setup.retry = RetryPolicy::default().first(Duration::ZERO).bury_after(NonZeroU32::new(2));
    let mail = Mail { to: "ann".into(), copies: 4 };
    client.put(1, 0, 60, Body::json(&mail).unwrap()).unwrap().inserted().unwrap();
    let bad = client.put(2, 0, 60, "{\"to\":\"ann\"}").unwrap().id();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    setup.on_event = Box::new(move |event| match event {
        WorkerEvent::Job { id, event, .. } if *id == bad => hears.lock().unwrap().push(event.clone()),
        _ => {}
    });
    let worker = B::work_with(setup, move |job, _| handler(job));
    eventually("both are finished", || {
        let metrics = worker.handle.metrics();
        (metrics.done, metrics.buried) == (1, 1)
    });
    let metrics = worker.stop(LONG);
    assert_eq!((metrics.failed, metrics.malformed), (metrics.reserved - 1, metrics.reserved - 1));
    client.delete(bad).unwrap();
    heard.lock().unwrap().iter().map(|event| anonymous(event, bad)).collect()
}

/// The event with the id of the job, which is another each time, left out of its text.
fn anonymous(event: &JobEvent, id: JobId) -> JobEvent {
    match event {
        JobEvent::Malformed { reason } => {
            assert!(reason.contains(&format!("job {id} ")), "{reason}");
            JobEvent::Malformed { reason: reason.replace(&format!("job {id} "), "job N ") }
        }
        event => event.clone(),
    }
}

pub(super) fn a_value_travels_as_json_and_a_malformed_body_is_buried_at_once_unless_set_otherwise<B: Binding>(
    stand: Stand,
) {
    let server = stand.server();
    let address = server.address();
    let check = |mail: Mail| assert_eq!(mail, Mail { to: "ann".into(), copies: 4 });
    let why = "missing field `copies` at line 1 column 12";
    let decoding =
        format!("the body of job N (12 bytes) cannot be decoded as {}: {why}", std::any::type_name::<Mail>());
    let malformed = |reason: &str| JobEvent::Malformed { reason: reason.to_string() };
    let buried = |reason| JobEvent::Buried { reason };
    let at_once = |reason: &str| [JobEvent::Reserved, malformed(reason), buried(BuryReason::Malformed)];

    assert_eq!(run::<B, _>(&address, true, move |job| job.json().map(check)), at_once(&decoding));
    let reading = format!("reading: {decoding}");
    assert_eq!(run::<B, _>(&address, true, move |job| send(job).map(check)), at_once(&reading));
    assert_eq!(run::<B, _>(&address, true, move |job| send_by_eyre(job).map(check)), at_once(&decoding));
    let retried = JobEvent::Retried { attempt: 1, delay: 0.into() };
    let twice = [JobEvent::Reserved, malformed(&decoding), retried, JobEvent::Reserved, malformed(&decoding)];
    let expected = [&twice[..], &[buried(BuryReason::Failed { attempt: 2 })]].concat();
    assert_eq!(run::<B, _>(&address, false, move |job| job.json().map(check)), expected);

    let other = Job { id: JobId(u64::MAX), body: b"{".to_vec() };
    let error: MalformedJob = other.json::<Mail>().unwrap_err();
    assert_eq!(error.id(), other.id);
    let no_text = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error: ArgumentError = Body::json(&no_text).unwrap_err();
    assert!(error.to_string().ends_with("BTreeMap<(i32, i32), i32>: key must be a string"), "{error}");
}
