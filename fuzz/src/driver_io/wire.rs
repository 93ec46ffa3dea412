//! A transport that does anything, and an honest server behind it.

use std::{
    cell::{RefCell, RefMut},
    panic::{self, PanicHookInfo},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use beanstalk_driver::{Block, PollTransport};
use beanstalk_proto::{
    Command, Error, Instant, Job, JobId, Lost, Priority, Reply, Segments,
    server::{self, Event},
};

use crate::{
    drive::Pipe,
    source::{Source, pattern},
};

/// The delay of a put with a large body.
pub(super) const LARGE: u32 = 1;

/// Transport calls in a poll of a future that nothing keeps waiting. Every byte may take one of its own.
const MOST_CALLS: usize = 400_000;

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send>;

pub(super) struct World<'a> {
    pub(super) source: Source<'a>,
    server: server::Connection,
    to_server: Pipe,
    to_client: Pipe,
    unanswered: Option<Command>,
    /// Reserves get no job.
    pub(super) no_jobs: bool,
    jobs: u64,
    /// The last number that a command had, as the server saw it.
    seen: u32,
    /// No more is done to what passes: the end is coming.
    pub(super) honest: bool,
    /// Bytes went the client's way that no server sent.
    pub(super) garbled: bool,
    /// The stream has ended, failed, lied or panicked.
    pub(super) broken: bool,
    /// It reported more than there was room for, or panicked.
    pub(super) misused: bool,
    /// What the hook for panics was, while one is expected.
    hook: Option<Hook>,
    /// Of this poll of a future.
    pub(super) read_pending: bool,
    pub(super) timer_pending: bool,
    pub(super) calls: usize,
    pub(super) written: usize,
    half_closed: bool,
    now: Arc<AtomicU64>,
    timer: Option<Instant>,
}

#[derive(Clone)]
pub(super) struct Wire<'a>(pub(super) Rc<RefCell<World<'a>>>);

/// What becomes of a call of the transport.
enum Chance {
    /// So many bytes, at most.
    Some(usize),
    Pending,
    End,
    Fail,
    TooMany,
    Panic,
    Garbage,
}

impl<'a> Wire<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        let config = server::Config { max_job_size: 1 << 20, ..server::Config::default() };
        Self(Rc::new(RefCell::new(World {
            source,
            server: server::Connection::new(config),
            to_server: Pipe::default(),
            to_client: Pipe::default(),
            unanswered: None,
            no_jobs: false,
            jobs: 0,
            seen: 0,
            honest: false,
            garbled: false,
            broken: false,
            misused: false,
            hook: None,
            read_pending: false,
            timer_pending: false,
            calls: 0,
            written: 0,
            half_closed: false,
            now: Arc::new(AtomicU64::new(1)),
            timer: None,
        })))
    }

    pub(super) fn advance(&self, millis: u64) {
        self.0.borrow().now.fetch_add(millis * 1_000_000, Ordering::Relaxed);
    }

    /// The timer goes off.
    pub(super) fn pass_to_timer(&self) {
        let world = self.0.borrow();
        let at = world.timer.expect("a timer that was set");
        world.now.store(at.as_nanos(), Ordering::Relaxed);
    }

    /// Puts back what is done about panics, if one was expected.
    pub(super) fn expect_no_panic(&self) {
        let hook = self.0.borrow_mut().hook.take();
        if let Some(hook) = hook {
            panic::set_hook(hook);
        }
    }
}

impl World<'_> {
    fn chance(&mut self) -> Chance {
        self.calls += 1;
        assert!(self.calls < MOST_CALLS, "a poll goes round in circles");
        assert!(!self.misused || self.honest, "used after it reported too much, or panicked");
        if self.honest {
            return Chance::Some(usize::MAX);
        }
        match self.source.u8() {
            0..90 => Chance::Some(usize::MAX),
            90..150 => Chance::Some(1 + self.source.below(20)),
            150..170 => Chance::Some(1000),
            170..246 => Chance::Pending,
            246 | 247 => Chance::End,
            248 | 249 => Chance::Fail,
            250 => Chance::TooMany,
            251 => Chance::Panic,
            252 | 253 => Chance::Garbage,
            _ => {
                self.now.fetch_add(1_000_000_000, Ordering::Relaxed);
                Chance::Pending
            }
        }
    }

    /// A debug assertion of the core is to find it, or its release build to end the connection.
    fn misuse(&mut self) {
        (self.misused, self.broken) = (true, true);
        if self.hook.is_none() {
            self.hook = Some(panic::take_hook());
            panic::set_hook(Box::new(|_| {}));
        }
    }

    /// Moves everything on the server's side as far as it goes.
    fn turn(&mut self) {
        loop {
            let before = (self.to_server.len(), self.to_client.len(), self.unanswered.is_some());
            if self.server.wants_input() {
                let n = self.to_server.read(self.server.receive_buf());
                self.server.received(n);
            }
            if self.half_closed && self.to_server.is_empty() {
                self.server.received_eof();
            }
            while let Some(event) = self.server.poll_event() {
                match event {
                    Event::Command(command) => self.unanswered = Some(command),
                    Event::Refused(refused) => panic!("{refused:?}, which nobody has sent"),
                    Event::PutAnnounced { .. } | Event::HalfClosed | Event::Closed => {}
                }
            }
            if let Some(reply) = self.unanswered.clone().and_then(|command| self.answer(&command)) {
                self.unanswered = None;
                self.server.respond(reply);
            }
            let n = self.to_client.write(self.server.transmit(), usize::MAX);
            self.server.transmitted(n);
            if before == (self.to_server.len(), self.to_client.len(), self.unanswered.is_some()) {
                return;
            }
        }
    }

    /// Commands have numbers, which grow.
    fn answer(&mut self, command: &Command) -> Option<Reply> {
        let n = match command {
            Command::Reserve | Command::ReserveWithTimeout { .. } if self.half_closed => return Some(Reply::TimedOut),
            Command::ReserveWithTimeout { .. } if self.no_jobs && self.source.u8() < 100 => {
                return Some(Reply::TimedOut);
            }
            Command::Reserve | Command::ReserveWithTimeout { .. } if self.no_jobs => return None,
            Command::Reserve | Command::ReserveWithTimeout { .. } => {
                self.jobs += 1;
                return Some(Reply::Reserved(job(self.jobs)));
            }
            Command::Touch { .. } => return Some(Reply::Touched),
            Command::Kick { bound } => *bound,
            Command::Peek { id } => u32::try_from(id.0).expect("a small number"),
            Command::Put { priority, delay, body, .. } => {
                assert!(*body == body_to_put(priority.0, *delay), "another body");
                priority.0
            }
            other => panic!("{other:?} was never sent"),
        };
        assert!(n > self.seen, "command {n} after {}: it was sent twice, or overtaken", self.seen);
        self.seen = n;
        Some(answer_to(command))
    }
}

