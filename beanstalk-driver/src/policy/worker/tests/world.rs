//! A server with a few jobs, a network that takes its time and breaks, handlers that run for a while, and a slot in the
//! middle of it.
//!
//! One `World::step` jumps to the next thing that happens. The server's side of a command happens when the command gets
//! there, its reply later; a connection that breaks in between loses one or both.

use alloc::{vec, vec::Vec};
use core::time::Duration;

use super::{
    super::{Action, JobEvent, Outcome, Verdict, Worker, WorkerConfig},
    server::{Server, State},
};
use crate::{
    connect::Endpoint,
    policy::{hash, retry::Deferrals},
};
use beanstalk_proto::{Command, CommandError, Error, Instant, Job, JobId, Lost, Reply, Subject};

pub(super) fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

/// What a random world is made of.
#[derive(Clone, Debug)]
pub(super) struct Chances {
    pub(super) seed: u64,
    /// The longest a trip over the network takes, in milliseconds.
    pub(super) trip: u64,
    /// The longest a handler runs, in milliseconds.
    pub(super) handler: u64,
    /// One in so many trips breaks the connection; 0 for none.
    pub(super) breaks: u64,
}

/// Where the command under way is.
enum Flight {
    Connecting(Instant),
    Failing(Instant),
    There(Instant, Command),
    Waiting(Instant),
    Back(Instant, Reply),
    Breaking(Instant, Lost),
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) worker: Worker,
    pub(super) server: Server,
    /// Everything that the slot has sent.
    pub(super) sent: Vec<(Instant, Command)>,
    pub(super) stopped: Option<Instant>,
    /// Jobs that expired while their handler ran on a connection that was up.
    pub(super) expired_alive: u64,
    deferrals: Deferrals,
    address: Endpoint,
    chances: Chances,
    connection: Option<u64>,
    connections: u64,
    flight: Option<Flight>,
    /// What was sent with it, and is read after it.
    then: Option<Command>,
    handler: Option<(JobId, Instant, Outcome)>,
    /// Handlers block, so those that are given up run on; and until when the last one does.
    pub(super) blocks: bool,
    left_running: Option<Instant>,
    outcomes: Vec<(u64, Outcome)>,
    /// What the function for failures chooses next, and for which attempts it was asked.
    pub(super) decisions: Vec<Verdict>,
    pub(super) attempts: Vec<u64>,
    until: Option<Instant>,
}

impl World {
    pub(super) fn new(config: &WorkerConfig, chances: Chances) -> Self {
        let mut world = Self {
            now: at(0),
            worker: Worker::new(config, chances.seed),
            server: Server::default(),
            sent: vec![],
            stopped: None,
            expired_alive: 0,
            deferrals: Deferrals::new(),
            address: "queue:11300".parse().expect("an endpoint"),
            chances,
            connection: None,
            connections: 0,
            flight: None,
            then: None,
            handler: None,
            blocks: false,
            left_running: None,
            outcomes: vec![],
            decisions: vec![],
            attempts: vec![],
            until: None,
        };
        world.drain();
        world
    }

    /// A world in which every trip takes a millisecond and nothing breaks.
    pub(super) fn calm(config: &WorkerConfig) -> Self {
        Self::new(config, Chances { seed: 1, trip: 1, handler: 0, breaks: 0 })
    }

    pub(super) fn put(&mut self, ttr: u64, priority: u32) -> JobId {
        let id = self.server.put(ttr, priority, self.now);
        self.serve_waiting();
        id
    }

    pub(super) fn kick(&mut self, id: JobId) {
        let job = self.server.jobs.get_mut(&id).expect("it has the job");
        assert_eq!(job.state, State::Buried);
        (job.state, job.kicks) = (State::Ready, job.kicks + 1);
        self.serve_waiting();
    }

    /// What the next handlers do: run for so many milliseconds, and then say this.
    pub(super) fn script(&mut self, outcomes: impl IntoIterator<Item = (u64, impl Into<Outcome>)>) {
        self.outcomes = outcomes.into_iter().map(|(millis, outcome)| (millis, outcome.into())).collect();
    }

    pub(super) fn shut_down(&mut self, deadline: Instant) {
        self.worker.handle_shutdown(deadline);
        self.drain();
    }

    /// Breaks the connection as the server sees it; the slot notices with its next command.
    pub(super) fn break_connection(&mut self) {
        self.close();
        if let Some(flight) = &mut self.flight {
            *flight = Flight::Breaking(self.now, Lost::Unknown);
        }
    }

