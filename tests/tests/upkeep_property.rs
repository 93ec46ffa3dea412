//! Any jobs, in any state: exported and imported, or moved while others work on them, they are as they were. What there is comes from the
//! engine itself, which no protocol and no client of ours stands before; only bodies have to be read.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use beanstalk_driver::{ExportReader, ExportWriter};
use beanstalk_proto::{JobId, Priority, stats::JobState};
use beanstalk_server::EmbeddedServer;
use beanstalk_sync::{
    Client, ExportedJob, JobFilter, Queue, Reserved, ScanOptions, clear_tube, import, kick_buried, move_jobs, scan,
};
use beanstalk_tests::watchdog;
use proptest::{collection::vec, prelude::*, sample::select};

const TUBES: [&str; 3] = ["a", "b.c", "default"];

/// A job that is put.
#[derive(Clone, Debug)]
struct Given {
    tube: &'static str,
    state: JobState,
    priority: u32,
    ttr: u32,
    delay: u32,
    body: Vec<u8>,
}

fn given() -> impl Strategy<Value = Given> {
    let states = [JobState::Ready, JobState::Delayed, JobState::Reserved, JobState::Buried];
    let body = prop_oneof![
        vec(any::<u8>(), 0..300),
        select(vec![&b"\r\n"[..], b"end 1\n", b"job 1 ready"]).prop_map(Vec::from)
    ];
    (select(TUBES.to_vec()), select(states.to_vec()), any::<u32>(), 1..=u32::MAX, 1..=u32::MAX, body).prop_map(
        |(tube, state, priority, ttr, delay, body)| {
            let delay = if state == JobState::Delayed { delay } else { 0 };
            Given { tube, state, priority, ttr, delay, body }
        },
    )
}

/// A job as the engine has it, but for its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    tube: String,
    state: String,
    priority: Priority,
    ttr: u64,
    delay: u64,
    body: Vec<u8>,
}

/// Time stands still, so that delays can be compared.
fn server() -> EmbeddedServer {
    EmbeddedServer::builder().paused_clock().start().unwrap()
}

fn connect(server: &EmbeddedServer) -> Client {
    Client::connect(server.addr()).unwrap()
}

/// Puts jobs; ids of others that are gone lie between them. Returns whoever holds some of them.
fn fill(server: &EmbeddedServer, jobs: &[Given]) -> Client {
    let (mut client, mut holder) = (connect(server), connect(server));
    for (at, job) in jobs.iter().enumerate() {
        client.use_tube(job.tube).unwrap();
        let id = client.put(job.priority, job.delay, job.ttr, &job.body[..]).unwrap().inserted().unwrap();
        if matches!(job.state, JobState::Reserved | JobState::Buried) {
            holder.reserve_job(id).unwrap();
        }
        if job.state == JobState::Buried {
            holder.bury(id, job.priority).unwrap();
        }
        if at % 5 == 0 {
            let id = client.put(0, 0, 1, "gone").unwrap().inserted().unwrap();
            client.delete(id).unwrap();
        }
    }
    holder
}

