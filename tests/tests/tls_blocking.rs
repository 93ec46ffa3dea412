//! TLS over a blocking client's socket, by rustls: calls, a clean end, and the bound of a call whatever the peer does with its records.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test asserts what it counts on")]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use beanstalk_sync::{
    Client, Config, Error, Put, Stream, Ticket, Transport,
    rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
        pki_types::{PrivateKeyDer, ServerName},
    },
};

const TIMEOUT: Duration = Duration::from_millis(500);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(400);

/// What a program writes to use TLS: everything goes to the socket below.
struct Tls(StreamOwned<ClientConnection, Stream>);

impl Read for Tls {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Tls {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Transport for Tls {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.sock.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.sock.set_write_timeout(timeout)
    }

    fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.0.sock.set_deadline(deadline);
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        self.0.flush()?;
        self.0.sock.shutdown_write()
    }
}

/// The server's socket: what is written goes byte by byte, with a pause before each, once that is asked for.
struct Slow {
    stream: TcpStream,
    pause: Duration,
}

impl Read for Slow {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf)
    }
}

impl Write for Slow {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.pause.is_zero() {
            return self.stream.write(buf);
        }
        thread::sleep(self.pause);
        self.stream.write(buf.get(..1).unwrap_or_default())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

type Server = StreamOwned<ServerConnection, Slow>;

/// A client, and a server that does this with its end.
fn pair<R: Send + 'static>(serve: impl FnOnce(Server) -> R + Send + 'static) -> (Client<Tls>, JoinHandle<R>) {
    let certified = rcgen::generate_simple_self_signed(["queue.test".to_owned()]).unwrap();
    let (cert, key) = (certified.cert.der().clone(), certified.signing_key.serialize_der());
    let key = PrivateKeyDer::Pkcs8(key.into());
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let slow = Slow { stream, pause: Duration::ZERO };
        serve(StreamOwned::new(ServerConnection::new(Arc::new(server)).unwrap(), slow))
    });
    let socket = Stream::from(TcpStream::connect(address).unwrap());
    let connection = ClientConnection::new(Arc::new(client), ServerName::try_from("queue.test").unwrap()).unwrap();
    let config = Config { reply_timeout: Some(TIMEOUT), ..Config::default() };
    (Client::from_stream_with(Tls(StreamOwned::new(connection, socket)), config), serving)
}

fn line(server: &mut BufReader<Server>) -> String {
    let mut line = String::new();
    server.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn calls_over_tls_are_calls_and_end_in_order() {
    let (mut client, serving) = pair(|server| {
        let mut server = BufReader::new(server);
        let mut lines = vec![line(&mut server), line(&mut server)];
        server.get_mut().write_all(b"INSERTED 1\r\n").unwrap();
        lines.push(line(&mut server));
        // Closing is what answers it.
        let server = server.get_mut();
        server.conn.send_close_notify();
        server.flush().unwrap();
        lines
    });
    let timeout = Duration::from_secs(10);
    assert_eq!(client.timeout(timeout).put(0, 0, 60, "over tls").unwrap().inserted().unwrap().0, 1);
    client.disconnect().unwrap();
    assert_eq!(serving.join().unwrap(), ["put 0 0 60 8", "over tls", "quit"]);
}

#[test]
fn a_put_that_was_flushed_arrives_though_its_client_closes_at_once() {
    let (mut client, serving) = pair(|server| {
        let mut server = BufReader::new(server);
        [line(&mut server), line(&mut server)]
    });
    let _reply: Ticket<_> = client.timeout(Duration::from_secs(10)).send(Put::of("over tls")).unwrap();
    drop(client);
    assert_eq!(serving.join().unwrap(), ["put 1024 0 60 8", "over tls"]);
}

#[test]
fn a_record_that_comes_byte_by_byte_takes_no_longer_than_the_reply_may() {
    let (mut client, serving) = pair(|server| {
        let mut server = BufReader::new(server);
        line(&mut server);
        let server = server.get_mut();
        server.write_all(b"USING default\r\n").unwrap();
        // The second reply would take some seconds, and each byte is there in time.
        server.sock.pause = TIMEOUT / 5;
        let _client_gave_up = server.write_all(b"USING default\r\n");
    });
    // With the handshake.
    assert_eq!(client.timeout(Duration::from_secs(10)).list_tube_used().unwrap(), "default");
    let start = Instant::now();
    let error = client.list_tube_used().unwrap_err();
    let took = start.elapsed();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(took >= TIMEOUT && took < TIMEOUT + SLACK, "{took:?} of {TIMEOUT:?}");
    drop(client);
    serving.join().unwrap();
}
