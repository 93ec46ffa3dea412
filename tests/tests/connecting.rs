//! How every type of client gets its connection, on every binding: one table of scenarios, one of clients. Names read
//! `binding::type::scenario`.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::{ConnectError, ConnectOptions, Endpoint, connect::socket::names};
use beanstalk_proto::Lost;
use beanstalk_tests::{
    Backend, Options, Place, Server,
    kinds::{Failure, Kind, kinds},
    runner::{self, trial},
    unreachable::{RefusingPort, Silent, SilentUnix},
};

type Scenario = fn(Kind);

const CLIENTS: &[(&str, Scenario)] = &[
    ("a_silent_node_leaves_time_for_the_next", a_silent_node_leaves_time_for_the_next),
    ("the_only_node_alive_of_many_is_found", the_only_node_alive_of_many_is_found),
    ("a_silent_address_leaves_time_for_the_next", a_silent_address_leaves_time_for_the_next),
    ("a_name_may_stand_for_ipv6_first", a_name_may_stand_for_ipv6_first),
    ("a_slow_lookup_leaves_time_for_the_next_node", a_slow_lookup_leaves_time_for_the_next_node),
    ("a_full_unix_socket_leaves_time_for_the_next_node", a_full_unix_socket_leaves_time_for_the_next_node),
];

/// Those that one client after the other has to play, as they are about the one name `localhost`.
const IN_TURN: &[(&str, Scenario)] =
    &[("no_host_and_no_port_are_localhost_11300", no_host_and_no_port_are_localhost_11300)];

/// Those about the errors of `Client::connect`.
const CONNECT: &[(&str, Scenario)] = &[
    ("what_fails_names_address_and_phase", what_fails_names_address_and_phase),
    ("a_unix_socket_is_connected_to_once_there_is_room", a_unix_socket_is_connected_to_once_there_is_room),
];

fn main() -> ExitCode {
    let kinds = kinds();
    let mut trials = Vec::new();
    let of_connect =
        kinds.iter().filter(|kind| kind.name == "Client").flat_map(|&kind| CONNECT.iter().map(move |s| (kind, s)));
    let of_all = kinds.iter().flat_map(|&kind| CLIENTS.iter().map(move |s| (kind, s)));
    for (kind, &(name, scenario)) in of_all.chain(of_connect) {
        trials.push(trial(format!("{}::{}::{name}", kind.binding, kind.name), move || scenario(kind)));
    }
    for &(name, scenario) in IN_TURN {
        let kinds = kinds.clone();
        trials.push(trial(format!("every::{name}"), move || kinds.iter().for_each(|&kind| scenario(kind))));
    }
    runner::main(env!("CARGO_CRATE_NAME"), trials)
}

fn within(millis: u64) -> ConnectOptions {
    ConnectOptions::new().connect_timeout(Duration::from_millis(millis))
}

/// A server with a job.
fn server() -> Server {
    let server = Server::start(Backend::Embedded, Options { place: Place::V4, ..Options::default() });
    beanstalk_sync::Client::connect(server.address()).unwrap().put(0, 0, 60, "x").unwrap().inserted().unwrap();
    server
}

