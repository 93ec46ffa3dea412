//! The engine's own interface, where nothing comes over the wire.

use beanstalk_proto::{Command, Instant, JobId, Priority, Reply};
use beanstalk_server::engine::{Engine, Settings};
use beanstalk_watchdog::bound;

fn put(body: &[u8]) -> Command {
    Command::Put { priority: Priority(0), delay: 0, ttr: 60, body: body.to_vec() }
}

#[test]
fn a_put_that_was_not_announced_is_held_to_the_maximum() {
    let _bound = bound();
    let now = Instant::ZERO;
    let mut engine = Engine::new(now, Settings { max_job_size: 3, ..Settings::default() });
    let client = engine.connect(now);
    for (body, reply) in
        [(&b"ab"[..], Reply::Inserted(JobId(1))), (b"abcd", Reply::JobTooBig), (b"abc", Reply::Inserted(JobId(2)))]
    {
        engine.command(now, client, put(body));
        assert_eq!(engine.poll_reply(), Some((client, reply)), "{} bytes", body.len());
        assert_eq!(engine.poll_reply(), None);
    }
    let stats = engine.stats(now);
    assert_eq!((stats.cmd_put, stats.total_jobs), (Some(3), Some(2)));
}

#[test]
fn a_connection_waits_from_its_reserve_until_the_reply() {
    let _bound = bound();
    let now = Instant::ZERO;
    let mut engine = Engine::new(now, Settings::default());
    let [worker, gone, producer] = std::array::from_fn(|_| engine.connect(now));
    assert!(!engine.is_waiting(worker));
    engine.command(now, worker, Command::Reserve);
    engine.command(now, gone, Command::Reserve);
    assert!(engine.is_waiting(worker) && engine.is_waiting(gone) && !engine.is_waiting(producer));
    engine.disconnect(now, gone);
    assert!(!engine.is_waiting(gone));
    engine.command(now, producer, put(b"x"));
    assert!(!engine.is_waiting(worker));
}
