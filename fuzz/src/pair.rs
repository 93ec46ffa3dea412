//! A client and a server connection, joined by two pipes that carry a few bytes at a time: every request gets the reply that the
//! server gave to it and no other, whoever gave up waiting meanwhile; no job is delivered twice, and none gets lost. One that
//! arrived while nobody waited for it is handed out only after the server has answered TOUCHED. The client closes in the end, or in the
//! middle of it, by a `quit` or by its half of the pipe, and the server learns of that at once.
//!
//! The server's answers are numbered, so a reply shows which command it was for. What the client's core does by itself (it takes
//! over a reserve that waits, confirms a job with `touch`) is distinguished from what was asked for by the ids of jobs.

mod answers;
mod ending;
mod jobs;

use std::{task::Poll, time::Duration};

use beanstalk_proto::{
    Command, CommandError, Error, Instant, Kind, Lost, Reply, client,
    server::{self, Event},
};

use self::{answers::answer_to, jobs::Jobs};
use crate::{drive::Pipe, r#gen, source::Source};

/// Ids of jobs that are delivered start here; commands are about others.
const JOBS: u64 = 1 << 40;
/// Ids that are asked for with reserve-job start here, each once, and no `touch` that is asked for is about them.
const ASKED_FOR: u64 = 1 << 39;
const MOST_STEPS: usize = 2000;

pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let mut pair = Pair::new(&mut source);
    let mut steps = 0;
    while !source.is_empty() && steps < MOST_STEPS {
        pair.step(&mut source);
        steps += 1;
    }
    pair.finish();
}

type Ticket = client::Ticket<Reply>;

/// What a ticket is for.
enum Asked {
    /// A reserve of any kind: any job, or none.
    Reserve,
    /// A command, the so many-th of those that are not reserves.
    Other(usize),
}

struct Pair {
    client: client::Connection,
    server: server::Connection,
    /// Bytes on their way.
    to_server: Pipe,
    to_client: Pipe,
    tickets: Vec<(Ticket, Asked)>,
    /// Commands that are not reserves: what was asked, and once it was answered, how.
    others: Vec<(Command, Option<Reply>)>,
    /// How many of them the server has read.
    read: usize,
    /// What the server has read and not answered.
    unanswered: Option<Command>,
    /// The jobs that were given away.
    jobs: Jobs,
    /// How many bytes the server has written, and the client read.
    server_wrote: usize,
    client_read: usize,
    limit: usize,
    /// Whether the client ends its half of the pipe instead of quitting, and whether it has.
    half_closes: bool,
    closing: bool,
    half_closed: bool,
    quit: bool,
    now: Instant,
}

impl Pair {
    fn new(source: &mut Source<'_>) -> Self {
        let limit = source.pick(&[16 << 20, 5000, 20]);
        let limits = client::Limits { reply_body: limit, in_flight: 50, ..client::Limits::default() };
        let config = server::Config {
            max_job_size: 1 << 20,
            max_backlog: source.pick(&[0, 100, 1 << 18]),
            ..server::Config::default()
        };
        Self {
            client: client::Connection::new(client::Config { limits, ..client::Config::default() }),
            server: server::Connection::new(config),
            to_server: Pipe::default(),
            to_client: Pipe::default(),
            tickets: Vec::new(),
            others: Vec::new(),
            read: 0,
            unanswered: None,
            jobs: Jobs::default(),
            server_wrote: 0,
            client_read: 0,
            limit,
            half_closes: source.bool(),
            closing: false,
            half_closed: false,
            quit: false,
            now: Instant::ZERO,
        }
    }

    fn step(&mut self, source: &mut Source<'_>) {
        match source.below(16) {
            0..4 => self.send(source),
            4 => {
                if !self.tickets.is_empty() {
                    let (ticket, _) = self.tickets.swap_remove(source.below(self.tickets.len()));
                    self.client.abandon(ticket);
                }
            }
            5 => self.pass_time(source),
            6 | 7 => self.poll(source),
            8 => match source.u8() {
                0..8 if self.half_closes => self.close(),
                _ => self.take_orphaned(),
            },
            9 | 10 => self.answer(source.u8()),
            11..13 => self.client_writes(usize::from(source.u8())),
            13 => self.server_writes(usize::from(source.u8())),
            14 => self.server_reads(usize::from(source.u8())),
            _ => self.client_reads(usize::from(source.u8())),
        }
    }

