//! The binary: its flags, its exit codes and its signals.
#![cfg(unix)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_beanstalk-server")).args(args).output().unwrap()
}

/// A running server, ended with the test.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        // With -V it says where it listens.
        let mut child = Command::new(env!("CARGO_BIN_EXE_beanstalk-server"))
            .args(["-l", "127.0.0.1", "-p", "0", "-V"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("bind ")?.to_owned()));
        Self { child, address: address.expect("it says where it listens") }
    }

    fn ask(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_serves_where_it_is_told_to() {
    let _bound = beanstalk_watchdog::bound();
    let server = Running::start(&["-z", "3"]);
    assert_eq!(server.ask("put 0 0 60 4\r\nabcd\r\n"), "JOB_TOO_BIG\r\n");
    assert_eq!(server.ask("put 0 0 60 3\r\nabc\r\n"), "INSERTED 1\r\n");
    assert_eq!(server.ask("reserve-with-timeout x\r\n"), "BAD_FORMAT\r\n");
}

#[test]
fn it_speaks_as_1_12_if_it_is_told_to() {
    let _bound = beanstalk_watchdog::bound();
    let server = Running::start(&["--speak", "1.12"]);
    assert_eq!(server.ask("reserve-with-timeout x\r\n"), "TIMED_OUT\r\n");
}

#[test]
fn sigusr1_starts_drain_mode() {
    let _bound = beanstalk_watchdog::bound();
    let server = Running::start(&[]);
    server.signal(Signal::SIGUSR1);
    let deadline = std::time::Instant::now() + PATIENCE;
    while server.ask("put 0 0 60 1\r\nx\r\n") != "DRAINING\r\n" {
        assert!(std::time::Instant::now() < deadline, "it never drains");
    }
}

#[test]
fn sigterm_and_sigint_end_it_cleanly() {
    let _bound = beanstalk_watchdog::bound();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Running::start(&[]);
        server.signal(signal);
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn help_and_version_are_printed_and_are_no_errors() {
    let _bound = beanstalk_watchdog::bound();
    let help = run(&["-h"]);
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("-z BYTES"));
    let version = run(&["-v"]);
    assert!(version.status.success());
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("beanstalk-server "));
}

#[test]
fn flags_that_cannot_be_honoured_are_refused_with_a_reason() {
    let _bound = beanstalk_watchdog::bound();
    for args in [&["-b", "/tmp"][..], &["-f", "50"], &["-F"], &["-n"], &["-c"], &["-s", "4096"], &["-u", "nobody"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(5), "{args:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(args[0]) && error.contains("this server"), "{error}");
    }
}

#[test]
fn what_it_does_not_understand_is_a_usage_error() {
    let _bound = beanstalk_watchdog::bound();
    for args in [&["-x"][..], &["-p"], &["-p", "many"], &["-z", "big"], &["word"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(5), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Use: beanstalk-server"));
    }
}

#[test]
fn a_taken_port_is_an_error_with_the_exit_code_of_beanstalkd() {
    let _bound = beanstalk_watchdog::bound();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["-l", "127.0.0.1", "-p", &port]);
    assert_eq!(output.status.code(), Some(111));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&port));
}
