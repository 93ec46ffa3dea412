//! Jobs at random, in every state, with any bytes for bodies: moved, exported and imported with every binding, between every pair of servers,
//! while others work on them and connections break. What a server holds is read one command at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use beanstalk_driver::{ExportError, ExportReader, ExportWriter};
use beanstalk_proto::{CommandError, JobId, stats::JobState};
use beanstalk_sync as blocking;
use beanstalk_tests::{
    Backend, Options, Server,
    peer::{AsyncStd, Blocking, Peer, Tokio},
    proxy::Proxy,
    server::installed,
    sim::Rng,
    watchdog,
};

/// How many jobs may be in both tubes if a move is broken off.
const HELD: usize = 64;

/// A job but for its id, and how much of its delay is left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    body: Vec<u8>,
    tube: String,
    state: String,
    priority: u32,
    ttr: Duration,
    delay: Duration,
}

/// From and to a real server and the embedded one.
fn pairs() -> Vec<(Server, Server)> {
    let pairs = [(Backend::Embedded, Backend::Real), (Backend::Real, Backend::Embedded)];
    let pairs = pairs.into_iter().filter(|_| installed().is_some()).map(|(from, to)| (start(from), start(to)));
    let pairs: Vec<_> = pairs.collect();
    if pairs.is_empty() { vec![(start(Backend::Embedded), start(Backend::Embedded))] } else { pairs }
}

fn start(backend: Backend) -> Server {
    Server::start(backend, Options::default())
}

/// Bytes that are not another job's: its number first.
fn body(rng: &mut Rng, number: u64) -> Vec<u8> {
    let mut body = format!("{number}:").into_bytes();
    let lengths = [0, 1, 30, 5000];
    body.extend((0..lengths[rng.below(4) as usize]).map(|_| rng.below(256) as u8));
    body.extend_from_slice(b"\r\nend 1\n");
    body
}

/// Puts jobs of every state into tubes `t` and `u`. Whoever holds some of them is returned.
fn fill(address: &str, rng: &mut Rng, count: u64) -> blocking::Client {
    let mut client = blocking::Client::connect(address).unwrap();
    let mut holder = blocking::Client::connect(address).unwrap();
    for number in 0..count {
        client.use_tube(if rng.below(3) == 0 { "u" } else { "t" }).unwrap();
        let state = rng.below(5);
        let delay = if state == 1 { 1000 + rng.below(100_000) as u32 } else { 0 };
        let (priority, ttr) = (rng.below(1 << 32) as u32, 100 + rng.below(100) as u32);
        let id = client.put(priority, delay, ttr, body(rng, number)).unwrap().inserted().unwrap();
        if state == 2 || state == 3 {
            holder.reserve_job(id).unwrap();
        }
        if state == 3 {
            holder.bury(id, priority).unwrap();
        }
        // Ids that nothing is behind.
        if rng.below(10) == 0 {
            let id = client.put(0, 0, 1, "gone").unwrap().inserted().unwrap();
            client.delete(id).unwrap();
        }
    }
    holder
}

/// All that a server holds, by looking at one id after the other.
fn seen(address: &str) -> Vec<Seen> {
    let mut client = blocking::Client::connect(address).unwrap();
    let last = client.put(0, 1000, 1, "last").unwrap().inserted().unwrap();
    client.delete(last).unwrap();
    let mut seen = Vec::new();
    for id in 1..last.0 {
        let stats = match client.stats_job(JobId(id)) {
            Err(error) if error.command_error() == Some(CommandError::NotFound) => continue,
            stats => stats.unwrap(),
        };
        let state = stats.state.unwrap();
        seen.push(Seen {
            body: client.peek(JobId(id)).unwrap().body,
            tube: stats.tube.unwrap().to_string(),
            delay: stats.time_left.filter(|_| state == JobState::Delayed).unwrap_or_default(),
            state: state.to_string(),
            priority: stats.pri.unwrap().0,
            ttr: stats.ttr.unwrap(),
        });
    }
    seen.sort();
    seen
}