    fn send(&mut self, source: &mut Source<'_>) {
        // Half of the time a reserve, as that is where things happen.
        let kind = match source.u8() {
            0..90 => Kind::Reserve,
            90..128 => Kind::ReserveWithTimeout,
            other => Kind::ALL[usize::from(other) % Kind::ALL.len()],
        };
        let mut command = r#gen::command(kind, source);
        match &mut command {
            // Once, in the end.
            Command::Quit => return,
            Command::ReserveWithTimeout { timeout } => *timeout /= 2,
            Command::Touch { id } => id.0 %= ASKED_FOR,
            Command::ReserveJob { id } => id.0 = ASKED_FOR + self.others.len() as u64,
            _ => {}
        }
        match self.client.send(self.now, command.clone()) {
            Ok(ticket) if is_reserve(&command) => self.tickets.push((ticket, Asked::Reserve)),
            Ok(ticket) => {
                self.tickets.push((ticket, Asked::Other(self.others.len())));
                self.others.push((command, None));
            }
            Err(Error::ReserveWaiting | Error::Full(_)) => {}
            Err(Error::Closed { lost: Lost::NotSent }) if self.closing => {}
            Err(error) => panic!("{error}"),
        }
        assert!(self.client.in_flight() <= 2 * 50, "{} in flight", self.client.in_flight());
    }

    /// Nothing is read, so that what is due becomes late: once a read was asked for, and another for bytes that came.
    fn pass_time(&mut self, source: &mut Source<'_>) {
        // How long the server may take to close is not what this is about.
        if self.closing {
            return;
        }
        self.now = self.now + Duration::from_millis(source.below(8000) as u64);
        for _ in 0..4 {
            if self.client.poll_timeout().is_none_or(|at| at > self.now) {
                return;
            }
            self.client.handle_timeout(self.now);
        }
        panic!("what is due does not become late");
    }

    fn poll(&mut self, source: &mut Source<'_>) {
        if self.tickets.is_empty() {
            return;
        }
        let at = source.below(self.tickets.len());
        let ready = self.client.is_ready(self.tickets[at].0.id());
        let polled = self.client.poll_reply(&mut self.tickets[at].0);
        assert_eq!(polled.is_ready(), ready, "it is taken for ready, and is not, or the other way round");
        if let Poll::Ready(result) = polled {
            let (mut ticket, asked) = self.tickets.swap_remove(at);
            assert!(matches!(self.client.poll_reply(&mut ticket), Poll::Ready(Err(Error::Ticket(_)))), "a reply twice");
            self.check(result, &asked);
        }
    }

    /// The result of a request against what the server answered.
    fn check(&mut self, result: Result<Reply, Error>, asked: &Asked) {
        if let Err(Error::TimedOut { lost: Lost::Unknown, .. }) = result {
            assert!(self.now > Instant::ZERO, "late, and no time has passed");
            return;
        }
        let Asked::Other(n) = *asked else { return self.check_reserve(result) };
        let (command, answer) = &self.others[n];
        let Some(answer) = answer else { panic!("{result:?} for {command:?}, which was not answered") };
        match result {
            Ok(reply) => {
                assert_eq!(reply, *answer, "for {command:?}");
                if let Reply::Reserved(job) = &reply {
                    self.jobs.deliver(job);
                }
            }
            Err(Error::Command { error, .. }) => assert_eq!(error, CommandError::from(answer), "for {command:?}"),
            Err(Error::ReplyTooBig { bytes, limit, id, .. }) => {
                let body = answer.body().expect("only a body is too big");
                assert_eq!((bytes, limit), (body.len() as u64, self.limit));
                assert!(body.len() > self.limit);
                assert!(matches!((answer, id), (Reply::Ok(_), None) | (_, Some(_))));
                if let Reply::Reserved(job) = answer {
                    self.jobs.too_big(job.id);
                }
            }
            Err(error) => panic!("{error} for {command:?}, which the server answered with {answer:?}"),
        }
    }

    fn check_reserve(&mut self, result: Result<Reply, Error>) {
        match result {
            Ok(Reply::Reserved(job)) => self.jobs.hand_over(&job),
            Ok(Reply::TimedOut | Reply::DeadlineSoon) => {}
            Err(Error::ReplyTooBig { id: Some(id), bytes, .. }) => {
                assert!(bytes > self.limit as u64);
                self.jobs.too_big(id);
            }
            Err(Error::Command { error: CommandError::OutOfMemory, .. }) => {}
            other => panic!("{other:?} for a reserve"),
        }
    }

