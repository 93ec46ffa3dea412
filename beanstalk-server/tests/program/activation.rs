//! Listening sockets that a service manager hands over, as systemd does: from descriptor 3 on, with their number in
//! `LISTEN_FDS` and whom they are for in `LISTEN_PID`.

use std::{
    fs::File,
    io::Read,
    net::{TcpListener, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixListener},
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use crate::harness::{FOR_IT, Program, Running, each, handed, ours, run};

/// Where a server would listen that takes nothing.
const LOOPBACK: [&str; 4] = ["-l", "127.0.0.1", "-p", "0"];

/// Ends a server, and gives what it printed to standard error.
fn errors(mut server: Running) -> String {
    server.child.kill().unwrap();
    let mut text = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_tcp_socket_is_served_instead_of_what_the_flags_name() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let args = ["-l", "192.0.2.1", "-p", "1"];
        let mut command = handed(program, listener, &format!("{FOR_IT} LISTEN_FDS=1"), &args);
        let server = Program::serve(&mut command, address);
        assert_eq!(server.ask("put 0 0 60 1\r\nx\r\n"), "INSERTED 1", "{program:?}");
        let errors = errors(server);
        for ignored in ["ignoring option: -l 192.0.2.1", "ignoring option: -p 1"] {
            assert!(errors.contains(ignored), "{program:?}: {errors}");
        }
    }
}

#[test]
fn a_unix_socket_is_served_and_left_where_it_is() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        let path = std::env::temp_dir().join(format!("beanstalk-{}-handed.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let mut command = handed(program, listener, &format!("{FOR_IT} LISTEN_FDS=1"), &LOOPBACK);
        let mut server = Program::serve(&mut command, path.display().to_string());
        assert_eq!(server.ask("put 0 0 60 1\r\nx\r\n"), "INSERTED 1", "{program:?}");
        server.signal(Signal::SIGTERM);
        server.child.wait().unwrap();
        assert!(path.exists(), "{program:?}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn what_is_no_listening_stream_socket_is_refused() {
    let _bound = beanstalk_watchdog::bound();
    let one = format!("{FOR_IT} LISTEN_FDS=1");
    for program in each() {
        for (what, descriptor) in [
            ("a file", OwnedFd::from(File::open("/dev/null").unwrap())),
            ("a datagram socket", OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap())),
            ("a socket that does not listen", silent_socket()),
        ] {
            let output = run(&mut handed(program, descriptor, &one, &LOOPBACK));
            assert_eq!(output.status.code(), Some(111), "{program:?} {what}");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(error.contains("not a TCP or UNIX listening socket"), "{program:?} {what}: {error}");
        }
    }
}

/// A TCP socket that does not listen.
fn silent_socket() -> OwnedFd {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap()
}

#[test]
fn variables_that_make_no_sense_are_refused() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        for variables in [
            "LISTEN_PID=$$ LISTEN_FDS=0",
            "LISTEN_PID=$$ LISTEN_FDS=-1",
            "LISTEN_PID=$$ LISTEN_FDS=x",
            "LISTEN_PID=$$ LISTEN_FDS=''",
            "LISTEN_PID=$$ LISTEN_FDS=99999999999999999999",
            "LISTEN_PID=$$ LISTEN_FDS=2147483647",
            "LISTEN_PID=x LISTEN_FDS=1",
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let output = run(&mut handed(program, listener, variables, &LOOPBACK));
            assert_eq!(output.status.code(), Some(111), "{program:?} {variables}");
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = run(&mut handed(ours(), listener, "LISTEN_PID=$$ LISTEN_FDS=x", &LOOPBACK));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("LISTEN_FDS"), "{error}");
}

#[test]
fn what_was_meant_for_another_process_is_not_taken() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        for variables in ["LISTEN_PID=1 LISTEN_FDS=1", "LISTEN_FDS=1", "LISTEN_PID=$$"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let handed_over = listener.local_addr().unwrap().to_string();
            let server = Program::where_it_prints(&mut handed(program, listener, variables, &LOOPBACK));
            assert_ne!(server.address, handed_over, "{program:?} {variables}");
            assert_eq!(server.ask("put 0 0 60 1\r\nx\r\n"), "INSERTED 1", "{program:?} {variables}");
        }
    }
}

#[test]
fn of_several_sockets_the_first_is_served() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script = "exec 3<&0 4<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(program.path()).args(LOOPBACK);
        command.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::null()).stderr(Stdio::piped());
        let server = Program::serve(&mut command, address);
        assert_eq!(server.ask("put 0 0 60 1\r\nx\r\n"), "INSERTED 1", "{program:?}");
        let errors = errors(server);
        assert!(errors.contains("more than one listen socket"), "{program:?}: {errors}");
    }
}
