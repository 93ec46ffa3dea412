//! A server that is further away than it is: everything takes a while longer each way, however much is under way.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Forwards one connection. Its threads end with that.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
}

impl Proxy {
    /// Listens, and will forward the first connection to this port, `delay` later each way.
    pub(crate) fn start(server: u16, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        thread::spawn(move || -> std::io::Result<()> {
            let (client, _) = listener.accept()?;
            let server = TcpStream::connect(("127.0.0.1", server))?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            forward(client.try_clone()?, server.try_clone()?, delay);
            forward(server, client, delay);
            Ok(())
        });
        Ok(Self { port })
    }
}

/// One direction: a thread that reads and notes when, and one that waits and writes.
fn forward(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buf = vec![0; 256 * 1024];
        while let Ok(n @ 1..) = from.read(&mut buf) {
            if sender.send((Instant::now() + delay, buf[..n].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            // Being late is what this thread is for.
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}