    fn take_orphaned(&mut self) {
        for job in self.client.take_orphaned() {
            self.jobs.deliver(&job);
        }
    }

    /// The server answers what it has read, if it has read anything.
    fn answer(&mut self, how: u8) {
        let Some(command) = self.unanswered.take() else { return };
        let written = self.server_wrote + self.server.backlog();
        let reply = match &command {
            command if is_reserve(command) => match how {
                0..20 => Reply::TimedOut,
                20..30 => Reply::DeadlineSoon,
                30..34 => Reply::OutOfMemory,
                _ => self.jobs.reserve(written),
            },
            Command::Touch { id } if Jobs::concerns(*id) => match how {
                0..50 => {
                    self.jobs.confirm(*id, false);
                    Reply::NotFound
                }
                50..60 => Reply::OutOfMemory,
                _ => {
                    self.jobs.confirm(*id, true);
                    Reply::Touched
                }
            },
            command => {
                let reply = answer_to(command, self.read as u64, how);
                if let (Command::ReserveJob { id }, Reply::Reserved(_)) = (command, &reply) {
                    self.jobs.give_asked(*id, self.read - 1, self.read as u64, &reply, written);
                }
                self.others[self.read - 1].1 = Some(reply.clone());
                reply
            }
        };
        self.server.respond(reply);
        self.serve();
    }

    /// Takes what the server has read.
    fn serve(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Command(command) => {
                    // The core's own, to see whether a job is still theirs.
                    let own_touch = matches!(command, Command::Touch { id } if Jobs::concerns(id));
                    if !is_reserve(&command) && !own_touch {
                        assert_eq!(command, self.others[self.read].0, "not what was asked");
                        self.read += 1;
                    }
                    self.unanswered = Some(command);
                }
                Event::PutAnnounced { too_big } => assert!(!too_big),
                Event::HalfClosed => assert!(self.half_closed && !std::mem::replace(&mut self.quit, true)),
                Event::Closed => assert!(self.quit || self.half_closes),
                Event::Refused(refused) => panic!("{refused:?}, although a client said it"),
            }
        }
    }

    fn client_writes(&mut self, most: usize) {
        let n = self.to_server.write(self.client.transmit(), most);
        self.client.transmitted(n);
        if self.client.wants_flush() {
            self.client.flushed();
        }
        self.client_half_closes();
    }

    fn server_writes(&mut self, most: usize) {
        let n = self.to_client.write(self.server.transmit(), most);
        self.server.transmitted(n);
        self.server_wrote += n;
        self.serve();
    }

    fn server_reads(&mut self, most: usize) {
        if !self.server.wants_input() {
            return;
        }
        let buf = self.server.receive_buf();
        let room = most.min(buf.len());
        let n = self.to_server.read(&mut buf[..room]);
        self.server.received(n);
        self.serve();
        self.client_half_closes();
    }

    fn close(&mut self) {
        self.client.close(self.now);
        self.closing = true;
    }

    /// The client ends its half, behind everything that it wrote, and the server learns of that although it owes an answer.
    fn client_half_closes(&mut self) {
        if self.client.wants_half_close() {
            assert!(!self.half_closed, "closed twice");
            self.client.half_closed();
            self.half_closed = true;
        }
        if self.half_closed && self.to_server.is_empty() && !self.quit {
            self.server.received_eof();
            self.serve();
            assert!(self.quit, "told late of the end");
        }
    }

    fn client_reads(&mut self, most: usize) {
        let buf = self.client.receive_buf();
        let room = most.min(buf.len());
        let n = self.to_client.read(&mut buf[..room]);
        self.client.received(self.now, n);
        assert!(!self.client.is_ended(), "poisoned by an honest server");
        self.client_read += n;
        let tickets = &self.tickets;
        self.jobs.arrive(self.client_read, |for_command| {
            tickets.iter().any(|(_, asked)| match asked {
                Asked::Reserve => for_command.is_none(),
                Asked::Other(n) => for_command == Some(*n),
            })
        });
    }
}

fn is_reserve(command: &Command) -> bool {
    matches!(command, Command::Reserve | Command::ReserveWithTimeout { .. })
}
