//! A transport in memory with a scripted server behind it.

mod transport;

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
    time::Duration,
};

use beanstalk_driver::{Block, Driver};
use beanstalk_proto::{
    Command, Instant, Job, JobId, Kind, Peek, Reply,
    client::{Config, Connection},
    server,
    server::Event,
};

use crate::{executor::settle, replies::reply_to};

/// One end of it; the world behind it is shared, so that a test can look in and meddle.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Mutex<World>>);

pub(crate) struct World {
    server: server::Connection,
    /// Bytes that the client wrote and the server has not read, and the other way round.
    inbox: VecDeque<u8>,
    outbox: VecDeque<u8>,
    /// How many bytes each of them holds.
    pub(crate) capacity: usize,
    /// A byte in each direction, or a flush, for every poll of the task; then Pending, with a wake.
    pub(crate) yields: bool,
    /// But what the client writes is taken at once nevertheless, and nothing is read in that poll.
    pub(crate) writes_whole: bool,
    /// The polls of the task in which that happened last.
    read_at: usize,
    written_at: usize,
    flushed_at: usize,
    /// A flush never completes.
    pub(crate) flush_blocked: bool,
    /// The next write, flush or read fails.
    pub(crate) write_fails: bool,
    pub(crate) flush_fails: bool,
    /// The next write or read panics.
    pub(crate) write_panics: bool,
    pub(crate) read_panics: bool,
    pub(crate) read_fails: bool,
    /// It does so as one side refuses the other.
    pub(crate) refuses: bool,
    /// The server answers nothing.
    pub(crate) silent: bool,
    /// But it does again once so many reads have found nothing.
    pub(crate) silent_reads: Option<usize>,
    unanswered: Option<Command>,
    /// Replies to give instead of the usual ones.
    pub(crate) script: Vec<(Kind, Reply)>,
    /// Jobs for whoever reserves next.
    ready: VecDeque<Job>,
    /// Jobs that a reserve was answered with, and that were not given back.
    pub(crate) held: Vec<JobId>,
    /// Jobs whose time to run was over.
    pub(crate) lost: Vec<JobId>,
    pub(crate) commands: Vec<Command>,
    pub(crate) writes: usize,
    /// How long the last read might have blocked.
    pub(crate) read_block: Block,
    /// Each write takes no more than so many bytes, and so long.
    pub(crate) write_takes: (usize, Duration),
    /// How often a write that found no room might have waited for it, although the last read had found something.
    pub(crate) waits_for_room: usize,
    just_read: bool,
    /// The server has closed, and the client has read so far.
    pub(crate) closed: bool,
    /// The end can be read again and again, as that of a socket.
    pub(crate) end_stays: bool,
    ends_read: usize,
    pub(crate) now: Instant,
    timer: Option<Instant>,
    pub(crate) timers_set: usize,
    waker: Option<Waker>,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(World {
            server: server::Connection::new(server::Config { max_job_size: 1 << 20, ..server::Config::default() }),
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            capacity: usize::MAX,
            yields: false,
            writes_whole: false,
            read_at: 0,
            written_at: 0,
            flushed_at: 0,
            flush_blocked: false,
            write_fails: false,
            flush_fails: false,
            write_panics: false,
            read_panics: false,
            read_fails: false,
            refuses: false,
            silent: false,
            silent_reads: None,
            unanswered: None,
            script: Vec::new(),
            ready: VecDeque::new(),
            held: Vec::new(),
            lost: Vec::new(),
            commands: Vec::new(),
            writes: 0,
            read_block: Block::No,
            write_takes: (usize::MAX, Duration::ZERO),
            waits_for_room: 0,
            just_read: false,
            closed: false,
            end_stays: false,
            ends_read: 0,
            now: Instant::from_nanos(1),
            timer: None,
            timers_set: 0,
            waker: None,
        })))
    }

    /// One that yields before every byte.
    pub(crate) fn yielding() -> Self {
        let wire = Self::new();
        wire.world().yields = true;
        wire
    }

    pub(crate) fn driver(&self) -> Driver<Self> {
        self.driver_with(Config::default())
    }

    pub(crate) fn driver_with(&self, config: Config) -> Driver<Self> {
        Driver::new(Connection::new(config), self.clone())
    }

    pub(crate) fn time(&self) -> Instant {
        self.world().now
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// A job becomes ready; a waiting reserve gets it.
    pub(crate) fn offer(&self, id: u64) {
        let mut world = self.world();
        world.ready.push_back(Job { id: JobId(id), body: format!("job {id}").into() });
        world.turn();
        world.wake();
    }

    /// The reserve that waits gets no job.
    pub(crate) fn time_out(&self) {
        let mut world = self.world();
        world.script.push((Kind::ReserveWithTimeout, Reply::TimedOut));
        world.turn();
        world.wake();
    }

    /// The server begins to answer again.
    pub(crate) fn speak(&self) {
        let mut world = self.world();
        world.silent = false;
        world.turn();
        world.wake();
    }

    /// The server answers the command that it has read, and no other.
    pub(crate) fn speak_once(&self) {
        let mut world = self.world();
        world.silent = false;
        world.answer_pending();
        world.silent = true;
        world.turn();
        world.wake();
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut world = self.world();
        world.now = world.now + by;
        world.wake();
    }

    /// Sends a request that has to wait, so that the timer is set for it, and gets its reply half a second later.
    pub(crate) fn set_the_timer(&self, driver: &mut Driver<Self>) {
        self.world().silent = true;
        let mut call = pin!(driver.call(Peek::new(1)));
        assert!(settle(call.as_mut()).is_none());
        self.advance(Duration::from_millis(500));
        self.speak();
        assert!(settle(call.as_mut()).unwrap().is_ok());
    }

    /// The server sends this, whatever it has read.
    pub(crate) fn say(&self, bytes: &[u8]) {
        let mut world = self.world();
        world.outbox.extend(bytes);
        world.wake();
    }

    /// The server hangs up.
    pub(crate) fn hang_up(&self) {
        let mut world = self.world();
        world.closed = true;
        world.wake();
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.world().commands.iter().filter(|command| command.kind() == kind).count()
    }

    /// How many lines were written that the server has not read.
    pub(crate) fn unread(&self) -> usize {
        self.world().inbox.iter().filter(|byte| **byte == b'\n').count()
    }
}

