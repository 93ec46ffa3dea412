//! `work`: what becomes of jobs by exit status, signals, and much output.

mod support;

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    time::Duration,
};

use beanstalk_proto::stats::{JobState, ServerStats};
use beanstalk_server::EmbeddedServer;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::Server;

const LONG: Duration = Duration::from_secs(90);

struct Worker {
    child: Child,
    errors: BufReader<ChildStderr>,
}

impl Worker {
    fn start(server: &Server, args: &[&str], script: &str) -> Self {
        let all: Vec<&str> = ["work"].iter().chain(args).chain(&["--", "sh", "-c", script]).copied().collect();
        Self::of(server.command(&all))
    }

    fn of(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let errors = BufReader::new(child.stderr.take().expect("it was asked for"));
        Self { child, errors }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it runs");
    }

    /// Reads its errors up to a line with this in it.
    fn until(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.errors.read_line(&mut line).expect("it is text") > 0, "it ended without {text:?}");
        }
        line
    }

    /// Its exit status, what it printed, and the rest of its errors.
    fn end(mut self) -> (ExitStatus, Vec<u8>, String) {
        let (mut out, mut errors) = (Vec::new(), String::new());
        self.child.stdout.take().expect("it was asked for").read_to_end(&mut out).expect("it can be read");
        self.errors.read_to_string(&mut errors).expect("it is text");
        (self.child.wait().expect("it ends"), out, errors)
    }
}

fn embedded(server: &Server) -> &EmbeddedServer {
    match server {
        Server::Embedded(server) => server,
        Server::Real { .. } => unreachable!("it is embedded"),
    }
}

fn put(server: &Server, bodies: &[&str]) {
    let args: Vec<&str> = ["put"].iter().chain(bodies).copied().collect();
    assert!(server.command(&args).stdout(Stdio::null()).status().expect("it runs").success());
}

fn wait(server: &Server, condition: impl FnMut(&ServerStats) -> bool + Send + 'static) {
    embedded(server).wait_until(LONG, condition).unwrap_or_else(|busy| panic!("{busy}"));
}

#[test]
fn the_exit_status_decides() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    put(&server, &["0", "65", "75", "1"]);
    let worker = Worker::start(&server, &["--retry-after", "1h"], "exit $(cat)");
    wait(&server, |stats| {
        stats.cmd_delete == Some(1) && stats.current_jobs_buried == Some(1) && stats.current_jobs_delayed == Some(2)
    });
    worker.signal(Signal::SIGTERM);
    let (status, _, errors) = worker.end();
    assert!(status.success(), "{errors}");
    assert!(errors.contains("job 4: failed: exit status 1"), "{errors}");
    assert!(errors.contains("1 done, 2 to be tried again, 1 buried, 0 given back"), "{errors}");
    assert_eq!(embedded(&server).stats_job(2).and_then(|stats| stats.state), Some(JobState::Buried));
}

#[test]
fn a_note_about_a_server_that_is_away_names_it_once() {
    let _bound = beanstalk_watchdog::bound();
    // Nothing listens there.
    let address = "127.0.0.1:1";
    let mut worker = Worker::of(support::beanstalk(&["work", "-s", address, "--", "true"]));
    let line = worker.until("cannot connect");
    assert_eq!(line, format!("note: {address}: cannot connect: connection refused\n"));
    let line = worker.until("reconnecting");
    let delay = line.strip_prefix(&format!("note: {address}: reconnecting in ")).expect("it begins so");
    assert!(delay.ends_with("ms, after 1 failure\n") && !delay.contains('.'), "{line}");
    worker.signal(Signal::SIGTERM);
    assert!(worker.end().0.success());
}

#[test]
fn a_failing_command_is_tried_again_and_its_job_buried_in_the_end() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    put(&server, &["x"]);
    let worker = Worker::start(&server, &["--retry-after", "0", "--bury-after", "3"], "kill -KILL $$");
    wait(&server, |stats| stats.current_jobs_buried == Some(1));
    worker.signal(Signal::SIGINT);
    let (status, _, errors) = worker.end();
    assert!(status.success());
    assert_eq!(errors.matches("failed: ended by signal 9").count(), 3, "{errors}");
}

