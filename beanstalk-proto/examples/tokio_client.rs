//! A client on tokio by hand: the six steps of the crate's front page, without a driver.
//!
//! `cargo run -p beanstalk-proto --example tokio_client [address]`; without an address it starts a server of its own.

use std::{error::Error, io::ErrorKind, task::Poll};

use beanstalk_proto::{
    Delete, Instant, Put, Request, ReserveWithTimeout,
    client::{Config, Connection},
};
use beanstalk_server::EmbeddedServer;
use tokio::{io::Interest, net::TcpStream, time};

struct Client {
    connection: Connection,
    stream: TcpStream,
    start: time::Instant,
}

impl Client {
    async fn connect(address: &str) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { connection: Connection::new(Config::default()), stream, start: time::Instant::now() })
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    async fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, Box<dyn Error>> {
        let mut ticket = self.connection.send(self.now(), request)?; // 1
        loop {
            let moved = self.move_bytes()?; // 2, 4
            if let Poll::Ready(result) = self.connection.poll_reply(&mut ticket) {
                return Ok(result?); // 3
            }
            if !moved {
                self.wait().await?; // 5
            }
        }
    }

    /// Writes and reads what can be, without waiting: whether that was something.
    fn move_bytes(&mut self) -> Result<bool, Box<dyn Error>> {
        let mut moved = false;
        while self.connection.wants_transmit() && !self.connection.is_ended() {
            let (pieces, count) = self.connection.transmit().io_slices::<8>();
            match self.stream.try_write_vectored(pieces.get(..count).unwrap_or_default()) {
                Ok(n) => self.connection.transmitted(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
            moved = true;
        }
        self.connection.flushed();
        match self.stream.try_read(self.connection.receive_buf()) {
            Ok(0) => self.connection.received_eof(),
            Ok(n) => self.connection.received(self.now(), n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(moved),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Waits until the stream is ready or time is up.
    async fn wait(&mut self) -> Result<(), Box<dyn Error>> {
        let interest =
            if self.connection.wants_transmit() { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let at = if self.connection.wants_read() { Some(Instant::ZERO) } else { self.connection.poll_timeout() };
        match at.map(|at| at.saturating_duration_since(self.now())) {
            None => drop(self.stream.ready(interest).await?),
            Some(left) => drop(time::timeout(left, self.stream.ready(interest)).await),
        }
        self.connection.handle_timeout(self.now());
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let own = EmbeddedServer::start()?;
    let mut client = Client::connect(&std::env::args().nth(1).unwrap_or_else(|| own.addr().into())).await?;
    println!("put job {}", client.call(Put::of("hello")).await?.id());
    if let Some(job) = client.call(ReserveWithTimeout::new(1)).await?.job() {
        println!("job {} is {:?}", job.id, job.text()?);
        client.call(Delete::new(job.id)).await?;
    }
    client.connection.close(client.now()); // 6
    while client.connection.poll_closed().is_pending() {
        if !client.move_bytes()? {
            client.wait().await?;
        }
    }
    Ok(())
}