fn seen(server: &EmbeddedServer) -> Vec<Seen> {
    let mut client = connect(server);
    let last = server.stats().total_jobs.unwrap();
    let mut seen = Vec::new();
    for id in (1..=last).map(JobId) {
        let Some(stats) = server.stats_job(id) else { continue };
        let state = stats.state.unwrap();
        seen.push(Seen {
            tube: stats.tube.unwrap().to_string(),
            delay: stats.time_left.filter(|_| state == JobState::Delayed).map_or(0, |left| left.as_secs()),
            state: state.to_string(),
            priority: stats.pri.unwrap(),
            ttr: stats.ttr.unwrap().as_secs(),
            body: client.peek(id).unwrap().body,
        });
    }
    seen.sort();
    seen
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn an_import_is_what_was_exported(jobs in vec(given(), 0..40), window in 1..70_usize) {
        let _bound = watchdog::bound();
        let (from, to) = (server(), server());
        let _holder = fill(&from, &jobs);
        let before = seen(&from);
        prop_assert_eq!(before.len(), jobs.len());
        let mut writer = ExportWriter::new(Vec::new()).unwrap();
        for job in scan(&mut connect(&from), ScanOptions::new().window(window)).unwrap() {
            writer.write(&ExportedJob::new(job.unwrap()).unwrap().unwrap()).unwrap();
        }
        let file = writer.finish().unwrap();
        prop_assert_eq!(&before, &seen(&from), "a scan touches nothing");
        let mut client = connect(&to);
        let mut importing = import(&mut client).unwrap();
        for job in ExportReader::new(&file[..]) {
            importing.push(job.unwrap()).unwrap();
        }
        prop_assert_eq!(importing.finish().unwrap() as usize, jobs.len());
        let mut expected = before;
        // A job that somebody held is ready.
        expected.iter_mut().filter(|job| job.state == "reserved").for_each(|job| job.state = "ready".into());
        expected.sort();
        prop_assert_eq!(expected, seen(&to));
    }

    #[test]
    fn what_matches_is_moved_kicked_and_cleared_and_nothing_else(
        jobs in vec(given(), 0..40),
        below in any::<u32>(),
        queues in select(vec![&[Queue::Ready][..], &[Queue::Delayed], &[Queue::Buried], &Queue::ALL]),
    ) {
        let _bound = watchdog::bound();
        let (from, to) = (server(), server());
        let _holder = fill(&from, &jobs);
        let named = |queue: &Queue| match queue {
            Queue::Ready => "ready",
            Queue::Delayed => "delayed",
            Queue::Buried => "buried",
        };
        let (go, mut stay): (Vec<_>, Vec<_>) = seen(&from).into_iter().partition(|job| {
            job.tube == "a" && job.priority.0 < below && queues.iter().any(|queue| named(queue) == job.state)
        });
        let (mut source, mut target) = (connect(&from), connect(&to));
        let filter = JobFilter::new(queues).matching(move |job| job.stats.pri.is_some_and(|pri| pri.0 < below));
        prop_assert_eq!(move_jobs(&mut source, "a", &mut target, "b.c", filter).unwrap() as usize, go.len());
        prop_assert_eq!(&stay, &seen(&from));
        let mut moved: Vec<_> = go.into_iter().map(|job| Seen { tube: "b.c".into(), ..job }).collect();
        moved.sort();
        prop_assert_eq!(&moved, &seen(&to));

        let buried = stay.iter().filter(|job| job.tube == "b.c" && job.state == "buried").count();
        prop_assert_eq!(kick_buried(&mut source, "b.c", JobFilter::all()).unwrap() as usize, buried);
        stay.iter_mut().filter(|job| job.tube == "b.c" && job.state == "buried").for_each(|job| job.state = "ready".into());
        stay.sort();
        prop_assert_eq!(&stay, &seen(&from));
        let (clear, stay): (Vec<_>, Vec<_>) =
            stay.into_iter().partition(|job| job.tube == "b.c" && queues.iter().any(|queue| named(queue) == job.state));
        prop_assert_eq!(clear_tube(&mut source, "b.c", queues).unwrap() as usize, clear.len());
        prop_assert_eq!(stay, seen(&from));
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn a_job_is_moved_or_done_by_a_worker_and_never_both(jobs in vec(given(), 1..60)) {
        let _bound = watchdog::bound();
        let (from, to) = (server(), server());
        let jobs: Vec<_> = jobs.into_iter().enumerate().map(|(at, job)| Given { tube: "a", body: [&at.to_be_bytes()[..], &job.body].concat(), ..job }).collect();
        let holder = fill(&from, &jobs);
        let over = AtomicBool::new(false);
        let work = |server| {
            let mut client = connect(server);
            client.watch("a").unwrap();
            let mut done = Vec::new();
            loop {
                match client.reserve_with_timeout(0).unwrap() {
                    Reserved::Job(job) => {
                        client.delete(job.id).unwrap();
                        done.push(job.body);
                    }
                    _ if over.load(Ordering::Relaxed) => break,
                    _ => thread::yield_now(),
                }
            }
            done
        };
        let mut bodies = thread::scope(|scope| {
            let workers = [&from, &to].map(|server| scope.spawn(move || work(server)));
            let moved = move_jobs(&mut connect(&from), "a", &mut connect(&to), "a", JobFilter::all());
            over.store(true, Ordering::Relaxed);
            let done: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
            moved.map(|_| done)
        }).unwrap();
        drop(holder);
        bodies.extend(seen(&from).into_iter().chain(seen(&to)).map(|job| job.body));
        bodies.sort();
        let mut put: Vec<_> = jobs.into_iter().map(|job| job.body).collect();
        put.sort();
        prop_assert_eq!(bodies, put, "each job once");
    }
}
