//! Ports for servers that are told where to listen.

use std::{
    net::{IpAddr, SocketAddr},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

use socket2::{Domain, Socket, Type};

/// Below those that the system gives to whoever asks for any: no connection of another test takes one while its server is down.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;
const ATTEMPTS: usize = 20;

/// A port of this host that nobody listens on, another one each time.
pub(crate) fn unused(host: &str) -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let host = host.parse().expect("an IP address");
    // Tests that run at the same time begin at different places.
    let start = (process::id() % u32::from(COUNT) * 97 % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let port = FIRST + (start + TAKEN.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if is_unused(host, port) {
            return port;
        }
    }
    panic!("no port is free at {host}");
}

/// Tries it without listening: what another thread forks has all our sockets until it becomes another program, and while it has one that listens
/// the server that this is for can't.
fn is_unused(host: IpAddr, port: u16) -> bool {
    let address = SocketAddr::new(host, port);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("an option of every socket");
    socket.bind(&address.into()).is_ok()
}

/// Starts something on unused ports. Another process may take one before it listens there: then others are tried.
pub(crate) fn until_started<T>(start: impl FnMut() -> Option<T>) -> T {
    std::iter::repeat_with(start).take(ATTEMPTS).flatten().next().expect("a server to start on an unused port")
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        process::Command,
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use super::unused;

    #[test]
    fn whoever_forks_meanwhile_does_not_hold_a_port() {
        let _bound = beanstalk_watchdog::bound();
        let over = AtomicBool::new(false);
        let taken = thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        Command::new("true").status().expect("to be started");
                    }
                });
            }
            let ports = (0..5_000).map(|_| unused("127.0.0.1"));
            let taken = ports.filter_map(|port| TcpListener::bind(("127.0.0.1", port)).err()).count();
            over.store(true, Ordering::Relaxed);
            taken
        });
        assert_eq!(taken, 0);
    }
}
