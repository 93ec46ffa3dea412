//! `export`, `import` and `move` from server to server.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use beanstalk_sync::{Client, JobId, ListTubes, Put, Reserved, ScanOptions, scan};
use support::Server;

fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).output().expect("it runs")
}

fn done(server: &Server, args: &[&str]) -> String {
    let output = run(server.command(args));
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

fn file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("beanstalk-cli-{name}-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

fn client(server: &Server) -> Client {
    Client::connect(&server.endpoint()).expect("it listens")
}

/// What survives of all jobs, however many of them are alike. Delays run.
fn content(server: &Server) -> BTreeMap<(String, String, Vec<u8>, u32, u64), usize> {
    let mut content = BTreeMap::new();
    let mut client = client(server);
    for job in scan(&mut client, ScanOptions::new()).expect("it can be scanned") {
        let job = job.expect("it can be looked at");
        let state = job.state.to_string();
        let (pri, ttr) = (job.stats.pri.expect("a priority").0, job.stats.ttr.expect("a ttr").as_secs());
        *content.entry((job.tube.to_string(), state, job.body.expect("a body"), pri, ttr)).or_default() += 1;
    }
    content
}

/// Jobs in all states, with bodies of any bytes.
fn fill(server: &Server, jobs: u32) {
    let mut client = client(server);
    for n in 0..jobs {
        client.use_tube(&*format!("tube-{}", n % 3)).expect("it is a tube");
        let body: Vec<u8> = (0..n % 300).map(|at| u8::try_from((at * 7 + n) % 256).expect("a byte")).collect();
        let put = Put::of(body).priority(n % 2000).delay(if n % 5 == 0 { 3600 } else { 0_u32 }).ttr(60 + n % 7);
        let id = client.call(put).expect("it is put").inserted().expect("there is memory");
        if n % 4 == 0 {
            client.reserve_job(id).expect("it is there");
            client.bury(id, n % 2000).expect("it is held");
        }
    }
}

fn round_trip(from: &Server, to: &Server, name: &str) {
    fill(from, 300);
    let path = file(name);
    let file = path.to_str().expect("it is text");
    done(from, &["export", file]);
    let whole = fs::read(&path).expect("it is there");

    // As if it had broken off in the middle of a job: what is whole is kept, and the rest follows.
    fs::write(&path, &whole[..whole.len() / 2]).expect("there is room");
    assert_eq!(run(from.command(&["export", file])).status.code(), Some(1), "nothing is written over");
    done(from, &["export", "--resume", file]);
    assert_eq!(run(from.command(&["export", "--resume", file])).status.code(), Some(2), "it is complete");

    assert_eq!(done(to, &["import", "--dry-run", file]), format!("would put 300 jobs of {file}\n"));
    done(to, &["import", "--skip", "100", file]);
    done(from, &["clear", "tube-0", "--yes"]);
    // The first hundred of them, to begin with.
    let (mut lines, mut first) = (whole.as_slice(), Vec::new());
    for job in beanstalk_sync::ExportReader::new(&mut lines).take(100) {
        first.push(job.expect("it is whole"));
    }
    let mut out = Vec::new();
    let mut writer = beanstalk_sync::ExportWriter::new(&mut out).expect("memory takes everything");
    first.iter().for_each(|job| writer.write(job).expect("memory takes everything"));
    // Without its end: what is there is put, and what is missing is an error.
    drop(writer);
    fs::write(&path, &out).expect("there is room");
    let incomplete = run(to.command(&["import", file]));
    assert_eq!(incomplete.status.code(), Some(6), "{}", String::from_utf8_lossy(&incomplete.stderr));
    fs::remove_file(&path).expect("it is there");

    fill_again(from);
    assert_eq!(content(to), content(from));
}

/// Back to what `fill` has made.
fn fill_again(server: &Server) {
    for tube in client(server).call(ListTubes::new()).expect("it answers") {
        done(server, &["clear", tube.as_str(), "--yes"]);
    }
    fill(server, 300);
}

#[test]
fn what_is_exported_is_imported_as_it_was() {
    let _bound = beanstalk_watchdog::bound();
    round_trip(&Server::embedded(), &Server::embedded(), "embedded");
    if let (Some(from), Some(to)) = (Server::real(), Server::real()) {
        round_trip(&from, &to, "real");
    }
}

/// Puts numbered jobs until it is stopped, and returns how many.
fn produce(mut client: Client, stop: &AtomicBool) -> u64 {
    client.use_tube("busy").expect("it is a tube");
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) && number < 20_000 {
        let body = number.to_string();
        client
            .call(Put::of(body).delay(if number % 10 == 9 { 600 } else { 0_u32 }))
            .expect("it is put")
            .inserted()
            .expect("memory");
        number += 1;
    }
    number
}

/// Takes jobs until it is stopped, and deletes them; one in ten is buried, and not counted.
fn work(mut client: Client, stop: &AtomicBool) -> Vec<u64> {
    client.watch("busy").expect("it is a tube");
    let mut done = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if let Reserved::Job(job) = client.reserve_with_timeout(0).expect("it answers") {
            let number: u64 = job.text().expect("text").parse().expect("a number");
            if number % 10 == 8 {
                client.bury(job.id, 1024).expect("it is held");
            } else {
                client.delete(job.id).expect("it is held");
                done.push(number);
            }
        }
    }
    done
}

fn migrated_under_load(from: &Server, to: &Server) {
    let (stop_putting, stop_working) = (AtomicBool::new(false), AtomicBool::new(false));
    let endpoint = to.endpoint();
    let (put, mut numbers) = thread::scope(|scope| {
        let producer = scope.spawn(|| produce(client(from), &stop_putting));
        let workers = [client(from), client(to)].map(|client| scope.spawn(|| work(client, &stop_working)));
        let moving = ["move", "busy", "busy", "--to-server", &endpoint, "--yes", "-o", "plain"];
        // While jobs are put, and taken on both sides.
        let outputs: Vec<_> = (0..5).map(|_| run(from.command(&moving))).collect();
        stop_putting.store(true, Ordering::Relaxed);
        let put = producer.join().expect("it puts");
        stop_working.store(true, Ordering::Relaxed);
        let done_by_workers: Vec<u64> =
            workers.into_iter().flat_map(|worker| worker.join().expect("it works")).collect();
        let mut moved = 0;
        for output in outputs {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            moved += String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().expect("a number");
        }
        // The rest, with nobody else there.
        moved += done(from, &moving).trim().parse::<u64>().expect("a number");
        assert!(moved > 0, "something was moved");
        (put, done_by_workers)
    });
    assert_eq!(done(from, &["jobs", "-t", "busy", "-o", "plain"]), "", "nothing is left behind");
    let mut client = client(to);
    let mut buried = 0;
    for job in scan(&mut client, ScanOptions::new().tube("busy").expect("a tube")).expect("it can be scanned") {
        let job = job.expect("it can be looked at");
        buried += u64::from(job.state.as_str() == "buried");
        let body = String::from_utf8(job.body.expect("a body")).expect("text");
        numbers.push(body.parse().expect("a number"));
        assert_ne!(job.id, JobId(0));
    }
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..put), "each of {put} once: there are {}", numbers.len());
    assert!(put > 100, "there was a load: {put} jobs, {buried} of them buried");
}

#[test]
fn a_live_tube_is_migrated_under_load_with_every_job_accounted_for() {
    let _bound = beanstalk_watchdog::bound();
    migrated_under_load(&Server::embedded(), &Server::embedded());
    if let (Some(from), Some(to)) = (Server::real(), Server::real()) {
        migrated_under_load(&from, &to);
    }
}
