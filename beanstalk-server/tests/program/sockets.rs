//! What it listens on.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::harness::{each, ours};

/// A socket's path in a directory of the test's own.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("beanstalk-{}-{name}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        Self(directory.join("socket"))
    }

    fn address(&self) -> String {
        format!("unix:{}", self.0.display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

#[test]
fn a_socket_that_a_killed_server_left_is_replaced() {
    let _bound = beanstalk_watchdog::bound();
    for program in each() {
        let place = Place::new("left");
        drop(UnixListener::bind(&place.0).unwrap());
        let server = program.start_at(&["-l", &place.address()], &[]);
        assert_eq!(server.ask("list-tube-used\r\n"), "USING default", "{program:?}");
    }
}

#[test]
fn a_path_where_one_listens_is_refused() {
    let _bound = beanstalk_watchdog::bound();
    let place = Place::new("taken");
    for program in each() {
        let first = program.start_at(&["-l", &place.address()], &[]);
        let output = ours().run(&["-l", &place.address()]);
        assert_eq!(output.status.code(), Some(111));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(&place.address()) && error.contains("a server listens"), "{error}");
        assert_eq!(first.ask("list-tube-used\r\n"), "USING default", "{program:?}");
    }
}

#[test]
fn a_path_whose_server_is_too_busy_to_accept_is_refused_too() {
    let _bound = beanstalk_watchdog::bound();
    let place = Place::new("busy");
    let listener = UnixListener::bind(&place.0).unwrap();
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    // One more than it has room for would wait.
    let _waiting = UnixStream::connect(&place.0).unwrap();
    let output = ours().run(&["-l", &place.address()]);
    assert_eq!(output.status.code(), Some(111));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("a server listens"), "{error}");
}

#[test]
fn ending_a_server_leaves_the_socket_of_the_one_that_took_its_path() {
    let _bound = beanstalk_watchdog::bound();
    // beanstalkd takes a path wherever somebody listens; who takes another's on purpose removes it first.
    for program in each() {
        let place = Place::new("replaced");
        let mut first = ours().start_at(&["-l", &place.address()], &[]);
        fs::remove_file(&place.0).unwrap();
        let second = program.start_at(&["-l", &place.address()], &[]);
        first.signal(Signal::SIGTERM);
        assert_eq!(first.child.wait().unwrap().code(), Some(0));
        assert_eq!(second.ask("put 0 0 60 1\r\nx\r\n"), "INSERTED 1", "{program:?}");
    }
}

#[test]
fn ending_a_server_removes_its_own_socket() {
    let _bound = beanstalk_watchdog::bound();
    let place = Place::new("own");
    let mut server = ours().start_at(&["-l", &place.address()], &[]);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(!place.0.exists());
}

#[test]
fn hundreds_may_connect_while_it_does_something_else() {
    let _bound = beanstalk_watchdog::bound();
    /// More than the standard library and its like have room for, fewer than beanstalkd's 1024.
    const CROWD: usize = 300;

    let limit: usize =
        fs::read_to_string("/proc/sys/net/core/somaxconn").map_or(CROWD, |text| text.trim().parse().unwrap());
    for program in each() {
        let server = program.start(&[]);
        let address: SocketAddr = server.address.parse().unwrap();
        server.signal(Signal::SIGSTOP);
        // For one that finds no room the system tries again after a second.
        let connect = |n| {
            TcpStream::connect_timeout(&address, Duration::from_secs(5))
                .unwrap_or_else(|error| panic!("{program:?} {n}: {error}"))
        };
        let crowd: Vec<TcpStream> = (0..CROWD.min(limit)).map(connect).collect();
        server.signal(Signal::SIGCONT);
        drop(crowd);
        assert_eq!(server.ask("list-tube-used\r\n"), "USING default", "{program:?}");
    }
}
