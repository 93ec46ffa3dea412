//! A proxy for one client: it counts commands, refuses to delete, and passes on commands it does not recognise.
//!
//! `cargo run -p beanstalk-proto --example proxy [server]`; without a server's address it starts one, sends some commands, and ends.

use std::{
    collections::BTreeMap,
    error::Error,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    task::Poll,
    thread,
};

use beanstalk_proto::{
    Command, Instant, Kind, Raw, Reply, Request, client,
    server::{self, Event},
};
use beanstalk_server::EmbeddedServer;

/// Where the commands go. It waits for each reply, however long that takes; the other examples show how to keep time.
struct Upstream {
    connection: client::Connection,
    stream: TcpStream,
}

impl Upstream {
    fn call(&mut self, request: impl Request) -> Result<Reply, Box<dyn Error>> {
        // Error replies are passed on like any other.
        let mut ticket = self.connection.send(Instant::ZERO, request)?.untyped();
        while self.connection.wants_transmit() {
            let n = self.stream.write(self.connection.transmit().next().unwrap_or_default())?;
            self.connection.transmitted(n);
        }
        self.connection.flushed();
        loop {
            match self.connection.poll_reply(&mut ticket) {
                Poll::Ready(reply) => return Ok(reply?),
                Poll::Pending => match self.stream.read(self.connection.receive_buf())? {
                    0 => self.connection.received_eof(),
                    n => self.connection.received(Instant::ZERO, n),
                },
            }
        }
    }
}

fn run(mut client: TcpStream, mut upstream: Upstream) -> Result<BTreeMap<Kind, u32>, Box<dyn Error>> {
    let mut counts = BTreeMap::new();
    let mut connection = server::Connection::new(server::Config::default());
    loop {
        while let Some(event) = connection.poll_event() {
            let reply = match event {
                Event::Command(command) => {
                    let count: &mut u32 = counts.entry(command.kind()).or_default();
                    *count = count.saturating_add(1);
                    match command {
                        Command::Delete { .. } => Reply::NotFound,
                        command => upstream.call(command)?,
                    }
                }
                // Perhaps the server has it. A reply with a body would need `reply_has_body`.
                Event::Refused(refused) if refused.reply == Reply::UnknownCommand => {
                    upstream.call(Raw::new(String::from_utf8(refused.line)?))?
                }
                Event::Refused(refused) => refused.reply,
                Event::PutAnnounced { .. } | Event::HalfClosed => continue,
                Event::Closed => return Ok(counts),
            };
            connection.respond(reply);
        }
        while connection.wants_transmit() {
            let n = client.write(connection.transmit().next().unwrap_or_default())?;
            connection.transmitted(n);
        }
        if connection.wants_input() {
            match client.read(connection.receive_buf())? {
                0 => connection.received_eof(),
                n => connection.received(n),
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let own = EmbeddedServer::start()?;
    let stream = TcpStream::connect(std::env::args().nth(1).unwrap_or_else(|| own.addr().into()))?;
    let upstream = Upstream { connection: client::Connection::new(client::Config::default()), stream };
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let said = thread::spawn(move || {
        client.write_all(b"put 0 0 60 5\r\nhello\r\nfreeze 1\r\ndelete 1\r\npeek 1\r\nquit\r\n")?;
        io::read_to_string(client)
    });
    println!("{:?}", run(listener.accept()?.0, upstream)?);
    println!("{}", said.join().map_err(|_| "the client panicked")??);
    Ok(())
}
