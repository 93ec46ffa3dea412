//! A stream of the user's own that reads the socket many times for one read, as TLS does to fill a record.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test asserts what it counts on")]

use std::{
    io::{self, Read, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use beanstalk_sync::{Client, Config, Error, Put, Stream, Transport};

const TIMEOUT: Duration = Duration::from_millis(500);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(400);

/// Gives bytes in records of so many, and takes none before they are flushed.
struct Records<S> {
    inner: S,
    record: Vec<u8>,
    len: usize,
    written: Vec<u8>,
}

impl<S: Read> Read for Records<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.record.len() < self.len {
            let mut byte = [0];
            match self.inner.read(&mut byte)? {
                0 => return Ok(0),
                _ => self.record.push(byte[0]),
            }
        }
        let n = buf.len().min(self.record.len());
        buf.iter_mut().zip(self.record.drain(..n)).for_each(|(to, from)| *to = from);
        Ok(n)
    }
}

impl<S: Write> Write for Records<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.written.is_empty() {
            let n = self.inner.write(&self.written)?;
            self.written.drain(..n);
        }
        self.inner.flush()
    }
}

impl<S: Transport> Transport for Records<S> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_write_timeout(timeout)
    }

    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.inner.set_deadline(deadline);
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.inner.shutdown_write()
    }
}

fn client(listener: &TcpListener, len: usize) -> Client<Records<Stream>> {
    let inner = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap().into();
    let config = Config { reply_timeout: Some(TIMEOUT), ..Config::default() };
    Client::from_stream_with(Records { inner, record: Vec::new(), len, written: Vec::new() }, config)
}

#[track_caller]
fn takes_the_timeout(call: impl FnOnce() -> Error) {
    let start = Instant::now();
    let error = call();
    let took = start.elapsed();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(took >= TIMEOUT && took < TIMEOUT + SLACK, "{took:?} of {TIMEOUT:?}");
}

#[test]
fn a_record_that_comes_byte_by_byte_takes_no_longer_than_the_reply_may() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = client(&listener, 1000);
    let (mut server, _) = listener.accept().unwrap();
    let dribble = thread::spawn(move || {
        while server.write_all(b"I").is_ok() {
            thread::sleep(TIMEOUT / 5);
        }
    });
    takes_the_timeout(|| client.call(Put::of("x")).unwrap_err());
    drop(client);
    dribble.join().unwrap();
}

#[test]
fn a_flush_into_a_peer_that_never_reads_takes_no_longer_than_the_reply_may() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = client(&listener, 1);
    let _deaf = listener.accept().unwrap();
    takes_the_timeout(|| client.call(Put::of(vec![0; 16 << 20])).unwrap_err());
}

#[test]
fn a_call_over_records_is_a_call_and_ends_in_order() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = client(&listener, 3);
    let (said, heard) = mpsc::channel();
    let server = thread::spawn(move || {
        let (mut server, _) = listener.accept().unwrap();
        let mut bytes = [0; 128];
        for reply in [&b"INSERTED 1\r\n"[..], b""] {
            let n = server.read(&mut bytes).unwrap();
            said.send(bytes[..n].to_vec()).unwrap();
            server.write_all(reply).unwrap();
        }
    });
    assert_eq!(client.put(0, 0, 60, "x").unwrap().id().0, 1);
    client.disconnect().unwrap();
    server.join().unwrap();
    assert_eq!(heard.iter().collect::<Vec<_>>(), [&b"put 0 0 60 1\r\nx\r\n"[..], b"quit\r\n"]);
}
