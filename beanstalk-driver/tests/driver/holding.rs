//! A job that a session holds, and what becomes of it when its connection is gone.

use std::{pin::pin, time::Duration};

use beanstalk_driver::{JobHandle, NextJob, policy::SessionConfig};
use beanstalk_proto::{Error, Job, JobId, Kind, Lost, Reply, client::Config};

use crate::{
    client::lines,
    executor::{run, settle},
    sessions::{Session, after_the_delay, connected, goes_away},
    virtual_runtime::Virtual,
    wire::Wire,
};

/// A job that becomes ready and is reserved.
fn reserved<'s>(session: &'s mut Session, wire: &Wire, id: u64) -> JobHandle<'s, Virtual> {
    wire.offer(id);
    let job = run(session.next_job(0)).unwrap().and_then(NextJob::job).expect("a job");
    wire.world().commands.clear();
    job
}

/// The server has the job that was held, in this tube.
fn has(wire: &Wire, id: u64, tube: &str) {
    let stats = format!("---\nid: {id}\ntube: {tube}\nstate: ready\npri: 12\nage: 5\nreserves: 1\n");
    let job = Job { id: JobId(id), body: format!("job {id}").into() };
    wire.world().script = vec![(Kind::Peek, Reply::Found(job)), (Kind::StatsJob, Reply::Ok(stats.into()))];
}

#[test]
fn a_job_keeps_its_priority_whatever_is_done_with_it_and_its_statistics_are_asked_for_once() {
    let runtime = Virtual::default();
    let (mut session, wire) = connected(&runtime);
    for (finished, line) in [(false, "release 7 12 3"), (true, "bury 7 12")] {
        has(&wire, 7, "default");
        let mut job = reserved(&mut session, &wire, 7);
        assert!(job.is_held());
        run(job.touch()).unwrap();
        assert_eq!(run(job.tube()).unwrap(), "default", "the only one that is watched");
        assert_eq!(run(job.stats()).unwrap().pri, Some(12.into()));
        match finished {
            false => run(job.release(3)).unwrap().released().unwrap(),
            true => run(job.bury()).unwrap(),
        }
        assert_eq!(lines(&wire), ["touch 7", "stats-job 7", line]);
    }
    run(session.watch("some")).unwrap();
    has(&wire, 8, "some");
    let mut job = reserved(&mut session, &wire, 8);
    assert_eq!(run(job.tube()).unwrap(), "some");
}

#[test]
fn no_verdict_is_sent_on_another_connection() {
    let runtime = Virtual::default();
    for noticed in [false, true] {
        let (mut session, wire) = connected(&runtime);
        let mut job = reserved(&mut session, &wire, 8);
        goes_away(&runtime, &wire);
        let next = runtime.offer();
        if noticed {
            after_the_delay(&runtime, job.session().peek(1)).unwrap();
            assert!(!job.is_held());
        }
        assert!(matches!(after_the_delay(&runtime, job.delete()), Err(Error::NotHeld { id: JobId(8) })));
        assert_eq!(next.count(Kind::Delete), 0);
    }
}

#[test]
fn a_job_that_is_still_there_is_taken_back_when_that_is_asked_for() {
    let runtime = Virtual::default();
    let (mut session, wire) = connected(&runtime);
    let mut job = reserved(&mut session, &wire, 8);
    goes_away(&runtime, &wire);
    assert!(job.session().is_closed() && !job.is_held());
    let next = runtime.offer();
    has(&next, 8, "default");
    after_the_delay(&runtime, job.reclaim()).unwrap();
    assert!(job.is_held());
    run(job.delete()).unwrap();
    assert_eq!(lines(&next), ["peek 8", "stats-job 8", "reserve-job 8", "delete 8"]);
}

#[test]
fn a_job_that_is_still_there_is_taken_back_by_a_handle_that_may() {
    let runtime = Virtual::default();
    runtime.advance(Duration::from_secs(3600));
    for noticed in [false, true] {
        let (session, wire) = connected(&runtime);
        let mut session = session.reclaim_jobs(true);
        let mut job = reserved(&mut session, &wire, 8);
        assert_eq!(run(job.tube()).unwrap(), "default");
        goes_away(&runtime, &wire);
        let next = runtime.offer();
        if noticed {
            assert!(job.session().is_closed());
        }
        has(&next, 8, "default");
        after_the_delay(&runtime, job.delete()).unwrap();
        assert_eq!(lines(&next), ["peek 8", "stats-job 8", "reserve-job 8", "delete 8"]);
    }
}

#[test]
fn a_verdict_that_may_have_been_carried_out_is_not_repeated() {
    let runtime = Virtual::default();
    let (session, wire) = connected(&runtime);
    let mut session = session.reclaim_jobs(true);
    let job = reserved(&mut session, &wire, 8);
    wire.world().silent = true;
    let mut delete = pin!(job.delete());
    assert!(settle(delete.as_mut()).is_none());
    wire.hang_up();
    assert!(matches!(settle(delete), Some(Err(Error::Closed { lost: Lost::Unknown }))));
}

#[test]
fn where_there_is_no_other_connection_a_verdict_fails_as_that_did() {
    for (silent, expected) in [(true, Lost::Unknown), (false, Lost::NotSent)] {
        let runtime = Virtual::default();
        let wire = runtime.offer();
        let once = SessionConfig::default().reconnect(None);
        let mut session = runtime.by_default(|| Session::new("queue", once, Config::default())).unwrap();
        run(session.peek(1)).unwrap();
        let job = reserved(&mut session, &wire, 8);
        wire.world().silent = silent;
        if !silent {
            runtime.advance(Duration::from_secs(1));
        }
        let mut delete = pin!(job.delete());
        if silent {
            assert!(settle(delete.as_mut()).is_none());
        }
        wire.hang_up();
        let error = settle(delete).expect("there is no other").unwrap_err();
        assert!(matches!(error, Error::Closed { lost } if lost == expected), "{error:?}");
    }
}
