//! A slot of a worker, with a server, a network, a clock and handlers that do anything: replies of any kind to any command, errors of
//! any kind, late and early, a clock that jumps.
//!
//! It asks for one thing at a time, and comes to wait. A handler runs one job at a time, each only while it is held, and each job that
//! is started is reserved before. What finishes a job goes out only after its handler has ended, once, for the job in hand, and on the
//! connection that holds it. Every job reserved has one end: what the slot counts adds up. It never waits for a time that is past,
//! leaves at the deadline of a shutdown, and does nothing after that.

use std::time::Duration;

use beanstalk_driver::{
    Endpoint,
    policy::{Action, Deferrals, JobEvent, Metrics, Outcome, Verdict, Worker, WorkerConfig},
};
use beanstalk_proto::{Command, CommandError, Error, Instant, JobId, Lost, Reply, ReplyKind, Subject, TubeName};

use crate::{r#gen, source::Source};

const MOST_STEPS: usize = 400;
/// What a driver carries out before it has to wait: connecting, replaying and reserving are each one at a time.
const MOST_ACTIONS: usize = 20;

pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let flags = source.u8();
    let tube = |name| TubeName::new(name).expect("a valid name");
    let config = WorkerConfig {
        tubes: if flags & 1 == 0 { Vec::new() } else { vec![tube("a"), tube("b")] },
        decides: flags & 2 != 0,
        dead_letters: (flags & 4 != 0).then(|| tube("dead")),
        reclaim: flags & 8 != 0,
        learns_first: flags & 16 != 0,
        handler_timeout: (flags & 32 != 0).then_some(Duration::from_secs(3)),
        ..WorkerConfig::default()
    };
    let mut slot = Slot {
        worker: Worker::new(&config, source.u8().into()),
        server: "queue:11300".parse().expect("an endpoint"),
        deferrals: Deferrals::new(),
        now: Instant::ZERO + Duration::from_secs(1),
        connected: false,
        connecting: false,
        awaited: Vec::new(),
        handler: None,
        blocks: flags & 64 != 0,
        left_running: false,
        finished: None,
        held: None,
        events: Metrics::default(),
        deadline: None,
        stopped: false,
    };
    slot.drain(&mut source);
    for _ in 0..MOST_STEPS {
        if source.is_empty() || slot.stopped {
            break;
        }
        slot.step(&mut source);
        slot.drain(&mut source);
    }
    slot.finish(&mut source);
}

struct Slot {
    worker: Worker,
    server: Endpoint,
    deferrals: Deferrals,
    now: Instant,
    connected: bool,
    connecting: bool,
    /// What was sent and has no reply.
    awaited: Vec<Command>,
    /// The job whose handler runs.
    handler: Option<JobId>,
    /// Handlers that are given up run on, and whether one does.
    blocks: bool,
    left_running: bool,
    /// The job whose handler has ended, and that was not finished since.
    finished: Option<JobId>,
    /// The job that this connection holds, as far as the server has told.
    held: Option<JobId>,
    /// What was told of jobs.
    events: Metrics,
    deadline: Option<Instant>,
    stopped: bool,
}

impl Slot {
    fn step(&mut self, source: &mut Source<'_>) {
        match source.below(16) {
            0..8 => self.answer(source),
            8 | 9 => {
                if std::mem::take(&mut self.left_running) {
                    self.worker.handle_returned();
                }
                if let Some(id) = self.handler.take() {
                    self.finished = Some(id);
                    let outcome = match source.below(6) {
                        0 | 1 => Verdict::Done.into(),
                        2 => Verdict::Failed.into(),
                        3 => Verdict::Bury.into(),
                        4 => Verdict::retry_after(u32::from(source.u8())).into(),
                        _ => Outcome::Panicked("as it likes".into()),
                    };
                    self.worker.handle_finished(outcome, &self.server, &mut self.deferrals, self.now);
                }
            }
            10..13 => {
                let millis = source.pick(&[0, 1, 300, 1000, 5000, 60_000, 10_000_000]) + u64::from(source.u8());
                self.now = self.now + Duration::from_millis(millis);
            }
            13 => {
                if self.connected || self.connecting {
                    let error = self.error(source);
                    self.broken();
                    self.worker.handle_disconnected(&error, self.now);
                }
            }
            14 if source.u8() < 40 => {
                let deadline = self.now + Duration::from_millis(100 * u64::from(source.u8()));
                self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
                self.worker.handle_shutdown(deadline);
            }
            // Twice, early, or for nothing: nobody promised that these come in order.
            _ => match source.below(4) {
                0 if self.handler.is_none() => {
                    self.worker.handle_finished(Verdict::Done, &self.server, &mut self.deferrals, self.now);
                }
                1 if !self.connecting => self.worker.handle_connected(self.now),
                2 => self.worker.handle_decision(Verdict::Bury),
                _ => assert!(self.worker.metrics_if_stopped().reserved == self.worker.metrics().reserved),
            },
        }
    }