impl World {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Moves everything on the server's side as far as it goes.
    fn turn(&mut self) {
        loop {
            let mut moved = false;
            // As beanstalkd: what is behind an unanswered command stays with the system.
            while self.server.wants_input() && !self.server.is_unanswered() {
                let Some(byte) = self.inbox.pop_front() else { break };
                self.server.receive_buf()[0] = byte;
                self.server.received(1);
                moved = true;
                self.take_events();
            }
            self.take_events();
            moved |= self.answer_pending();
            let room = self.capacity.saturating_sub(self.outbox.len());
            let bytes: Vec<u8> = self.server.transmit().flatten().copied().take(room).collect();
            self.server.transmitted(bytes.len());
            moved |= !bytes.is_empty();
            self.outbox.extend(bytes);
            if !moved {
                return;
            }
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Command(command) => {
                    self.commands.push(command.clone());
                    self.unanswered = Some(command);
                    self.answer_pending();
                }
                Event::Refused(refused) => self.server.respond(refused.reply.clone()),
                Event::HalfClosed => self.silent = false,
                Event::Closed => self.closed = true,
                Event::PutAnnounced { .. } => {}
            }
        }
    }

    fn answer_pending(&mut self) -> bool {
        let Some(command) = self.unanswered.take() else { return false };
        let reply = if self.silent { None } else { self.reply_to(&command) };
        match reply {
            Some(reply) => {
                if let Reply::Reserved(job) = &reply {
                    self.held.push(job.id);
                }
                self.server.respond(reply);
                true
            }
            None => {
                self.unanswered = Some(command);
                false
            }
        }
    }

    fn reply_to(&mut self, command: &Command) -> Option<Reply> {
        if let Some(at) = self.script.iter().position(|(kind, _)| *kind == command.kind()) {
            return Some(self.script.remove(at).1);
        }
        match command {
            Command::Reserve => self.ready.pop_front().map(Reply::Reserved),
            Command::ReserveWithTimeout { timeout } => match self.ready.pop_front() {
                Some(job) => Some(Reply::Reserved(job)),
                None if *timeout == 0 => Some(Reply::TimedOut),
                None => None,
            },
            Command::Touch { id } if self.lost.contains(id) => Some(Reply::NotFound),
            command => Some(reply_to(command)),
        }
    }
}
