//! Handlers and listeners that do their worst.

use std::{num::NonZeroU32, panic, time::Duration};

use beanstalk_driver::policy::{RetryPolicy, Verdict};
use beanstalk_sync::Client;

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Ending, Setup},
    eventually,
    evil::{Evil, Payload},
};

pub(super) fn whatever_a_handler_or_listener_does_the_slot_goes_on<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    let mut setup = Setup::new(&server.address());
    setup.retry = RetryPolicy { first: Duration::ZERO, bury_after: NonZeroU32::new(1), ..RetryPolicy::default() };
    setup.on_event = Box::new(|_| panic::resume_unwind(Box::new(Payload(3))));
    setup.handler = Box::new(|job| {
        match job.text() {
            Ok("plain") => Ending::Error(Evil::Plain("no such thing")),
            Ok("display fails") => Ending::Error(Evil::DisplayFails),
            Ok("display panics") => Ending::Error(Evil::DisplayPanics),
            Ok("drop panics") => Ending::Error(Evil::DropPanics),
            Ok("payload panics") => Ending::Panic(Box::new(Payload(3))),
            _ => Ending::Verdict(Verdict::Done),
        }
        .into()
    });
    let worker = B::work(setup);
    let evil = ["plain", "display fails", "display panics", "drop panics", "payload panics"];
    for (n, body) in evil.into_iter().enumerate() {
        let id = client.put(1, 0, 60, body).unwrap().id();
        eventually(body, || worker.handle.metrics().buried == n as u64 + 1);
        assert_eq!(client.stats_job(id).unwrap().buries, Some(1), "{body}");
    }
    client.put(1, 0, 60, "good").unwrap().inserted().unwrap();
    eventually("the slot goes on", || worker.handle.metrics().done == 1);
    let metrics = worker.stop(LONG);
    assert_eq!((metrics.reserved, metrics.buried, metrics.done, metrics.lost), (6, 5, 1, 0));
}
