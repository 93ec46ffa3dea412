//! Spans and events.

use std::{num::NonZeroU32, time::Duration};

use beanstalk_driver::policy::{RetryPolicy, Verdict};
use beanstalk_server::EmbeddedServer;
use beanstalk_sync::Client;
use beanstalk_tests::work::every::{Binding, Deed, Ending, Setup};
use smol::channel;

use crate::{
    LONG, eventually,
    tracer::{self, Fields},
};

fn fields(fields: &[(&'static str, &str)]) -> Fields {
    fields.iter().map(|&(name, value)| (name, value.to_string())).collect()
}

/// A worker of tube `t` whose jobs do what is in their body, twice at most.
fn setup(server: &str) -> (Setup, channel::Sender<()>) {
    let mut setup = Setup::new(server);
    setup.retry = RetryPolicy::default().first(Duration::ZERO).bury_after(NonZeroU32::new(2));
    let (go, going) = channel::bounded::<()>(1);
    let address = server.to_string();
    setup.handler = Box::new(move |job| {
        tracing::info!(target: "application", server = %address, "begins");
        match job.text().unwrap() {
            "fails" => Ending::Verdict(Verdict::Failed).into(),
            "slow" => Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) },
            _ => Ending::Verdict(Verdict::Done).into(),
        }
    });
    (setup, go)
}

pub(crate) fn a_job_has_a_span_that_its_handler_runs_in<B: Binding>() {
    let server = EmbeddedServer::start().unwrap();
    let address = server.addr();
    let (setup, go) = setup(address);
    let of_handler = address.to_string();
    let worker = B::work_with(setup, move |_, ending| {
        // Where it has waited, this is another poll, or a thread that has slept.
        tracing::info!(target: "application", server = %of_handler, "ends");
        match ending {
            Ending::Verdict(verdict) => verdict,
            _ => unreachable!("these handlers only return verdicts"),
        }
    });
    let mut client = Client::connect(address).unwrap();
    client.use_tube("t").unwrap();
    let mut put = |body| client.put(7, 0, 1, body).unwrap().id().to_string();
    let done = put("done");
    eventually("it is done", || worker.handle.metrics().done == 1);
    let fails = put("fails");
    eventually("it is buried", || worker.handle.metrics().buried == 1);
    let slow = put("slow");
    let is_known = || tracer::spans(address).last().is_some_and(|span| span.fields.contains_key("priority"));
    eventually("the heartbeat has asked about it, while its handler runs", || {
        worker.handle.metrics().reserved == 4 && is_known()
    });
    assert_eq!(worker.handle.metrics().done, 1);
    go.close();
    eventually("it is done, too", || worker.handle.metrics().done == 2);
    worker.stop(LONG);

    let spans = tracer::spans(address);
    assert!(spans.iter().all(|span| span.what == "INFO beanstalk job root" && span.closed), "{spans:#?}");
    let of = |id: &str, more: &[(&'static str, &str)]| {
        fields(&[&[("id", id), ("server", address), ("tube", "t")], more].concat())
    };
    let asked = |id: &str, attempt: &str| of(id, &[("attempt", attempt), ("priority", "7")]);
    let seen: Vec<_> = spans.into_iter().map(|span| span.fields).collect();
    assert_eq!(seen, [of(&done, &[]), asked(&fails, "1"), asked(&fails, "2"), asked(&slow, "1")]);

    let mut events = tracer::events(address);
    events.retain(|event| event.what == "INFO application");
    let seen: Vec<_> = events.iter().map(|event| (&*event.fields["message"], event.within.join(" "))).collect();
    let within = [&done, &fails, &fails, &slow].into_iter();
    let expected: Vec<_> = within.flat_map(|id| [("begins", id.clone()), ("ends", id.clone())]).collect();
    assert_eq!(seen, expected);
}

pub(crate) fn what_happens_is_logged_with_its_level<B: Binding>() {
    let server = EmbeddedServer::start().unwrap();
    let address = server.addr();
    let (mut setup, _go) = setup(address);
    setup.concurrency = 4;
    let worker = B::work_with(setup, |_, ending| match ending {
        Ending::Verdict(Verdict::Failed) => {
            anyhow::Context::context("seven".parse(), "sending").map(|_: u32| Verdict::Done)
        }
        Ending::Verdict(verdict) => Ok(verdict),
        _ => unreachable!("these handlers only return verdicts"),
    });
    let mut client = Client::connect(address).unwrap();
    client.use_tube("t").unwrap();
    eventually("all slots wait", || client.stats_tube("t").is_ok_and(|stats| stats.current_waiting == Some(4)));
    let done = client.put(7, 0, 60, "done").unwrap().id().to_string();
    eventually("it is done", || worker.handle.metrics().done == 1);
    let fails = client.put(7, 0, 60, "fails").unwrap().id().to_string();
    eventually("it is buried", || worker.handle.metrics().buried == 1);
    worker.stop(LONG);

    let mut events = tracer::events(address);
    events.retain(|event| event.what.ends_with(" beanstalk"));
    // Each job's events are in its span, and nothing else is in any.
    for event in &events {
        assert_eq!(event.within, event.fields.get("id").cloned().into_iter().collect::<Vec<_>>(), "{event:?}");
    }
    let (jobs, connection): (Vec<_>, Vec<_>) =
        events.into_iter().map(|event| (event.what, event.fields)).partition(|(_, fields)| fields.contains_key("id"));
    let event = |what: &str, rest: &[(&'static str, &str)], message: &str| {
        let all = [&[("server", address), ("message", message)], rest].concat();
        (what.to_string(), fields(&all))
    };
    let worker = [("client", "worker")];
    let expected = [
        event("DEBUG beanstalk", &worker, "connected"),
        event("DEBUG beanstalk", &worker, "the tubes are restored"),
        event("DEBUG beanstalk", &worker, "ended"),
    ];
    assert_eq!(connection, expected);
    // Another slot may report the next job before this one reports what it has counted.
    let mut messages = jobs.iter().map(|(_, fields)| fields["message"].clone());
    let took = messages.find(|message| message.starts_with("done in ")).expect("one is done");
    let (done, fails) = ([("id", &*done)], [("id", &*fails)]);
    let expected = [
        event("DEBUG beanstalk", &done, "reserved"),
        event("DEBUG beanstalk", &done, &took),
        event("DEBUG beanstalk", &fails, "reserved"),
        event("WARN beanstalk", &fails, "failed: sending: invalid digit found in string"),
        event("INFO beanstalk", &fails, "released after attempt 1, with a delay of 0 s"),
        event("DEBUG beanstalk", &fails, "reserved"),
        event("WARN beanstalk", &fails, "failed: sending: invalid digit found in string"),
        event("WARN beanstalk", &fails, "buried: attempt 2 failed, and it was the last"),
    ];
    // One that is released may be reserved by another slot before this one reports it.
    let sorted = |mut events: Vec<(String, Fields)>| {
        events.sort();
        events
    };
    assert_eq!(sorted(jobs), sorted(expected.into()));
}
