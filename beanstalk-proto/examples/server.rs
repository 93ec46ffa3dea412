//! A server of three commands over `TcpListener`, a thread for each connection.
//!
//! `cargo run -p beanstalk-proto --example server [address]`; without an address it listens on a port of its own, serves one client, and ends.

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Mutex, PoisonError},
    thread,
};

use beanstalk_proto::{
    Command, Job, JobId, Reply,
    server::{Config, Connection, Event},
};

#[derive(Default)]
struct Queue {
    last: u64,
    ready: VecDeque<JobId>,
    jobs: BTreeMap<JobId, Vec<u8>>,
}

impl Queue {
    fn run(&mut self, command: Command) -> Reply {
        match command {
            Command::Put { body, .. } => {
                self.last = self.last.wrapping_add(1);
                let id = JobId(self.last);
                self.jobs.insert(id, body);
                self.ready.push_back(id);
                Reply::Inserted(id)
            }
            // It does not wait. Nor does it give a job back: that, and all the rest, is in beanstalk-server.
            Command::Reserve | Command::ReserveWithTimeout { .. } => match self.ready.pop_front() {
                Some(id) => Reply::Reserved(Job { id, body: self.jobs.get(&id).cloned().unwrap_or_default() }),
                None => Reply::TimedOut,
            },
            Command::Delete { id } if self.jobs.remove(&id).is_some() => Reply::Deleted,
            Command::Delete { .. } => Reply::NotFound,
            _ => Reply::UnknownCommand,
        }
    }
}

fn serve(mut stream: TcpStream, queue: &Mutex<Queue>) -> io::Result<()> {
    let mut connection = Connection::new(Config::default());
    loop {
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Command(command) => {
                    let reply = queue.lock().unwrap_or_else(PoisonError::into_inner).run(command);
                    connection.respond(reply);
                }
                Event::Refused(refused) => connection.respond(refused.reply),
                Event::PutAnnounced { .. } | Event::HalfClosed => {}
                Event::Closed => return Ok(()),
            }
        }
        while connection.wants_transmit() {
            let n = stream.write(connection.transmit().next().unwrap_or_default())?;
            connection.transmitted(n);
        }
        if connection.wants_input() {
            match stream.read(connection.receive_buf())? {
                0 => connection.received_eof(),
                n => connection.received(n),
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let queue = Mutex::new(Queue::default());
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0"))?;
    println!("listening on {}", listener.local_addr()?);
    thread::scope(|scope| {
        if address.is_some() {
            for stream in listener.incoming() {
                let queue = &queue;
                scope.spawn(move || serve(stream?, queue));
            }
        }
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        let (stream, _) = listener.accept()?;
        scope.spawn(|| serve(stream, &queue));
        client.write_all(b"put 0 0 60 5\r\nhello\r\nreserve\r\ndelete 1\r\nstats\r\nquit\r\n")?;
        println!("{}", io::read_to_string(client)?);
        Ok(())
    })
}