    /// The server is killed, started again without a memory, and filled with equal jobs.
    pub(super) fn replace_server(&mut self) {
        if self.connection.is_some() {
            self.break_connection();
        }
        self.server.replace(self.now);
    }

    pub(super) fn sent_words(&self) -> Vec<&'static str> {
        self.sent.iter().map(|(_, command)| command.kind().word()).collect()
    }

    /// What has happened to jobs since this was last asked.
    pub(super) fn events(&mut self) -> Vec<JobEvent> {
        core::iter::from_fn(|| self.worker.poll_job_event()).map(|(_, event)| event).collect()
    }

    pub(super) fn running(&self) -> Option<JobId> {
        self.handler.as_ref().map(|(id, ..)| *id)
    }

    pub(super) fn run_until(&mut self, until: Instant) {
        let mut steps = 0;
        while self.stopped.is_none() && self.next_time().is_some_and(|next| next <= until) {
            self.step();
            steps += 1;
            assert!(steps < 100_000, "it goes round in circles");
        }
        self.now = self.now.max(until);
    }

    pub(super) fn run_until_stopped(&mut self) {
        self.run_until(Instant::from_nanos(u64::MAX));
        assert!(self.stopped.is_some(), "nothing more happens and it has not stopped");
    }

    /// When something happens next.
    fn next_time(&self) -> Option<Instant> {
        let flight = self.flight.as_ref().map(|flight| match flight {
            Flight::Connecting(at) | Flight::Failing(at) | Flight::There(at, _) | Flight::Waiting(at) => *at,
            Flight::Back(at, _) | Flight::Breaking(at, _) => *at,
        });
        let times = [
            flight,
            self.handler.as_ref().map(|(_, at, _)| *at),
            self.left_running,
            self.until,
            self.server.next_time(),
        ];
        times.into_iter().flatten().min().map(|at| at.max(self.now))
    }

    fn step(&mut self) {
        self.now = self.next_time().expect("something happens");
        self.pass_time();
        self.fly();
        if let Some((_, _, outcome)) = self.handler.take_if(|(_, at, _)| *at <= self.now) {
            self.worker.handle_finished(outcome, &self.address, &mut self.deferrals, self.now);
        }
        if self.left_running.take_if(|at| *at <= self.now).is_some() {
            self.worker.handle_returned();
        }
        self.drain();
    }

    /// What the server does by itself.
    fn pass_time(&mut self) {
        for (id, holder) in self.server.pass_time(self.now) {
            let alive = self.connection == Some(holder) && self.running() == Some(id);
            self.expired_alive += u64::from(alive);
        }
        self.serve_waiting();
    }

    /// What was under way and has got where it was going.
    fn fly(&mut self) {
        let now = self.now;
        match self.flight.take() {
            Some(Flight::Connecting(at)) if at <= now => {
                self.connections += 1;
                self.connection = Some(self.connections);
                self.worker.handle_connected(now);
            }
            Some(Flight::There(at, command)) if at <= now => {
                self.flight = match command {
                    Command::ReserveWithTimeout { timeout } => {
                        Some(Flight::Waiting(now + Duration::from_secs(timeout.into())))
                    }
                    command => {
                        let reply = self.server.serve(self.connection.unwrap_or_default(), command, now);
                        Some(self.travel_back(reply))
                    }
                };
                self.serve_waiting();
            }
            Some(Flight::Waiting(at)) if at <= now => self.flight = Some(self.travel_back(Reply::TimedOut)),
            Some(Flight::Back(at, reply)) if at <= now => {
                let refusal = match &reply {
                    Reply::NotFound => Some(CommandError::NotFound),
                    Reply::OutOfMemory => Some(CommandError::OutOfMemory),
                    Reply::Draining => Some(CommandError::Draining),
                    _ => None,
                };
                let result = refusal
                    .map_or(Ok(reply), |error| Err(Error::Command { command: "test", subject: Subject::None, error }));
                self.flight = self.then.take().map(|command| Flight::There(now, command));
                self.worker.handle_reply(result, now);
            }
            Some(Flight::Failing(at)) if at <= now => {
                self.worker.handle_disconnected(&Error::Closed { lost: Lost::NotSent }, now);
            }
            // Either the connection ends, or nothing more is heard of it and the slot has to end it.
            Some(Flight::Breaking(at, lost)) if at <= now => {
                self.then = None;
                let error = match self.random(2) {
                    0 => Error::TimedOut { command: "test", subject: Subject::None, waited: Duration::ZERO, lost },
                    _ => {
                        self.close();
                        Error::Closed { lost }
                    }
                };
                self.worker.handle_reply(Err(error), now);
            }
            flight => self.flight = flight,
        }
    }

    fn drain(&mut self) {
        self.until = None;
        for _ in 0..20 {
            match self.worker.poll_action(self.now) {
                Action::Connect => {
                    assert!(self.flight.is_none() && self.connection.is_none(), "the old connection is still there");
                    let (breaks, at) = (self.breaks(), self.now + self.trip());
                    self.flight = Some(if breaks { Flight::Failing(at) } else { Flight::Connecting(at) });
                }
                Action::Send(command) => self.send(command),
                Action::SendBoth(first, second) => {
                    self.send(first);
                    self.sent.push((self.now, second.clone()));
                    self.then = Some(second);
                }
                Action::Start(job) => self.start(&job),
                Action::GiveUp(after) => {
                    let (_, until, _) = self.handler.take().expect("a handler runs");
                    self.worker.handle_finished(Outcome::TimedOut(after), &self.address, &mut self.deferrals, self.now);
                    if self.blocks {
                        self.left_running = Some(until);
                        self.worker.handle_left_running();
                    }
                }
                Action::Decide { attempt, .. } => {
                    let verdict = self.decisions.remove(0);
                    self.attempts.push(attempt);
                    self.worker.handle_decision(verdict);
                }
                Action::Wait(until) => {
                    assert!(until.is_none_or(|until| until > self.now), "it waits for what is past");
                    self.until = until;
                    return;
                }
                Action::Close => {
                    // But for that of a reserve which went out with a command that could not be carried out.
                    let reserves = |flight| matches!(flight, Flight::There(_, Command::ReserveWithTimeout { .. }));
                    assert!(self.flight.take().is_none_or(reserves), "a reply is still to come");
                    self.close();
                }
                Action::Stop => {
                    self.close();
                    self.flight = None;
                    self.handler = None;
                    self.stopped = self.stopped.or(Some(self.now));
                    return;
                }
            }
        }
        panic!("it never waits");
    }

    fn send(&mut self, command: Command) {
        assert!(self.flight.is_none(), "two commands at once: {command:?}");
        self.sent.push((self.now, command.clone()));
        let (breaks, trip) = (self.breaks(), self.trip());
        self.flight = Some(match self.connection {
            None => Flight::Breaking(self.now, Lost::NotSent),
            Some(_) if breaks => Flight::Breaking(self.now + trip, Lost::NotSent),
            Some(_) => Flight::There(self.now + trip, command),
        });
    }

    fn start(&mut self, job: &Job) {
        assert!(self.handler.is_none() && self.left_running.is_none(), "two handlers at once");
        let any = [Verdict::Done, Verdict::Failed, Verdict::Bury, Verdict::RetryAfter(1.into())];
        let (longest, which) = (self.chances.handler, self.random(4) as usize);
        let (millis, outcome) = match self.outcomes.is_empty() {
            true => (self.random(longest), any[which].into()),
            false => self.outcomes.remove(0),
        };
        self.handler = Some((job.id, self.now + Duration::from_millis(millis), outcome));
        let job = self.server.jobs.get_mut(&job.id).expect("it has the job");
        job.ran += 1;
    }

    /// The connection is gone, and the server puts back what it held.
    fn close(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        self.server.close(connection);
    }

    fn travel_back(&mut self, reply: Reply) -> Flight {
        let (breaks, trip) = (self.breaks(), self.trip());
        match breaks {
            true => Flight::Breaking(self.now + trip, Lost::Unknown),
            false => Flight::Back(self.now + trip, reply),
        }
    }

    fn serve_waiting(&mut self) {
        let (Some(Flight::Waiting(_)), Some(connection)) = (&self.flight, self.connection) else { return };
        let Some(job) = self.server.reserve(connection, self.now) else { return };
        self.flight = Some(self.travel_back(Reply::Reserved(job)));
    }

    fn random(&mut self, below: u64) -> u64 {
        self.chances.seed = hash::scatter(self.chances.seed);
        self.chances.seed.checked_rem(below).unwrap_or(0)
    }

    fn trip(&mut self) -> Duration {
        let trip = self.chances.trip;
        Duration::from_millis(1 + self.random(trip))
    }

    fn breaks(&mut self) -> bool {
        let breaks = self.chances.breaks;
        breaks > 0 && self.random(breaks) == 0
    }
}