/// What the server answers.
pub(super) fn answer_to(command: &Command) -> Reply {
    match command {
        Command::Kick { bound } => Reply::KickedCount((*bound).into()),
        Command::Put { priority: Priority(n), .. } => Reply::Inserted(JobId((*n).into())),
        Command::Peek { id } => Reply::Found(job(id.0)),
        other => unreachable!("{other:?}"),
    }
}

pub(super) fn job(n: u64) -> Job {
    Job { id: JobId(n), body: body_of(u32::try_from(n).expect("a small number")) }
}

fn body_of(n: u32) -> Vec<u8> {
    pattern(if n % 16 == 15 { 9000 } else { n as usize % 64 }, n as u8)
}

/// The delay of a put stands for the length of its body: the longest is more than a pipeline lets wait to be written.
pub(super) fn body_to_put(n: u32, delay: u32) -> Vec<u8> {
    if delay == LARGE { pattern(600_000, n as u8) } else { body_of(n) }
}

#[derive(Debug)]
pub(super) struct Broken;

/// What goes wrong with a read or a write of so many bytes at most.
fn misdeed(mut world: RefMut<'_, World<'_>>, fault: Chance, most: usize) -> Poll<Result<usize, Broken>> {
    match fault {
        Chance::End => {
            world.broken = true;
            Poll::Ready(Ok(0))
        }
        Chance::Fail => {
            world.broken = true;
            Poll::Ready(Err(Broken))
        }
        Chance::TooMany => {
            world.misuse();
            Poll::Ready(Ok(most + 1))
        }
        Chance::Panic => {
            world.misuse();
            drop(world);
            panic::resume_unwind(Box::new(Broken));
        }
        Chance::Some(_) | Chance::Pending | Chance::Garbage => unreachable!("no fault"),
    }
}

impl PollTransport for Wire<'_> {
    type Error = Broken;

    fn poll_read(&mut self, _: &mut Context<'_>, _: Block, buf: &mut [u8]) -> Poll<Result<usize, Broken>> {
        let mut world = self.0.borrow_mut();
        assert!(!buf.is_empty(), "a read that can find nothing");
        world.turn();
        let most = match world.chance() {
            Chance::Some(most) => most,
            Chance::Pending => 0,
            Chance::Garbage => {
                world.garbled = true;
                let bytes = world.source.bytes(40);
                let n = bytes.len().min(buf.len());
                if n > 0 {
                    buf[..n].copy_from_slice(&bytes[..n]);
                    return Poll::Ready(Ok(n));
                }
                0
            }
            fault => return misdeed(world, fault, buf.len()),
        };
        let room = most.min(buf.len());
        let n = world.to_client.read(&mut buf[..room]);
        if n == 0 {
            if world.server.is_closed() && world.to_client.is_empty() && most > 0 {
                return Poll::Ready(Ok(0));
            }
            world.read_pending = true;
            return Poll::Pending;
        }
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: Block, segments: Segments<'_>) -> Poll<Result<usize, Broken>> {
        let mut world = self.0.borrow_mut();
        let queued: usize = segments.clone().map(<[u8]>::len).sum();
        assert!(queued > 0, "a write of nothing");
        assert!(!world.half_closed, "written behind the end");
        let n = match world.chance() {
            Chance::Some(most) => world.to_server.write(segments, most),
            Chance::Pending | Chance::Garbage => return Poll::Pending,
            fault => return misdeed(world, fault, queued),
        };
        world.written += n;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>, _: Block) -> Poll<Result<(), Broken>> {
        let mut world = self.0.borrow_mut();
        match world.chance() {
            Chance::Pending => Poll::Pending,
            Chance::Fail => {
                world.broken = true;
                Poll::Ready(Err(Broken))
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut world = self.0.borrow_mut();
        world.half_closed = true;
        Poll::Ready(Ok(()))
    }

    fn failure(_: Broken, lost: Lost) -> Error {
        Error::Closed { lost }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.borrow().now.load(Ordering::Relaxed))
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let now = Arc::clone(&self.0.borrow().now);
        move || Instant::from_nanos(now.load(Ordering::Relaxed))
    }

    fn set_timer(&mut self, at: Instant) {
        self.0.borrow_mut().timer = Some(at);
    }

    fn poll_timer(&mut self, _: &mut Context<'_>) -> Poll<()> {
        let now = self.now();
        let mut world = self.0.borrow_mut();
        let at = world.timer.expect("a timer that was set");
        if at > now {
            world.timer_pending = true;
            return Poll::Pending;
        }
        world.timer = None;
        Poll::Ready(())
    }
}
