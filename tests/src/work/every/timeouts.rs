//! Handlers that run for longer than they may.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use beanstalk_driver::policy::{BuryReason, JobEvent, RetryPolicy, Verdict};
use beanstalk_proto::stats::JobState;
use beanstalk_sync::Client;
use smol::channel;

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Deed, Ending, Setup},
    events::{of, of_jobs},
    eventually,
};

/// Well over what notices it, and what a handler that has nothing to wait for takes.
const TIMEOUT: Duration = Duration::from_millis(200);

pub(super) fn a_handler_that_takes_too_long_is_given_up_tried_again_and_buried_at_last<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    let mut setup = Setup::new(&server.address());
    setup.retry = RetryPolicy::default().first(Duration::ZERO).bury_after(NonZeroU32::new(2));
    setup.handler_timeout = Some(TIMEOUT);
    let heard = of_jobs(&mut setup);
    let (go, going) = channel::bounded::<()>(1);
    let runs = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&runs);
    setup.handler = Box::new(move |job| match job.text() {
        Ok("stuck") => {
            count.fetch_add(1, Ordering::Relaxed);
            // What it would come to changes nothing.
            Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) }
        }
        _ => Ending::Verdict(Verdict::Done).into(),
    });
    let worker = B::work(setup);
    // Its ttr is no shorter than the handler may take, so it is the worker that gives it up.
    let stuck = client.put(1, 0, 60, "stuck").unwrap().id();
    for attempt in 1..=2 {
        eventually("it has timed out", || worker.handle.metrics().timed_out == attempt);
        if B::BLOCKS {
            // Its handler runs on, and its slot takes no other job, though that one is free.
            let state = Some(if attempt == 1 { JobState::Ready } else { JobState::Buried });
            eventually("it is given back", || client.stats_job(stuck).unwrap().state == state);
            assert_eq!((worker.handle.metrics().reserved, runs.load(Ordering::Relaxed)), (attempt, attempt));
            go.send_blocking(()).unwrap();
        }
    }
    let next = client.put(1, 0, 60, "next").unwrap().id();
    eventually("the slot goes on", || worker.handle.metrics().done == 1);
    let metrics = worker.stop(LONG);
    let counts = (metrics.reserved, metrics.failed, metrics.timed_out, metrics.retried, metrics.buried_failed);
    assert_eq!(counts, (3, 2, 2, 1, 1));
    let timed_out = JobEvent::TimedOut { after: TIMEOUT };
    let expected = [
        JobEvent::Reserved,
        timed_out.clone(),
        JobEvent::Retried { attempt: 1, delay: 0.into() },
        JobEvent::Reserved,
        timed_out,
        JobEvent::Buried { reason: BuryReason::Failed { attempt: 2 } },
    ];
    assert_eq!(of(&heard, stuck), expected);
    assert_eq!(of(&heard, next), [JobEvent::Reserved, JobEvent::Done { took: Duration::ZERO }]);
    assert_eq!(client.stats_job(stuck).unwrap().state, Some(JobState::Buried));
}
