//! Flags, exit codes and signals.

use std::{net::TcpListener, time::Instant};

use nix::sys::signal::Signal;

use crate::harness::{PATIENCE, each, ours};

#[test]
fn it_serves_at_the_given_address() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        let server = program.start(&["-z", "3"]);
        assert_eq!(server.ask("put 0 0 60 4\r\nabcd\r\n"), "JOB_TOO_BIG");
        assert_eq!(server.ask("put 0 0 60 3\r\nabc\r\n"), "INSERTED 1");
    }
}

#[test]
fn it_answers_as_1_13_unless_set_otherwise() {
    let _bound = beanstalk_watchdog::bound();
    assert_eq!(ours().start(&[]).ask("reserve-with-timeout x\r\n"), "BAD_FORMAT");
    assert_eq!(ours().start(&["--speak", "1.12"]).ask("reserve-with-timeout x\r\n"), "TIMED_OUT");
}

#[test]
fn sigusr1_starts_drain_mode() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        let server = program.start(&[]);
        // It answers: by now it has set up its signals.
        assert_eq!(server.ask("list-tube-used\r\n"), "USING default");
        server.signal(Signal::SIGUSR1);
        let deadline = Instant::now() + PATIENCE;
        while server.ask("put 0 0 60 1\r\nx\r\n") != "DRAINING" {
            assert!(Instant::now() < deadline, "{program:?} never drains");
        }
    }
}

#[test]
fn sigterm_and_sigint_end_it_cleanly() {
    let _bound = beanstalk_watchdog::bound();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = ours().start(&[]);
        server.signal(signal);
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn help_and_version_are_printed_and_are_no_errors() {
    let _bound = beanstalk_watchdog::bound();
    let help = ours().run(&["-h"]);
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("-z BYTES"));
    let version = ours().run(&["-v"]);
    assert!(version.status.success());
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("beanstalk-server "));
}

#[test]
fn flags_that_cannot_be_honoured_are_refused_with_a_reason() {
    let _bound = beanstalk_watchdog::bound();
    for args in [&["-b", "/tmp"][..], &["-f", "50"], &["-F"], &["-n"], &["-c"], &["-s", "4096"], &["-u", "nobody"]] {
        let output = ours().run(args);
        assert_eq!(output.status.code(), Some(5), "{args:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(args[0]) && error.contains("this server"), "{error}");
    }
}

#[test]
fn what_it_does_not_understand_is_a_usage_error() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        for args in [&["-x"][..], &["-Vx"], &["-p"], &["-z"], &["-z", "big"], &["word"], &["-"], &["--word"]] {
            let output = program.run(args);
            assert_eq!(output.status.code(), Some(5), "{program:?} {args:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("Use: "), "{program:?} {args:?}");
        }
    }
    // beanstalkd takes the name of a service, and finds out what is none when it listens.
    for port in ["http", "many", "65536"] {
        assert_eq!(ours().run(&["-p", port]).status.code(), Some(5), "{port}");
    }
}

#[test]
fn a_taken_port_is_an_error_with_the_exit_code_of_beanstalkd() {
    let _bound = beanstalk_watchdog::bound();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for program in each() {
        assert_eq!(program.run(&["-l", "127.0.0.1", "-p", &port]).status.code(), Some(111), "{program:?}");
    }
    let error = ours().run(&["-l", "127.0.0.1", "-p", &port]).stderr;
    assert!(String::from_utf8_lossy(&error).contains(&port));
}

#[test]
fn a_size_is_read_as_beanstalkd_reads_it() {
    let _bound = beanstalk_watchdog::bound();
    const MOST: &str = "1073741824";
    for program in each() {
        for (size, taken) in [
            ("0", "0"),
            ("007", "7"),
            ("+7", "7"),
            (" 7", "7"),
            ("\t\n\x0b\x0c\r+7", "7"),
            ("1073741824", MOST),
            ("1073741825", MOST),
            ("18446744073709551615", MOST),
            ("18446744073709551616", MOST),
            ("99999999999999999999999999999999999999999", MOST),
            // It is read without a sign, and what is below zero comes from the other end.
            ("-1", MOST),
            (" -1", MOST),
            ("-18446744073709551615", "1"),
            ("-18446744073709551609", "7"),
            ("-18446744073709551616", MOST),
        ] {
            let server = program.start(&["-z", size]);
            let line = server.stat("max-job-size");
            assert_eq!(line, taken, "{program:?} -z {size:?}");
        }
        for size in ["", " ", "-", "+", "7 ", "7x", "0x10", "- 7", "+-7", "1e3", "\u{a0}7", "７"] {
            let output = program.run(&["-l", "127.0.0.1", "-p", "0", "-z", size]);
            assert_eq!(output.status.code(), Some(5), "{program:?} -z {size:?}");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(error.contains(&format!("invalid size: {size}")), "{program:?} -z {size:?}: {error}");
        }
    }
}
