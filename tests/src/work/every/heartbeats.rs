//! Jobs that are kept while somebody works on them.

use beanstalk_driver::policy::Verdict;
use beanstalk_proto::stats::JobState;
use beanstalk_sync::Client;
use smol::channel;

use crate::work::counted;

use super::{
    super::Stand,
    LONG,
    binding::{Binding, Deed, Ending, Setup},
    eventually,
};

/// A third of a second apart, so that more than a second has passed by then.
const TOUCHES: u64 = 4;

pub(super) fn a_job_outlives_its_ttr_though_its_handler_blocks<B: Binding>(stand: Stand) {
    let server = stand.server();
    let mut client = Client::connect(&server.address()).unwrap();
    client.use_tube("t").unwrap();
    let id = client.put(1, 0, 1, "x").unwrap().id();
    let (go, going) = channel::bounded::<()>(1);
    let mut setup = Setup::new(&server.address());
    setup.handler = Box::new(move |_| Deed { gate: Some(going.clone()), ending: Ending::Verdict(Verdict::Done) });
    let worker = B::work(setup);
    eventually("the job is touched", || client.stats().unwrap().cmd_touch >= Some(TOUCHES));
    let stats = client.stats_job(id).unwrap();
    assert_eq!((stats.state, stats.reserves, stats.timeouts), (Some(JobState::Reserved), Some(1), Some(0)));
    go.close();
    eventually("the job is done", || worker.handle.metrics().done == 1);
    assert_eq!(
        worker.stop(LONG),
        counted(|m| {
            m.reserved = 1;
            m.done = 1;
        })
    );
}
