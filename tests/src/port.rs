//! Ports for servers that are told where to listen.

use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below those that the system gives to whoever asks for any: no connection of another test takes one while its server is down.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A port of this host that nobody listens on, another one each time.
pub(crate) fn unused(host: &str) -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Tests that run at the same time begin at different places.
    let start = (process::id() % u32::from(COUNT) * 97 % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let port = FIRST + (start + TAKEN.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind((host, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free at {host}");
}
