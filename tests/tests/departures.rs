//! What becomes of the commands behind a reserve that waits when their client goes: as on a real beanstalkd, which writes
//! each reply before it looks at the next command.
#![cfg(unix)]

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use beanstalk_tests::server::{Backend, Options, Place, Server, installed};
use nix::{
    libc,
    sys::socket::{setsockopt, sockopt},
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Puts behind the reserve; all of them fit in what a server reads at once.
const PUTS: u64 = 10;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn connect(server: &Server) -> Self {
        match server.address().strip_prefix("unix:") {
            Some(path) => Self::Unix(UnixStream::connect(path).unwrap()),
            None => Self::Tcp(TcpStream::connect(server.address()).unwrap()),
        }
    }

    fn both(&mut self) -> &mut dyn ReadWrite {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }

    fn send(&mut self, text: &str) {
        self.both().write_all(text.as_bytes()).unwrap();
    }

    /// Everything until the server closes.
    fn rest(mut self) -> String {
        match &self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(PATIENCE)).unwrap(),
            Self::Unix(stream) => stream.set_read_timeout(Some(PATIENCE)).unwrap(),
        }
        let mut text = String::new();
        self.both().read_to_string(&mut text).unwrap();
        text
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// How a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Departure {
    /// It will send nothing more, and still reads.
    HalfClose,
    /// It is gone, and has read all that was sent to it.
    Close,
    /// It is gone without having read a reply, of which its system notifies the server.
    CloseUnread,
    Reset,
}

impl Departure {
    /// Goes, and gives what was heard after that.
    fn go(self, stream: Stream) -> String {
        match (self, &stream) {
            (Self::HalfClose, Stream::Tcp(tcp)) => tcp.shutdown(Shutdown::Write).unwrap(),
            (Self::HalfClose, Stream::Unix(unix)) => unix.shutdown(Shutdown::Write).unwrap(),
            (Self::Reset, Stream::Tcp(tcp)) => {
                setsockopt(tcp, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
                return String::new();
            }
            _ => return String::new(),
        }
        stream.rest()
    }
}

/// A key of `stats`.
fn stat(server: &Server, key: &str) -> u64 {
    let mut stream = Stream::connect(server);
    stream.send("stats\r\nquit\r\n");
    let text = stream.rest();
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("{key} in {text}")).parse().unwrap()
}

#[track_caller]
fn wait_until(server: &Server, key: &str, value: u64) {
    let until = Instant::now() + PATIENCE;
    while stat(server, key) != value {
        assert!(Instant::now() < until, "{key} never becomes {value} at {server:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How many of the puts behind a waiting reserve are run when their client goes, and what it hears.
fn puts_run(backend: Backend, place: Place, departure: Departure) -> (u64, String) {
    let server = Server::start(backend, Options { place, ..Options::default() });
    let mut stream = Stream::connect(&server);
    if departure == Departure::CloseUnread {
        stream.send("list-tube-used\r\n");
    }
    stream.send("watch a\r\nignore default\r\n");
    let mut replies = [0; "WATCHING 2\r\nWATCHING 1\r\n".len()];
    if departure != Departure::CloseUnread {
        stream.both().read_exact(&mut replies).unwrap();
    }
    stream.send(&format!("reserve\r\n{}", "put 0 0 60 1\r\nx\r\n".repeat(PUTS as usize)));
    wait_until(&server, "current-waiting", 1);
    let heard = departure.go(stream);
    // The one that asks.
    wait_until(&server, "current-connections", 1);
    assert_eq!(stat(&server, "current-waiting"), 0);
    (stat(&server, "cmd-put"), heard)
}

fn backends() -> impl Iterator<Item = Backend> {
    Backend::ALL.iter().copied().filter(|&backend| backend != Backend::Real || installed().is_some())
}

#[test]
fn whoever_still_reads_is_answered_everything() {
    let _bound = beanstalk_watchdog::bound();
    for backend in backends() {
        for place in [Place::V4, Place::Unix] {
            let inserted: String = (1..=PUTS).map(|id| format!("INSERTED {id}\r\n")).collect();
            let expected = (PUTS, format!("TIMED_OUT\r\n{inserted}"));
            assert_eq!(puts_run(backend, place, Departure::HalfClose), expected, "{backend:?} {place:?}");
        }
    }
}

#[test]
fn nothing_is_run_for_a_client_that_is_known_to_be_gone() {
    let _bound = beanstalk_watchdog::bound();
    for backend in backends() {
        for (place, departure) in [
            (Place::V4, Departure::Reset),
            (Place::V4, Departure::CloseUnread),
            (Place::Unix, Departure::Close),
            (Place::Unix, Departure::CloseUnread),
        ] {
            assert_eq!(puts_run(backend, place, departure).0, 0, "{backend:?} {place:?} {departure:?}");
        }
    }
}

/// A TCP connection that was closed looks half-closed until something was written to it.
#[test]
fn for_a_client_that_closed_only_what_comes_before_the_systems_word_of_it_is_run() {
    let _bound = beanstalk_watchdog::bound();
    for backend in backends() {
        let (puts, _) = puts_run(backend, Place::V4, Departure::Close);
        // One, unless the system takes its time.
        assert!((1..PUTS / 2).contains(&puts), "{backend:?}: {puts} were run");
    }
}
