//! The connections of that runtime, and the server at their other end.

use std::{
    fmt, io,
    task::{Context, Poll, Waker},
};

use beanstalk_driver::{Block, PollTransport};
use beanstalk_proto::{
    Command, Error, Instant, Job, JobId, Lost, Priority, Reply, Segments, TubeName,
    server::{self, Event},
};

use super::world::{Ran, Virtual, World};
use crate::drive::Pipe;

/// One connection, both ends of it.
pub(super) struct Conn {
    server: server::Connection,
    to_server: Pipe,
    to_client: Pipe,
    unanswered: Option<Command>,
    tube: TubeName,
    /// The server is gone.
    pub(super) ended: bool,
    waker: Option<Waker>,
    timer: Option<Instant>,
    timer_waker: Option<Waker>,
    /// The place of the last request that was made while this was the last connection.
    last: Option<u32>,
}

impl Default for Conn {
    fn default() -> Self {
        Self {
            server: server::Connection::new(server::Config::default()),
            to_server: Pipe::default(),
            to_client: Pipe::default(),
            unanswered: None,
            tube: TubeName::default(),
            ended: false,
            waker: None,
            timer: None,
            timer_waker: None,
            last: None,
        }
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to_server, to_client, unanswered, ended, .. } = self;
        let bytes = (to_server.len(), to_client.len());
        write!(
            f,
            "ended: {ended}, on their way: {bytes:?}, {unanswered:?}, timer: {:?}, {}",
            self.timer(),
            self.waker.is_some()
        )
    }
}

impl Conn {
    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// When its timer goes off, if somebody waits for that.
    pub(super) fn timer(&self) -> Option<Instant> {
        self.timer.filter(|_| self.timer_waker.is_some())
    }

    pub(super) fn timer_due(&mut self, now: Instant) -> Option<Waker> {
        if self.timer.is_some_and(|at| at <= now) { self.timer_waker.take() } else { None }
    }

    /// The server is gone, with what it has not run, and perhaps with what it has answered.
    pub(super) fn end(&mut self, answers_too: bool) {
        self.ended = true;
        self.to_server.clear();
        self.unanswered = None;
        if answers_too {
            self.to_client.clear();
        }
        self.wake();
    }
}

impl World {
    /// Moves everything at the server's end of a connection as far as it goes.
    pub(super) fn serve(&mut self, at: usize) {
        loop {
            let conn = &mut self.conns[at];
            if conn.ended {
                return;
            }
            let before = (conn.to_server.len(), conn.to_client.len(), conn.unanswered.is_some());
            if conn.unanswered.is_none() && conn.server.wants_input() {
                let n = conn.to_server.read(conn.server.receive_buf());
                conn.server.received(n);
            }
            if conn.unanswered.is_none() {
                while let Some(event) = conn.server.poll_event() {
                    match event {
                        Event::Command(command) => {
                            conn.unanswered = Some(command);
                            break;
                        }
                        Event::Refused(refused) => panic!("{refused:?}, which nobody has sent"),
                        Event::PutAnnounced { .. } | Event::HalfClosed | Event::Closed => {}
                    }
                }
            }
            if let Some(command) = if self.silent { None } else { conn.unanswered.take() } {
                let reply = self.run(at, command);
                self.conns[at].server.respond(reply);
            }
            let conn = &mut self.conns[at];
            let n = conn.to_client.write(conn.server.transmit(), usize::MAX);
            conn.server.transmitted(n);
            if n > 0 || conn.server.is_closed() {
                conn.wake();
            }
            if before == (conn.to_server.len(), conn.to_client.len(), conn.unanswered.is_some()) {
                return;
            }
        }
    }

