//! `export`, `import` and `move` from server to server.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
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

/// What is between a client and a server, and lets nothing of the server's through from the moment that it has let so many bytes through until
/// it may go on.
fn stalling(server: &str, bytes: u64, go_on: Receiver<()>) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (server, (stalls, stalled)) = (server.to_owned(), mpsc::channel());
    thread::spawn(move || {
        let (near, _) = listener.accept()?;
        let far = TcpStream::connect(server)?;
        let (mut up, mut down) = ((near.try_clone()?, far.try_clone()?), (far, near));
        thread::spawn(move || io::copy(&mut up.0, &mut up.1).and_then(|_| up.1.shutdown(Shutdown::Write)));
        io::copy(&mut (&down.0).take(bytes), &mut down.1)?;
        let _ = stalls.send(());
        let _ = go_on.recv();
        io::copy(&mut down.0, &mut down.1)
    });
    (address, stalled)
}

fn interrupted_while_stalled(from: &Server, to: &Server, args: &[&str], held: impl Fn(&mut Client) -> bool) -> Output {
    let (go, goes_on) = mpsc::channel();
    // Some of it is done by then.
    let (address, stalled) = stalling(&to.endpoint(), 300, goes_on);
    let args: Vec<&str> = args.iter().map(|arg| if *arg == "TO" { &*address } else { *arg }).collect();
    let mut command = from.command(&args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    stalled.recv().expect("it stalls");
    let mut look = client(from);
    let until = Instant::now() + Duration::from_secs(60);
    while !held(&mut look) {
        assert!(Instant::now() < until, "it does not get so far");
        thread::sleep(Duration::from_millis(2));
    }
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGINT).expect("it is there");
    drop(go);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_move_that_is_interrupted_leaves_each_job_as_it_was_or_moves_it() {
    let _bound = beanstalk_watchdog::bound();
    const JOBS: u64 = 500;
    let (from, to) = (Server::embedded(), Server::embedded());
    {
        let mut client = client(&from);
        for n in 0..JOBS {
            let id = client.call(Put::of(n.to_string())).expect("it is put").inserted().expect("memory");
            client.reserve_job(id).expect("it is there");
            client.bury(id, 7).expect("it is held");
        }
    }
    let args = ["move", "default", "moved", "--to-server", "TO", "--yes", "--timeout", "60s"];
    let output = interrupted_while_stalled(&from, &to, &args, |client| {
        client.stats().expect("it answers").current_jobs_reserved > Some(0)
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{:?}: {errors}", output.status);
    assert!(errors.contains("error: interrupted: ") && errors.contains("moved to tube moved"), "{errors}");
    let (left, there) = (client(&from).stats(), client(&to).stats());
    let (left, there) = (left.expect("it answers"), there.expect("it answers"));
    // Nobody gets a job that was set aside.
    assert_eq!((left.current_jobs_ready, left.current_jobs_reserved), (Some(0), Some(0)));
    assert_eq!((there.current_jobs_ready, there.current_jobs_delayed), (Some(0), Some(0)));
    let (left, there) = (left.current_jobs_buried.expect("a count"), there.current_jobs_buried.expect("a count"));
    assert!(left + there == JOBS && there > 0 && left > 0, "{left} and {there}");
}

#[test]
fn an_export_and_an_import_that_are_interrupted_can_be_gone_on_with() {
    let _bound = beanstalk_watchdog::bound();
    let (from, to) = (Server::embedded(), Server::embedded());
    fill(&from, 900);
    let path = file("interrupted");
    let file = path.to_str().expect("it is text");
    let args = ["export", file, "-s", "TO", "--timeout", "60s"];
    let output = interrupted_while_stalled(&from, &from, &args, |_| true);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{:?}: {errors}", output.status);
    assert!(errors.contains("--resume goes on with it"), "{errors}");
    done(&from, &["export", "--resume", file]);

    let args = ["import", file, "-s", "TO", "--timeout", "60s"];
    let output = interrupted_while_stalled(&to, &to, &args, |_| true);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{:?}: {errors}", output.status);
    let skip =
        errors.split("--skip ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_else(|| panic!("{errors}"));
    done(&to, &["import", "--skip", skip, file]);
    fs::remove_file(&path).expect("it is there");
    assert_eq!(content(&to), content(&from));
}

#[test]
fn an_export_that_finds_no_server_or_may_not_begin_leaves_no_file() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let path = file("none");
    let file = path.to_str().expect("it is text");
    assert_eq!(run(support::beanstalk(&["-s", "127.0.0.1:1", "export", file])).status.code(), Some(5));
    assert_eq!(run(server.command(&["--read-only", "export", file])).status.code(), Some(8));
    let Server::Embedded(embedded) = &server else { unreachable!("it is embedded") };
    embedded.set_draining(true);
    for args in [&["export", file][..], &["jobs"], &["clear", "t", "--from", "1", "--yes"]] {
        let output = run(server.command(args));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{errors}");
        assert!(errors.contains("DRAINING") && errors.contains("help: --to ID gives the last id"), "{errors}");
    }
    embedded.set_draining(false);
    assert!(!path.exists());
    done(&server, &["export", file]);
    fs::remove_file(&path).expect("it is there");
}
