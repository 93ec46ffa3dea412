//! One thread, all sockets: reads, hands commands to the engine, writes replies.
//!
//! ```text
//!         ┌─▶ sleep until a socket, a request or the engine's next timeout
//!         │   take note of what the sockets can do; queue the peers concerned
//!         │   accept
//!         │   one bounded turn for each queued peer: events ─▶ engine ─▶ replies ─▶ write
//!         └── requests of the owner (stop, look, advance the clock, wait)
//! ```
//!
//! A peer's turn is bounded, so that a flood from one does not starve the others. What a peer may make the server hold
//! is bounded too: a receive buffer, one body being received, and replies up to the backlog limit and one more; a peer
//! that does not read its replies is not read from. Jobs are not bounded, as they are not in beanstalkd.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    sync::mpsc::Receiver,
    time::{Duration, Instant as SystemInstant},
};

use beanstalk_proto::{
    Command, Instant,
    server::{Config, Connection, Event},
};
use mio::{Events, Poll, Token};

use super::{
    clock::Clock,
    control::{Request, Watcher},
    facts,
    listener::Listener,
    log::Log,
    net::Stream,
    peer::{Peer, Progress},
};
use crate::engine::Engine;

pub(super) const LISTENER: Token = Token(0);
pub(super) const WAKER: Token = Token(1);
/// The tokens of peers begin here.
const PEERS: usize = 2;

/// Commands and reads of one peer before others have their turn.
const TURN: usize = 128;
/// Connections accepted before others have their turn.
const ACCEPTED_AT_ONCE: usize = 64;
/// How long to wait after the system refused to accept, if no connection is closed before.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

pub(super) struct EventLoop {
    pub(super) poll: Poll,
    pub(super) listener: Listener,
    pub(super) requests: Receiver<Request>,
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) config: Config,
    pub(super) log: Log,
    peers: Vec<Option<Peer>>,
    /// Peers with something to do.
    queue: VecDeque<usize>,
    /// Connections may be there to be accepted.
    acceptable: bool,
    /// The system refused to accept; when to ask again.
    accept_again: Option<SystemInstant>,
    /// Requests that wait until there is nothing else to do.
    patient: VecDeque<Request>,
    watchers: Vec<Watcher>,
}

impl EventLoop {
    pub(super) fn new(
        poll: Poll,
        mut listener: Listener,
        requests: Receiver<Request>,
        engine: Engine,
        clock: Clock,
        config: Config,
        log: Log,
    ) -> io::Result<Self> {
        listener.register(poll.registry(), LISTENER)?;
        Ok(Self {
            poll,
            listener,
            requests,
            engine,
            clock,
            config,
            log,
            peers: Vec::new(),
            queue: VecDeque::new(),
            acceptable: true,
            accept_again: None,
            patient: VecDeque::new(),
            watchers: Vec::new(),
        })
    }

    /// Serves until a request stops it.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(512);
        loop {
            let timeout = self.timeout();
            let polled = match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => false,
                polled => polled.map(|()| true)?,
            };
            let quiet = polled && events.is_empty() && self.queue.is_empty() && !self.acceptable;
            for event in &events {
                match event.token() {
                    LISTENER => self.acceptable = true,
                    WAKER => {}
                    Token(token) => self.note(token - PEERS, event),
                }
            }
            self.engine.handle_timeout(self.clock.now());
            self.deliver(None);
            self.accept();
            for _ in 0..self.queue.len() {
                if let Some(slot) = self.queue.pop_front() {
                    self.turn(slot);
                }
            }
            if !self.take_requests(quiet) {
                return Ok(());
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.queue.is_empty() || self.acceptable || !self.patient.is_empty() {
            return Some(Duration::ZERO);
        }
        let engine = self.engine.poll_timeout().and_then(|due| self.clock.until(due));
        let accept = self.accept_again.map(|again| again.saturating_duration_since(SystemInstant::now()));
        engine.into_iter().chain(accept).min()
    }

    /// Takes note of an event of a peer's socket.
    fn note(&mut self, slot: usize, event: &mio::event::Event) {
        let Some(peer) = self.peers.get_mut(slot).and_then(Option::as_mut) else { return };
        peer.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        peer.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
        if event.is_read_closed() && !peer.read_closed {
            peer.read_closed = true;
            let id = peer.id;
            // Behind a reserve that waits there may be commands that are not read yet, so the end is not seen by
            // reading.
            self.engine.handle_event(self.clock.now(), id, Event::HalfClosed);
            self.deliver(None);
        }
        self.enqueue(slot);
    }

    fn enqueue(&mut self, slot: usize) {
        if let Some(peer) = self.peers.get_mut(slot).and_then(Option::as_mut) {
            if !std::mem::replace(&mut peer.queued, true) {
                self.queue.push_back(slot);
            }
        }
    }