/// Compares but for what has passed of delays.
#[track_caller]
fn assert_alike(left: &[Seen], right: &[Seen]) {
    assert_eq!(left.len(), right.len());
    for (left, right) in left.iter().zip(right) {
        assert!(left.delay.abs_diff(right.delay) < Duration::from_secs(90), "{left:?} {right:?}");
        assert_eq!(Seen { delay: right.delay, ..left.clone() }, *right);
    }
}

/// What is left of jobs that were held once nobody holds them.
fn let_go(jobs: Vec<Seen>) -> Vec<Seen> {
    let ready = |job: Seen| if job.state == "reserved" { Seen { state: "ready".into(), ..job } } else { job };
    jobs.into_iter().map(ready).collect()
}

fn bodies(jobs: &[Seen]) -> BTreeMap<&[u8], usize> {
    jobs.iter().fold(BTreeMap::new(), |mut bodies, job| {
        *bodies.entry(&job.body[..]).or_default() += 1;
        bodies
    })
}

/// Does the jobs of a tube until told to stop, and gives their bodies.
fn work(address: &str, over: &AtomicBool) -> Vec<Vec<u8>> {
    let mut client = blocking::Client::connect(address).unwrap();
    client.watch("t").unwrap();
    client.ignore("default").unwrap();
    let mut done = Vec::new();
    while !over.load(Ordering::Relaxed) {
        if let blocking::Reserved::Job(job) = client.reserve_with_timeout(0).unwrap() {
            client.delete(job.id).unwrap();
            done.push(job.body);
        }
        thread::sleep(Duration::from_micros(300));
    }
    done
}

/// Puts jobs until told to stop, and now and then buries one; gives how many there are.
fn produce(address: &str, over: &AtomicBool, numbers: &AtomicU64) -> BTreeSet<Vec<u8>> {
    let mut client = blocking::Client::connect(address).unwrap();
    client.use_tube("t").unwrap();
    let mut put = BTreeSet::new();
    while !over.load(Ordering::Relaxed) {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let body = number.to_string().into_bytes();
        let delay = if number % 7 == 0 { 3600 } else { 0 };
        let id = client.put(number as u32 % 5, delay, 60, &body[..]).unwrap().inserted().unwrap();
        if number % 5 == 0 && client.reserve_job(id).is_ok() {
            client.bury(id, 3).unwrap();
        }
        put.insert(body);
        thread::sleep(Duration::from_micros(100));
    }
    put
}