    /// Whatever is awaited comes to something: mostly what it may.
    fn answer(&mut self, source: &mut Source<'_>) {
        if self.connecting {
            self.connecting = false;
            if source.u8() < 200 {
                self.connected = true;
                self.worker.handle_connected(self.now);
            } else {
                let error = self.error(source);
                self.worker.handle_disconnected(&error, self.now);
            }
            return;
        }
        if self.awaited.is_empty() {
            return;
        }
        let command = self.awaited.remove(0);
        let result = self.result(&command, source);
        match &result {
            Ok(Reply::Reserved(job)) => self.held = Some(job.id),
            Err(Error::ReplyTooBig { id: Some(id), .. }) => self.held = Some(*id),
            Err(Error::Command { error: CommandError::NotFound, .. }) => self.held = None,
            _ => {}
        }
        let breaks = result.as_ref().is_err_and(|error| error.is_fatal() || matches!(error, Error::TimedOut { .. }));
        if breaks {
            self.broken();
        }
        self.worker.handle_reply(result, self.now);
    }

    fn result(&self, command: &Command, source: &mut Source<'_>) -> Result<Reply, Error> {
        let allowed: Vec<ReplyKind> =
            ReplyKind::ALL.iter().copied().filter(|&kind| command.kind().replies().contains(kind)).collect();
        match source.u8() {
            0..170 => {
                let mut reply = r#gen::reply(source.pick(&allowed), source);
                match (&mut reply, command) {
                    (Reply::Reserved(job) | Reply::Found(job), Command::ReserveJob { id } | Command::Peek { id }) => {
                        job.id = *id;
                        job.body = body(job.id);
                    }
                    (Reply::Reserved(job), _) => {
                        job.id = JobId(job.id.0 % 8);
                        job.body = body(job.id);
                    }
                    (Reply::Ok(stats), Command::StatsJob { id }) if source.bool() => {
                        let (ttr, age, releases) = (source.u8() % 4, source.u8(), source.u8() % 20);
                        *stats = format!(
                            "---\nid: {id}\ntube: a\nstate: reserved\npri: 5\nage: {age}\nttr: {ttr}\nreserves: 1\nreleases: {releases}\n\
                             timeouts: 0\nburies: 0\nkicks: 0\n"
                        )
                        .into_bytes();
                    }
                    _ => {}
                }
                match reply.kind().is_some_and(r#gen::is_refusal) {
                    true => Err(Error::Command {
                        command: command.kind().word(),
                        subject: Subject::None,
                        error: CommandError::from(&reply),
                    }),
                    false => Ok(reply),
                }
            }
            170..190 => Err(Error::ReplyTooBig {
                command: command.kind().word(),
                id: matches!(command, Command::ReserveWithTimeout { .. }).then_some(JobId(3)),
                bytes: 1 << 30,
                limit: 1 << 20,
            }),
            _ => Err(self.error(source)),
        }
    }

    fn error(&self, source: &mut Source<'_>) -> Error {
        let lost = source.pick(&[Lost::Unknown, Lost::NotSent]);
        match source.below(3) {
            0 => Error::Closed { lost },
            1 => Error::TimedOut { command: "reserve", subject: Subject::None, waited: Duration::ZERO, lost },
            _ => Error::Closed { lost: Lost::Unknown },
        }
    }

    fn broken(&mut self) {
        (self.connecting, self.held) = (false, None);
        self.awaited.clear();
    }

    /// Carries out what it asks for, until it waits.
    fn drain(&mut self, source: &mut Source<'_>) {
        for _ in 0..MOST_ACTIONS {
            let action = self.worker.poll_action(self.now);
            let waits = matches!(action, Action::Wait(_) | Action::Stop);
            assert!(!self.stopped || action == Action::Stop, "{action:?} after the end");
            self.carry_out(action, source);
            self.count_events();
            if waits {
                let deadline_is_over = self.deadline.is_some_and(|deadline| self.now >= deadline);
                assert!(self.stopped || !deadline_is_over, "it goes on after the deadline");
                return;
            }
        }
        panic!("it never waits");
    }

