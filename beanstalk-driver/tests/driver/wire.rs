//! A transport in memory with a scripted server behind it.

use std::{
    collections::VecDeque,
    io, mem,
    panic::resume_unwind,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
};

use beanstalk_driver::{Block, Driver, PollTransport};
use beanstalk_proto::{
    Command, Error, Instant, Job, JobId, Kind, Lost, Peek, Reply, Segments,
    client::{Config, Connection},
    server,
    server::Event,
};

use crate::{
    executor::{polls, settle},
    replies::reply_to,
};

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
    /// The server answers nothing.
    pub(crate) silent: bool,
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
    /// How often a write that found no room might have waited for it, although the last read had found something.
    pub(crate) waits_for_room: usize,
    just_read: bool,
    /// The server has closed, and the client has read so far.
    pub(crate) closed: bool,
    end_told: bool,
    pub(crate) now: Instant,
    timer: Option<Instant>,
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
            silent: false,
            unanswered: None,
            script: Vec::new(),
            ready: VecDeque::new(),
            held: Vec::new(),
            lost: Vec::new(),
            commands: Vec::new(),
            writes: 0,
            waits_for_room: 0,
            just_read: false,
            closed: false,
            end_told: false,
            now: Instant::from_nanos(1),
            timer: None,
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

    /// The server hangs up.
    pub(crate) fn hang_up(&self) {
        let mut world = self.world();
        world.closed = true;
        world.wake();
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.world().commands.iter().filter(|command| command.kind() == kind).count()
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

impl PollTransport for Wire {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, _: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut world = self.world();
        if mem::take(&mut world.read_panics) {
            drop(world);
            resume_unwind(Box::new("as it was told"));
        }
        world.turn();
        if world.outbox.is_empty() {
            if world.read_fails {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            // It says so once.
            if world.closed && !mem::replace(&mut world.end_told, true) {
                return Poll::Ready(Ok(0));
            }
            world.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if world.yields && world.read_at == polls() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        world.read_at = polls();
        let n = if world.yields { 1 } else { buf.len().min(world.outbox.len()) };
        buf.iter_mut().zip(world.outbox.drain(..n)).for_each(|(to, from)| *to = from);
        world.just_read = true;
        world.turn();
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, block: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        let mut world = self.world();
        if mem::take(&mut world.write_panics) {
            drop(world);
            resume_unwind(Box::new("as it was told"));
        }
        if world.write_fails {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = world.capacity.saturating_sub(world.inbox.len());
        let just_read = mem::take(&mut world.just_read);
        if room == 0 {
            world.waits_for_room += usize::from(just_read && block != Block::No);
            world.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let trickles = world.yields && !world.writes_whole;
        if trickles && world.written_at == polls() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        world.written_at = polls();
        if world.writes_whole {
            world.read_at = polls();
        }
        let bytes: Vec<u8> = segments.flatten().copied().take(if trickles { 1 } else { room }).collect();
        world.inbox.extend(&bytes);
        world.writes += 1;
        world.turn();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
        let mut world = self.world();
        if world.flush_fails {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if world.flush_blocked {
            return Poll::Pending;
        }
        if world.yields && !world.writes_whole && world.flushed_at == polls() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        world.flushed_at = polls();
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut world = self.world();
        world.server.received_eof();
        world.turn();
        // As beanstalkd: a reserve that waits is over.
        if world.unanswered.take().is_some() {
            world.server.respond(Reply::TimedOut);
            world.turn();
        }
        Poll::Ready(Ok(()))
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    fn now(&self) -> Instant {
        self.world().now
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let wire = self.clone();
        move || wire.world().now
    }

    fn set_timer(&mut self, at: Instant) {
        self.world().timer = Some(at);
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut world = self.world();
        let at = world.timer.expect("polled a timer that was not set");
        if world.now >= at {
            world.timer = None;
            return Poll::Ready(());
        }
        world.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