    fn run(&mut self, at: usize, command: Command) -> Reply {
        let refused = !self.honest && self.u8() > 240;
        let conn = &mut self.conns[at];
        let (n, reply) = match command {
            Command::Use { .. } if refused => return Reply::OutOfMemory,
            Command::Use { tube } => {
                conn.tube.clone_from(&tube);
                return Reply::Using(tube);
            }
            Command::Kick { bound } => (bound, Reply::KickedCount(bound.into())),
            Command::Peek { id } => (small(id), Reply::Found(Job { id, body: id.to_string().into_bytes() })),
            Command::Put { priority: Priority(n), .. } => (n, Reply::Inserted(JobId(n.into()))),
            Command::Delete { id } => (small(id), Reply::Deleted),
            other => panic!("{other:?} was never sent"),
        };
        // Of those that were made while this was the last connection, none was sent on another, nor is any repeated.
        let born = self.born[&n];
        if born.connections == at + 1 {
            assert!(conn.last.is_none_or(|last| last < born.place), "request {n} was overtaken");
            conn.last = Some(born.place);
        }
        self.ran.entry(n).or_default().push(Ran { tube: conn.tube.clone(), refused });
        if refused { Reply::OutOfMemory } else { reply }
    }
}

fn small(id: JobId) -> u32 {
    u32::try_from(id.0).expect("a small number")
}

/// The client's end of a connection.
pub(super) struct Wire {
    pub(super) runtime: Virtual,
    pub(super) at: usize,
}

/// How many bytes move.
enum Chance {
    Some(usize),
    Pending,
    End,
    Fail,
}

impl World {
    fn chance(&mut self) -> Chance {
        if self.honest {
            return Chance::Some(usize::MAX);
        }
        match self.u8() {
            0..120 => Chance::Some(usize::MAX),
            120..190 => Chance::Some(1 + usize::from(self.u8() % 20)),
            190..250 => Chance::Pending,
            250..253 => Chance::End,
            _ => Chance::Fail,
        }
    }
}

fn failed<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
}

impl PollTransport for Wire {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, _: Block, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut world = self.runtime.world();
        world.serve(self.at);
        let chance = world.chance();
        let conn = &mut world.conns[self.at];
        conn.waker = Some(cx.waker().clone());
        let most = match chance {
            Chance::Some(most) => most,
            Chance::Pending => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Chance::End => {
                conn.end(true);
                return Poll::Ready(Ok(0));
            }
            Chance::Fail => {
                conn.end(true);
                return failed();
            }
        };
        let room = most.min(buf.len());
        let n = conn.to_client.read(&mut buf[..room]);
        if n == 0 {
            return if conn.ended || conn.server.is_closed() { Poll::Ready(Ok(0)) } else { Poll::Pending };
        }
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, _: Block, segments: Segments<'_>) -> Poll<io::Result<usize>> {
        let mut world = self.runtime.world();
        let chance = world.chance();
        let conn = &mut world.conns[self.at];
        match chance {
            Chance::Some(_) if conn.ended => failed(),
            Chance::Some(most) => Poll::Ready(Ok(conn.to_server.write(segments, most))),
            Chance::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Chance::End | Chance::Fail => {
                conn.end(true);
                failed()
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
        let mut world = self.runtime.world();
        match world.chance() {
            Chance::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut world = self.runtime.world();
        world.conns[self.at].server.received_eof();
        world.serve(self.at);
        Poll::Ready(Ok(()))
    }

    fn failure(error: io::Error, lost: Lost) -> Error {
        Error::Io { error, lost }
    }

    fn now(&self) -> Instant {
        self.runtime.world().now
    }

    fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
        let runtime = self.runtime.clone();
        move || runtime.world().now
    }

    fn set_timer(&mut self, at: Instant) {
        let mut world = self.runtime.world();
        let conn = &mut world.conns[self.at];
        (conn.timer, conn.timer_waker) = (Some(at), None);
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut world = self.runtime.world();
        let now = world.now;
        let conn = &mut world.conns[self.at];
        if conn.timer.expect("a timer that was set") <= now {
            return Poll::Ready(());
        }
        conn.timer_waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut world = self.runtime.world();
        let conn = &mut world.conns[self.at];
        (conn.timer, conn.timer_waker, conn.waker) = (None, None, None);
        // What was written is on its way, and is run.
        world.serve(self.at);
        world.conns[self.at].end(true);
    }
}