    fn accept(&mut self) {
        if self.accept_again.is_some_and(|again| again <= SystemInstant::now()) {
            self.accept_again = None;
            self.acceptable = true;
        }
        for _ in 0..ACCEPTED_AT_ONCE {
            if !self.acceptable {
                return;
            }
            match self.listener.accept() {
                Ok(stream) => self.add(stream),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.acceptable = false,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                    // Out of file descriptors or of memory: others still want to be served, and may close.
                    _ => {
                        self.log.accept_failed(&error);
                        self.acceptable = false;
                        self.accept_again = Some(SystemInstant::now() + ACCEPT_AGAIN);
                    }
                },
            }
        }
    }

    fn add(&mut self, mut stream: Stream) {
        let now = self.clock.now();
        let id = self.engine.connect(now);
        let slot = id.slot();
        if let Err(error) = stream.register(self.poll.registry(), Token(slot + PEERS)) {
            self.log.accept_failed(&error);
            self.engine.disconnect(now, id);
            return;
        }
        self.log.accepted(slot);
        if slot >= self.peers.len() {
            self.peers.resize_with(slot + 1, || None);
        }
        self.peers[slot] = Some(Peer::new(id, Connection::new(self.config), stream));
        self.enqueue(slot);
    }

    /// Lets a peer do some of what it has to do.
    fn turn(&mut self, slot: usize) {
        let Some(peer) = self.peers.get_mut(slot).and_then(Option::as_mut) else { return };
        peer.queued = false;
        let id = peer.id;
        for _ in 0..TURN {
            let Some(peer) = self.peer(slot) else { return };
            if peer.may_be_gone() {
                match peer.flush() {
                    Err(_) => return self.drop_peer(slot),
                    Ok(()) if peer.may_be_gone() => return,
                    Ok(()) => {}
                }
            }
            if let Some(event) = peer.connection.poll_event() {
                self.log.event(slot, &event);
                if matches!(event, Event::Command(Command::Stats)) {
                    let (user, system) = facts::cpu_time();
                    self.engine.set_cpu_time(user, system);
                }
                let closed = matches!(event, Event::Closed);
                self.engine.handle_event(self.clock.now(), id, event);
                self.deliver(Some(slot));
                if closed {
                    return self.remove(slot);
                }
                continue;
            }
            if peer.can_read() {
                match peer.read() {
                    Ok(Progress::Some(_) | Progress::None) => continue,
                    Err(_) => return self.drop_peer(slot),
                }
            }
            // What is written may let the connection go on.
            let backlog = peer.connection.backlog();
            if peer.flush().is_err() {
                return self.drop_peer(slot);
            }
            if peer.connection.backlog() == backlog {
                return;
            }
        }
        // There may be more, but others come first.
        let flushed = self.peer(slot).map(Peer::flush);
        match flushed {
            Some(Err(_)) => self.drop_peer(slot),
            Some(Ok(())) => self.enqueue(slot),
            None => {}
        }
    }

    fn peer(&mut self, slot: usize) -> Option<&mut Peer> {
        self.peers.get_mut(slot)?.as_mut()
    }

    /// Hands the engine's replies to the peers they are for, and queues those whose turn it is not.
    fn deliver(&mut self, current: Option<usize>) {
        while let Some((id, reply)) = self.engine.poll_reply() {
            let slot = id.slot();
            self.log.reply(slot, &reply);
            if let Some(peer) = self.peer(slot) {
                peer.connection.respond(reply);
            }
            if current != Some(slot) {
                self.enqueue(slot);
            }
        }
    }

    /// A peer's socket failed.
    fn drop_peer(&mut self, slot: usize) {
        if let Some(peer) = self.peer(slot) {
            let id = peer.id;
            self.engine.disconnect(self.clock.now(), id);
            self.remove(slot);
            self.deliver(None);
        }
    }

    fn remove(&mut self, slot: usize) {
        if let Some(mut peer) = self.peers.get_mut(slot).and_then(Option::take) {
            // Closing it takes it out of the system's set anyway.
            let _ = peer.stream.deregister(self.poll.registry());
            self.log.closed(slot);
            // There is a file descriptor to spare now.
            self.acceptable |= self.accept_again.take().is_some();
        }
    }

    /// Serves the owner's requests; those that want a quiet server only if it is. Returns whether to go on.
    fn take_requests(&mut self, quiet: bool) -> bool {
        let quiet = quiet && self.queue.is_empty();
        if quiet {
            if let Some(request) = self.patient.pop_front() {
                self.serve_patient(request);
            }
        }
        while let Ok(request) = self.requests.try_recv() {
            match request {
                Request::Stop => return false,
                Request::Engine(look) => {
                    let (user, system) = facts::cpu_time();
                    self.engine.set_cpu_time(user, system);
                    look(&mut self.engine, self.clock.now());
                }
                Request::Pause(paused) => self.clock.set_paused(paused),
                Request::Watch(watcher) => self.watchers.push(watcher),
                Request::Settle(_) | Request::Advance(..) => self.patient.push_back(request),
            }
        }
        if quiet && !self.watchers.is_empty() {
            let stats = self.engine.stats(self.clock.now());
            self.watchers.retain_mut(|watcher| watcher.show(&stats));
        }
        // Watchers are woken when the server is quiet, so it must look once more after there was something to do.
        if !quiet && !self.watchers.is_empty() && self.patient.is_empty() {
            self.patient.push_back(Request::Settle(None));
        }
        true
    }

    fn serve_patient(&mut self, request: Request) {
        match request {
            Request::Settle(Some(done)) => {
                // The thread may no longer wait for it.
                let _ = done.send(());
            }
            Request::Advance(by, done) => {
                self.advance(self.clock.now() + by);
                // What that set off is dealt with before the owner goes on.
                self.patient.push_front(Request::Settle(Some(done)));
            }
            _ => {}
        }
    }

    /// Lives through time step by step.
    fn advance(&mut self, target: Instant) {
        while let Some(due) = self.engine.poll_timeout().filter(|&due| due <= target) {
            self.clock.advance_to(due);
            self.engine.handle_timeout(due);
            self.deliver(None);
        }
        self.clock.advance_to(target);
    }
}