/// Works at the endpoint: whichever node it is of, the server's, and with one attempt.
fn works(kind: Kind, endpoint: &str, millis: u64) {
    let start = Instant::now();
    kind.work(endpoint, within(millis)).unwrap_or_else(|error| panic!("{endpoint}: {error}"));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

fn a_silent_node_leaves_time_for_the_next(kind: Kind) {
    let (silent, server) = (Silent::new(), server());
    works(kind, &format!("{},{}", silent.address(), server.address()), 400);
}

fn the_only_node_alive_of_many_is_found(kind: Kind) {
    let (silent, nobody, server) = (Silent::new(), RefusingPort::new(), server());
    let (silent, nobody, alive) = (silent.address(), nobody.address(), server.address());
    works(kind, &format!("{nobody},{silent},unix:/nonexistent/socket,{silent},{nobody},{alive},{silent}"), 600);
}

fn a_silent_address_leaves_time_for_the_next(kind: Kind) {
    let (silent, server) = (Silent::new(), server());
    let name = name_of(kind, "silent-first", Duration::ZERO, vec![silent.address(), server.address().parse().unwrap()]);
    works(kind, &name, 400);
}

fn a_name_may_stand_for_ipv6_first(kind: Kind) {
    let server = server();
    let alive: SocketAddr = server.address().parse().unwrap();
    let v6 = SocketAddrV6::new(Ipv6Addr::LOCALHOST, alive.port(), 0, 0);
    let name = name_of(kind, "ipv6-first", Duration::ZERO, vec![v6.into(), alive]);
    works(kind, &name, 400);
}

fn a_slow_lookup_leaves_time_for_the_next_node(kind: Kind) {
    let server = server();
    let name = name_of(kind, "slow-lookup", Duration::from_millis(700), Vec::new());
    works(kind, &format!("{name},{}", server.address()), 300);
}

fn a_full_unix_socket_leaves_time_for_the_next_node(kind: Kind) {
    let (silent, server) = (SilentUnix::new(), server());
    works(kind, &format!("{},{}", silent.address(), server.address()), 400);
}

fn no_host_and_no_port_are_localhost_11300(kind: Kind) {
    for endpoint in ["", "localhost", ":11300", "beanstalk://", &Endpoint::default().to_string()] {
        let server = server();
        names::set("localhost", Duration::ZERO, vec![server.address().parse().unwrap()]);
        works(kind, endpoint, 400);
        assert_eq!(names::asked("localhost"), Some(11300), "{} of {}: {endpoint:?}", kind.name, kind.binding);
    }
}

/// A host name that stands for these addresses, each test's its own.
fn name_of(kind: Kind, of: &str, takes: Duration, addresses: Vec<SocketAddr>) -> String {
    let name = format!("{of}.{}.{}.test", kind.binding, kind.name).to_lowercase();
    names::set(&name, takes, addresses);
    name
}

fn what_fails_names_address_and_phase(kind: Kind) {
    let (nobody, silent, full) = (RefusingPort::new(), Silent::new(), SilentUnix::new());
    let (refuses, silent, full) = (nobody.address(), silent.address(), full.address());
    let two = name_of(kind, "two", Duration::ZERO, vec![silent, refuses.parse().unwrap()]);
    let none = name_of(kind, "none", Duration::ZERO, Vec::new());
    let slow = name_of(kind, "slow", Duration::from_millis(700), Vec::new());
    let (refused, timed_out) = (io::ErrorKind::ConnectionRefused, io::ErrorKind::TimedOut);
    for (endpoint, error, message) in [
        (refuses.clone(), refused, format!("{refuses}: connection refused")),
        (silent.to_string(), timed_out, format!("{silent}: timed out after 200 ms")),
        (
            "unix:/nonexistent/socket".into(),
            io::ErrorKind::NotFound,
            "unix:/nonexistent/socket: No such file or directory (os error 2)".into(),
        ),
        (
            full.clone(),
            timed_out,
            format!("{full}: the server accepts no connections and its queue is full: timed out after 200 ms"),
        ),
        (
            two.clone(),
            timed_out,
            format!("{two}:11300 at {silent}: timed out after 100 ms; another address failed as well"),
        ),
        (none.clone(), io::ErrorKind::NotFound, format!("{none}:11300: looking up the name: {none} has no address")),
        (slow.clone(), timed_out, format!("{slow}:11300: looking up the name: timed out after 200 ms")),
        (
            format!("{refuses},{none},{refuses}"),
            refused,
            format!("{refuses}: connection refused; 2 other addresses failed as well"),
        ),
    ] {
        let start = Instant::now();
        let failed = kind.work(&endpoint, within(200)).unwrap_err();
        // A lookup that was given up on ends before its runtime does.
        assert!(start.elapsed() < Duration::from_secs(3), "{endpoint}: {:?}", start.elapsed());
        let Failure::Error(failed) = failed else { panic!("{failed:?}") };
        assert_eq!(ConnectError::of(&failed).map(ConnectError::kind), Some(error), "{failed}");
        assert_eq!(rounded(&failed.to_string()), format!("connect {message}"));
        assert_eq!(failed.lost(), Some(Lost::NotSent));
        assert!(failed.is_fatal());
    }
}

/// The message without what the attempts before have taken of the time, up to 10 ms of 100.
fn rounded(message: &str) -> String {
    let millis =
        |word: &str| word.parse::<u32>().map_or(word.to_string(), |n| n.div_ceil(100).saturating_mul(100).to_string());
    match message.split_once("timed out after ") {
        Some((before, after)) => {
            let (number, rest) = after.split_once(' ').unwrap();
            format!("{before}timed out after {} {rest}", millis(number))
        }
        None => message.to_string(),
    }
}

fn a_unix_socket_is_connected_to_once_there_is_room(kind: Kind) {
    let silent = SilentUnix::new();
    let endpoint = silent.address();
    let client = thread::spawn(move || kind.work(&endpoint, within(5000).reply_timeout(Duration::from_secs(5))));
    thread::sleep(Duration::from_millis(50));
    assert!(!client.is_finished());
    let mut accepted = silent.accept();
    io::Read::read_exact(&mut accepted, &mut [0; b"put 0 0 60 1\r\nx\r\n".len()]).unwrap();
    io::Write::write_all(&mut accepted, b"INSERTED 1\r\n").unwrap();
    client.join().unwrap().unwrap();
}