    fn carry_out(&mut self, action: Action, source: &mut Source<'_>) {
        match action {
            Action::Connect => {
                assert!(!self.connected && !self.connecting && self.awaited.is_empty(), "a second connection");
                assert!(self.deadline.is_none() || self.handler.is_some() || self.finished.is_some(), "for nothing");
                self.connecting = true;
            }
            Action::Send(command) => self.send(command),
            Action::SendBoth(verdict, reserve) => {
                assert!(matches!(reserve, Command::ReserveWithTimeout { .. }), "{reserve:?} behind a verdict");
                assert!(
                    self.deadline.is_none() && !self.left_running,
                    "a reserve after a shutdown, or beside a handler"
                );
                self.send(verdict);
                self.awaited.push(reserve);
            }
            Action::Start(job) => {
                assert!(self.handler.is_none() && !self.left_running, "two handlers at once");
                assert_eq!(self.held, Some(job.id), "a job that is not held");
                assert_eq!(job.body, body(job.id));
                (self.handler, self.finished) = (Some(job.id), None);
            }
            Action::GiveUp(after) => {
                assert!(self.handler.is_some(), "there is no handler to give up");
                self.finished = self.handler.take();
                self.worker.handle_finished(Outcome::TimedOut(after), &self.server, &mut self.deferrals, self.now);
                self.left_running = self.blocks;
                if self.blocks {
                    self.worker.handle_left_running();
                }
            }
            Action::Decide { id, .. } => {
                assert!(self.handler.is_none(), "asked about a job whose handler runs");
                let verdict = source.pick(&[Verdict::Failed, Verdict::Bury, Verdict::Done, Verdict::retry_after(3)]);
                assert!(self.held.is_none_or(|held| held == id), "asked about another job");
                self.worker.handle_decision(verdict);
            }
            Action::Wait(until) => {
                assert!(until.is_none_or(|until| until > self.now), "it waits for what is past");
                let running = self.handler.is_some() || self.left_running;
                let busy = self.connecting || !self.awaited.is_empty() || running;
                assert!(until.is_some() || busy, "it waits for nothing, and never ends");
            }
            Action::Close => {
                self.broken();
                self.connected = false;
            }
            Action::Stop => {
                self.stopped = true;
                self.broken();
                (self.connected, self.handler, self.left_running) = (false, None, false);
            }
        }
    }

    fn send(&mut self, command: Command) {
        assert!(self.connected, "{command:?} without a connection");
        assert!(self.awaited.is_empty(), "{command:?} while {:?} is unanswered", self.awaited);
        match &command {
            Command::Delete { id } | Command::Release { id, .. } | Command::Bury { id, .. } => {
                assert!(self.handler.is_none(), "{command:?} while its handler runs");
                // Giving a job back that was taken by mistake is no verdict; both are about a job that is held.
                assert_eq!(self.held, Some(*id), "{command:?} for a job that is not held");
                self.held = None;
            }
            Command::Touch { id } => {
                assert_eq!(self.handler, Some(*id), "{command:?} for a job whose handler does not run");
            }
            Command::ReserveWithTimeout { .. } => {
                let running = self.handler.is_some() || self.left_running;
                assert!(!running && self.held.is_none(), "a reserve while a job is in hand");
                assert!(self.deadline.is_none(), "a reserve after a shutdown");
            }
            _ => {}
        }
        self.awaited.push(command);
    }

    fn count_events(&mut self) {
        while let Some((_, event)) = self.worker.poll_job_event() {
            match event {
                JobEvent::Reserved => self.events.reserved += 1,
                JobEvent::Done { .. } => self.events.done += 1,
                JobEvent::Retried { .. } => self.events.retried += 1,
                JobEvent::Lost => self.events.lost += 1,
                JobEvent::Returned => self.events.returned += 1,
                JobEvent::Buried { .. } => self.events.buried += 1,
                JobEvent::Moved { .. } => self.events.moved += 1,
                _ => {}
            }
        }
        while self.worker.poll_event().is_some() {}
        let metrics = self.worker.metrics();
        assert!(ended(&metrics) <= metrics.reserved && metrics.reserved <= ended(&metrics) + 1, "{metrics:?}");
        assert_eq!(metrics.reserved, self.events.reserved, "counted otherwise than told");
        assert_eq!(ended(&metrics), ended(&self.events), "counted otherwise than told");
    }

    /// A shutdown ends it, whatever goes on.
    fn finish(mut self, source: &mut Source<'_>) {
        if !self.stopped {
            let deadline = self.now + Duration::from_secs(1);
            self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
            self.worker.handle_shutdown(deadline);
            self.drain(source);
            self.now = self.now.max(deadline);
            self.drain(source);
        }
        assert!(self.stopped, "it goes on after the deadline");
        let metrics = self.worker.metrics();
        assert_eq!(metrics.reserved, ended(&metrics), "{metrics:?}");
        assert_eq!(self.worker.poll_action(self.now), Action::Stop);
    }
}

/// How many jobs have come to an end.
const fn ended(metrics: &Metrics) -> u64 {
    metrics.done + metrics.retried + metrics.buried + metrics.moved + metrics.lost + metrics.returned
}

fn body(id: JobId) -> Vec<u8> {
    format!("body {id}").into_bytes()
}