macro_rules! bindings {
    ($($name:ident: $krate:ident on $peer:ty $(, $await:ident)?;)*) => {
        $(mod $name {
            use super::*;
            use $krate::{Client, ExportedJob, JobFilter, ScanOptions, clear_tube, import, kick_buried, move_jobs, scan};

            #[test]
            fn what_is_exported_and_imported_is_as_it_was() {
                let _bound = watchdog::bound();
                <$peer>::block_on(async {
                    for (seed, (from, to)) in pairs().into_iter().enumerate() {
                        let mut rng = Rng::new(seed as u64);
                        let _holder = fill(from.address(), &mut rng, 300);
                        let before = seen(from.address());
                        let mut client = Client::connect(from.address())$(.$await)?.unwrap();
                        let mut writer = ExportWriter::new(Vec::new()).unwrap();
                        let mut jobs = scan(&mut client, ScanOptions::new())$(.$await)?.unwrap();
                        while let Some(job) = jobs.next()$(.$await)? {
                            writer.write(&ExportedJob::new(job.unwrap()).unwrap().unwrap()).unwrap();
                        }
                        drop(jobs);
                        let whole = writer.finish().unwrap();
                        assert_alike(&before, &seen(from.address()));
                        // Broken off anywhere, and gone on with.
                        let cut = 20 + rng.below(whole.len() as u64 - 20) as usize;
                        let mut file = whole[..cut].to_vec();
                        let end = ExportReader::new(&file[..]).find_map(Result::err);
                        let Some(ExportError::Incomplete { jobs: count, offset, last }) = end else {
                            panic!("cut off at {cut} of {}: {end:?}", whole.len())
                        };
                        file.truncate(offset as usize);
                        let mut writer = ExportWriter::resume(file, count);
                        let rest = ScanOptions::new().from(JobId(last.map_or(1, |last| last.0 + 1)));
                        let mut jobs = scan(&mut client, rest)$(.$await)?.unwrap();
                        while let Some(job) = jobs.next()$(.$await)? {
                            writer.write(&ExportedJob::new(job.unwrap()).unwrap().unwrap()).unwrap();
                        }
                        let file = writer.finish().unwrap();
                        let mut target = Client::connect(to.address())$(.$await)?.unwrap();
                        target.use_tube("mine")$(.$await)?.unwrap();
                        let mut import = import(&mut target)$(.$await)?.unwrap();
                        for job in ExportReader::new(&file[..]) {
                            import.push(job.unwrap())$(.$await)?.unwrap();
                        }
                        assert_eq!(import.finish()$(.$await)?.unwrap(), 300);
                        drop(import);
                        assert_eq!(target.list_tube_used()$(.$await)?.unwrap(), "mine");
                        assert_alike(&let_go(before), &seen(to.address()));
                    }
                });
            }

            #[test]
            fn what_cannot_be_imported_is_named_and_the_rest_is_there() {
                let _bound = watchdog::bound();
                <$peer>::block_on(async {
                    let from = start(Backend::Embedded);
                    let to = Server::start(Backend::Embedded, Options { max_job_size: Some(100), ..Options::default() });
                    let _holder = fill(from.address(), &mut Rng::new(7), 100);
                    let mut client = Client::connect(from.address())$(.$await)?.unwrap();
                    let mut target = Client::connect(to.address())$(.$await)?.unwrap();
                    let mut jobs = scan(&mut client, ScanOptions::new())$(.$await)?.unwrap();
                    let mut import = import(&mut target)$(.$await)?.unwrap();
                    let (mut long, mut failed) = (BTreeSet::new(), BTreeSet::new());
                    while let Some(job) = jobs.next()$(.$await)? {
                        let job = ExportedJob::new(job.unwrap()).unwrap().unwrap();
                        if job.body.len() > 100 {
                            long.insert(job.id);
                        }
                        failed.extend(import.push(job)$(.$await)?.err().map(|error| error.id));
                    }
                    loop {
                        match import.finish()$(.$await)? {
                            Ok(restored) => break assert_eq!(restored as usize, 100 - long.len()),
                            Err(error) => {
                                assert_eq!(error.error.command_error(), Some(CommandError::JobTooBig));
                                failed.insert(error.id);
                            }
                        }
                    }
                    assert!(!long.is_empty());
                    assert_eq!(long, failed);
                    let short = seen(from.address()).into_iter().filter(|job| job.body.len() <= 100).collect();
                    assert_alike(&let_go(short), &seen(to.address()));
                });
            }

            #[test]
            fn jobs_of_every_state_move_cleared_and_kicked_as_they_are() {
                let _bound = watchdog::bound();
                <$peer>::block_on(async {
                    for (seed, (from, to)) in pairs().into_iter().enumerate() {
                        let _holder = fill(from.address(), &mut Rng::new(seed as u64 + 10), 1000);
                        let before = seen(from.address());
                        let mut source = Client::connect(from.address())$(.$await)?.unwrap();
                        let mut target = Client::connect(to.address())$(.$await)?.unwrap();
                        let (stay, go): (Vec<_>, Vec<_>) =
                            before.into_iter().partition(|job| job.tube == "u" || job.state == "reserved");
                        let moved = move_jobs(&mut source, "t", &mut target, "t", JobFilter::all())$(.$await)?.unwrap();
                        assert_eq!(moved as usize, go.len());
                        assert_alike(&stay, &seen(from.address()));
                        assert_alike(&go, &seen(to.address()));
                        // Those that a function picks, back; those that are buried, kicked; the rest, gone.
                        let urgent = |job: &Seen| job.priority < 1 << 31;
                        let some = JobFilter::all().matching(|job| job.stats.pri.is_some_and(|pri| pri.0 < 1 << 31));
                        let moved = move_jobs(&mut target, "t", &mut source, "v", some)$(.$await)?.unwrap();
                        assert_eq!(moved as usize, go.iter().filter(|job| urgent(job)).count());
                        let left = seen(to.address());
                        assert_alike(&go.iter().filter(|job| !urgent(job)).cloned().collect::<Vec<_>>(), &left);
                        let buried = left.iter().filter(|job| job.state == "buried").count();
                        assert_eq!(kick_buried(&mut target, "t", JobFilter::all())$(.$await)?.unwrap() as usize, buried);
                        assert_eq!(seen(to.address()).iter().filter(|job| job.state == "buried").count(), 0);
                        assert_eq!(clear_tube(&mut target, "t", JobFilter::all())$(.$await)?.unwrap() as usize, left.len());
                        assert!(seen(to.address()).is_empty());
                    }
                });
            }

            #[test]
            fn a_tube_moves_between_servers_while_it_is_put_to_and_worked_on() {
                let _bound = watchdog::bound();
                for (from, to) in pairs() {
                    let (over, numbers) = (AtomicBool::new(false), AtomicU64::new(0));
                    let (put, done) = thread::scope(|scope| {
                        let produced: Vec<_> =
                            (0..2).map(|_| scope.spawn(|| produce(from.address(), &over, &numbers))).collect();
                        let done: Vec<_> =
                            [from.address(), to.address()].map(|at| scope.spawn(|| work(at, &over))).into_iter().collect();
                        <$peer>::block_on(async {
                            let mut source = Client::connect(from.address())$(.$await)?.unwrap();
                            let mut target = Client::connect(to.address())$(.$await)?.unwrap();
                            let mut moved = 0;
                            while moved < 500 {
                                moved += move_jobs(&mut source, "t", &mut target, "t", JobFilter::all())$(.$await)?.unwrap();
                            }
                        });
                        over.store(true, Ordering::Relaxed);
                        let put: Vec<_> = produced.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
                        let done: Vec<_> = done.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
                        (put, done)
                    });
                    let left = seen(from.address()).into_iter().chain(seen(to.address())).map(|job| job.body);
                    let mut account: Vec<_> = done.into_iter().chain(left).collect();
                    let mut put = put;
                    account.sort();
                    put.sort();
                    assert_eq!(account.len(), put.len());
                    assert_eq!(account, put, "every job once");
                }
            }

            #[test]
            fn a_connection_that_breaks_in_a_move_leaves_two_of_a_job_and_never_none() {
                let _bound = watchdog::bound();
                <$peer>::block_on(async {
                    let mut broken = 0;
                    for seed in 0..8 {
                        let (from, to) = (start(Backend::Embedded), start(Backend::Embedded));
                        drop(fill(from.address(), &mut Rng::new(seed), 200));
                        let before = seen(from.address());
                        let (bad_from, bad_to) = (Proxy::start(from.address(), seed), Proxy::start(to.address(), seed + 100));
                        let (bad_from, bad_to) = (bad_from.unwrap(), bad_to.unwrap());
                        let config = $krate::Config {
                            reply_timeout: Some(Duration::from_millis(300)),
                            ..Default::default()
                        };
                        let source = Client::connect_with(bad_from.address(), config)$(.$await)?;
                        let target = Client::connect_with(bad_to.address(), config)$(.$await)?;
                        if let (Ok(mut source), Ok(mut target)) = (source, target) {
                            let moved = move_jobs(&mut source, "t", &mut target, "t", JobFilter::all())$(.$await)?;
                            broken += usize::from(moved.is_err());
                        }
                        let (left, there) = (seen(from.address()), seen(to.address()));
                        let (left, there) = (bodies(&left), bodies(&there));
                        assert!(there.values().all(|&count| count == 1), "one is there twice");
                        for job in &before {
                            assert!(left.contains_key(&job.body[..]) || there.contains_key(&job.body[..]), "lost: {job:?}");
                        }
                        let twice = there.keys().filter(|body| left.contains_key(*body)).count();
                        assert!(twice <= HELD, "{twice} are in both");
                    }
                    assert!(broken > 2, "only {broken} moves broke");
                });
            }
        })*
    };
}

bindings! {
    blocking_client: beanstalk_sync on Blocking;
    tokio: beanstalk_tokio on Tokio, await;
    async_std: beanstalk_async_std on AsyncStd, await;
}
