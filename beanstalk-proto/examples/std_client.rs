//! A blocking client by hand: the six steps of the crate's front page, over a `TcpStream`.
//!
//! `cargo run -p beanstalk-proto --example std_client [address]`; without an address it starts a server of its own.

use std::{
    error::Error,
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    task::Poll,
    time::{self, Duration},
};

use beanstalk_proto::{
    Delete, Instant, Put, Request, ReserveWithTimeout,
    client::{Config, Connection},
};
use beanstalk_server::EmbeddedServer;

struct Client {
    connection: Connection,
    stream: TcpStream,
    start: time::Instant,
}

impl Client {
    fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { connection: Connection::new(Config::default()), stream, start: time::Instant::now() })
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, Box<dyn Error>> {
        let mut ticket = self.connection.send(self.now(), request)?; // 1
        loop {
            self.write()?; // 2
            if let Poll::Ready(result) = self.connection.poll_reply(&mut ticket) {
                return Ok(result?); // 3
            }
            self.read()?; // 4, 5
        }
    }

    /// How long the transport may block. To a socket, a timeout of zero means none.
    fn patience(&self) -> Option<Duration> {
        let at = if self.connection.wants_read() { Some(Instant::ZERO) } else { self.connection.poll_timeout() };
        at.map(|at| at.saturating_duration_since(self.now()).max(Duration::from_millis(1)))
    }

    fn write(&mut self) -> io::Result<()> {
        while self.connection.wants_transmit() && !self.connection.is_ended() {
            self.stream.set_write_timeout(self.patience())?;
            let (pieces, count) = self.connection.transmit().io_slices::<8>();
            match self.stream.write_vectored(pieces.get(..count).unwrap_or_default()) {
                Ok(0) => self.connection.received_eof(),
                Ok(n) => self.connection.transmitted(n),
                Err(error) if is_timeout(&error) => return Ok(()), // it may have to be read from first
                Err(error) => return Err(error),
            }
        }
        self.connection.flushed();
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(self.patience())?;
        match self.stream.read(self.connection.receive_buf()) {
            Ok(0) => self.connection.received_eof(),
            Ok(n) => self.connection.received(self.now(), n),
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
        self.connection.handle_timeout(self.now());
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn main() -> Result<(), Box<dyn Error>> {
    let own = EmbeddedServer::start()?;
    let mut client = Client::connect(&std::env::args().nth(1).unwrap_or_else(|| own.addr().into()))?;
    println!("put job {}", client.call(Put::of("hello"))?.id());
    if let Some(job) = client.call(ReserveWithTimeout::new(1))?.job() {
        println!("job {} is {:?}", job.id, job.text()?);
        client.call(Delete::new(job.id))?;
    }
    client.connection.close(client.now()); // 6
    while client.connection.poll_closed().is_pending() {
        client.write()?;
        client.read()?;
    }
    Ok(())
}
