//! Where it prints to may be full, or gone: it goes on without a word.

use std::{
    fs::File,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
};

use crate::harness::{FOR_IT, Program, each, handed, ours, run};

/// Every write to it fails.
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

fn without_room(program: Program, args: &[&str]) -> Command {
    let mut command = program.command(args);
    command.stdout(full()).stderr(full());
    command
}

#[test]
fn what_cannot_be_printed_changes_no_exit_code() {
    let _bound = beanstalk_watchdog::bound();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for program in each() {
        for (args, code) in [
            (&["-v"][..], 0),
            (&["-h"], 0),
            (&["-x"], 5),
            (&["-V", "word"], 5),
            (&["-V", "-l", "127.0.0.1", "-p", &port], 111),
        ] {
            let status = run(&mut without_room(program, args)).status;
            assert_eq!(status.code(), Some(code), "{program:?} {args:?}");
        }
    }
}

#[test]
fn a_server_that_cannot_print_serves() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        // This size is too large, of which it would warn.
        let args = ["-VV", "-z", "2000000000"];
        let mut command = handed(program, listener, &format!("{FOR_IT} LISTEN_FDS=1"), &args);
        let server = Program::serve(command.stdout(full()).stderr(full()), address);
        for id in 1..=100 {
            assert_eq!(server.ask("put 0 0 60 1\r\nx\r\n"), format!("INSERTED {id}"), "{program:?}");
        }
    }
}

#[test]
fn a_server_whose_reader_is_gone_serves() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        // Its output is a pipe that nobody reads any more once it listens.
        let server = program.start(&["-V"]);
        for id in 1..=100 {
            assert_eq!(server.ask("put 0 0 60 1\r\nx\r\n"), format!("INSERTED {id}"), "{program:?}");
        }
    }
}

#[test]
fn a_closed_pipe_changes_no_exit_code() {
    let _bound = beanstalk_watchdog::bound();
    let (writer, reader) = UnixStream::pair().unwrap();
    drop(reader);
    let closed = || Stdio::from(OwnedFd::from(writer.try_clone().unwrap()));
    for (args, code) in [(&["-v"][..], 0), (&["-h"], 0), (&["-x"], 5)] {
        let mut command = ours().command(args);
        command.stdout(closed()).stderr(closed());
        assert_eq!(run(&mut command).status.code(), Some(code), "{args:?}");
    }
}