#[test]
fn sigterm_lets_a_command_finish_and_takes_no_more_jobs() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    put(&server, &["one", "two"]);
    // It ends once its parent was told to stop: that is when there is a file.
    let flag = std::env::temp_dir().join(format!("beanstalk-cli-go-{}", std::process::id()));
    let script = format!("echo started >&2; while [ ! -e {} ]; do sleep 0.05; done; cat", flag.display());
    let mut worker = Worker::start(&server, &[], &script);
    worker.until("started");
    worker.signal(Signal::SIGTERM);
    worker.until("stopping within 30 s");
    std::fs::write(&flag, "").expect("there is room");
    let (status, out, errors) = worker.end();
    std::fs::remove_file(&flag).expect("it is there");
    assert!(status.success(), "{errors}");
    assert_eq!(out, b"one");
    let stats = embedded(&server).stats();
    assert_eq!((stats.cmd_delete, stats.current_jobs_ready), (Some(1), Some(1)), "{errors}");
}

#[test]
fn a_second_signal_ends_the_command_and_gives_its_job_back() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    put(&server, &["x"]);
    // It does not obey SIGTERM, nor does what it has started.
    let mut worker =
        Worker::start(&server, &["--grace", "1h"], "trap '' TERM; echo started >&2; sleep 3600; sleep 3600");
    worker.until("started");
    worker.signal(Signal::SIGTERM);
    worker.until("stopping");
    worker.signal(Signal::SIGTERM);
    let (status, _, errors) = worker.end();
    assert!(status.success() && errors.contains("1 given back"), "{errors}");
    wait(&server, |stats| stats.current_jobs_ready == Some(1));
}

#[test]
fn a_command_that_cannot_be_run_costs_no_job() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    put(&server, &["x"]);
    let worker = Worker::of(server.command(&["work", "--", "no-such-command"]));
    let (status, _, errors) = worker.end();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains("error: cannot run no-such-command: No such file"), "{errors}");
    wait(&server, |stats| stats.current_jobs_ready == Some(1) && stats.current_jobs_buried == Some(0));
}

#[test]
fn the_body_and_what_is_known_of_the_job_reach_the_command() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    assert!(
        server
            .command(&["put", "-t", "mails", "--base64", "/wAB"])
            .stdout(Stdio::null())
            .status()
            .expect("it runs")
            .success()
    );
    let script = "od -An -tx1; echo $BEANSTALK_JOB $BEANSTALK_TUBE $BEANSTALK_SERVER";
    let worker = Worker::start(&server, &["-t", "mails", "-t", "other"], script);
    wait(&server, |stats| stats.cmd_delete == Some(1));
    worker.signal(Signal::SIGTERM);
    let (_, out, _) = worker.end();
    assert_eq!(String::from_utf8_lossy(&out), format!(" ff 00 01\n1 mails {}\n", server.endpoint()));
}

#[test]
fn a_million_lines_of_output_and_a_body_that_nobody_reads_block_nothing() {
    let _bound = beanstalk_watchdog::bound();
    let server = Server::embedded();
    let body = "x".repeat(65_535);
    put(&server, &[&body]);
    let worker = Worker::start(&server, &[], "seq 1000000; seq 1000 >&2; (sleep 1; :) & exit 0");
    // Whoever reads it is in no hurry: a job is done before the first line is read only if that needs no reader, and it does.
    worker.signal_when_done(&server);
    let (status, out, errors) = worker.end();
    assert!(status.success());
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1_000_000);
    assert!(errors.contains("\n1000\n") && errors.contains("1 done"), "{}", errors.len());
}

impl Worker {
    /// Sends SIGTERM once a job is deleted, while somebody else reads.
    fn signal_when_done(&self, server: &Server) {
        let (pid, endpoint) = (self.child.id().cast_signed(), server.endpoint());
        std::thread::spawn(move || {
            loop {
                let output = support::beanstalk(&["stats", "-o", "jsonl", "-s", &endpoint]).output().expect("it runs");
                if String::from_utf8_lossy(&output.stdout).contains("\"cmd-delete\":1") {
                    break kill(Pid::from_raw(pid), Signal::SIGTERM);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
    }
}
