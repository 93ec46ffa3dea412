//! What the machines do to a server: the engine itself, without a connection and without a clock.

use alloc::{
    collections::VecDeque,
    string::{String, ToString},
    vec::Vec,
};

use super::*;
use beanstalk_proto::{Instant, Priority, Subject, TubeName, stats::JobState};
use beanstalk_server::engine::{ConnId, Engine, Settings};

mod finding;
mod importing;
mod moves;

fn tube(name: &str) -> TubeName {
    TubeName::new(name).expect("a name")
}

/// A server, and a connection to it.
struct Server {
    engine: Engine,
    connection: ConnId,
    /// What a machine has sent, and what came of it that the machine has not taken yet.
    sent: Vec<Command>,
    replies: VecDeque<Result<Reply, Error>>,
}

/// A job as it is on a server: its tube, state, priority, delay and ttr in seconds, and body.
type Seen = (String, JobState, u32, u64, u64, Vec<u8>);

impl Server {
    /// How many commands are in flight.
    const WINDOW: usize = 8;

    /// One whose connection uses this tube.
    fn using(name: &str) -> Self {
        let settings = Settings { max_job_size: Settings::MAX_JOB_SIZE, ..Settings::default() };
        let mut engine = Engine::new(Instant::ZERO, settings);
        let connection = engine.connect(Instant::ZERO);
        let mut server = Self { engine, connection, sent: Vec::new(), replies: VecDeque::new() };
        server.call(Command::Use { tube: tube(name) }).expect("the tube is in use");
        server
    }

    fn call(&mut self, command: Command) -> Result<Reply, Error> {
        let word = command.kind().word();
        self.engine.command(Instant::ZERO, self.connection, command);
        let (_, reply) = self.engine.poll_reply().expect("an answer");
        match CommandError::from(&reply) {
            CommandError::Unexpected => Ok(reply),
            error => Err(Error::Command { command: word, subject: Subject::None, error }),
        }
    }

    fn put(&mut self, priority: u32, delay: u32, body: &[u8]) -> JobId {
        let put = Command::Put { priority: Priority(priority), delay, ttr: 60, body: body.to_vec() };
        match self.call(put) {
            Ok(Reply::Inserted(id)) => id,
            result => panic!("{result:?}"),
        }
    }

    fn reserve(&mut self, id: JobId) {
        self.call(Command::ReserveJob { id }).expect("it is reserved");
    }

    fn put_buried(&mut self, priority: u32, body: &[u8]) -> JobId {
        let id = self.put(priority, 0, body);
        self.reserve(id);
        self.call(Command::Bury { id, priority: Priority(priority) }).expect("it is buried");
        id
    }

    /// All jobs, in the order of their ids.
    fn jobs(&mut self) -> Vec<Seen> {
        let last = self.engine.stats(Instant::ZERO).total_jobs.expect("a count");
        let stats = (1..=last).filter_map(|id| self.engine.stats_job(Instant::ZERO, JobId(id))).collect::<Vec<_>>();
        let mut seen = |stats: beanstalk_proto::stats::JobStats| {
            let Ok(Reply::Found(job)) = self.call(Command::Peek { id: stats.id? }) else { return None };
            let state = stats.state?;
            let left = stats.time_left.filter(|_| state == JobState::Delayed).unwrap_or_default();
            Some((stats.tube?.to_string(), state, stats.pri?.0, left.as_secs(), stats.ttr?.as_secs(), job.body))
        };
        stats.into_iter().map(|stats| seen(stats).expect("a job")).collect()
    }

    /// Carries out what a machine wants of it, up to the window, and gives the machine one result. `false` if there was neither.
    fn step(&mut self, machine: &mut impl Machine, side: Side) -> bool {
        self.send(machine, side, Self::WINDOW);
        let Some(result) = self.replies.pop_front() else { return false };
        machine.handle_reply(side, result);
        true
    }

    /// Carries out what a machine wants of it until so many results are to be taken.
    fn send(&mut self, machine: &mut impl Machine, side: Side, window: usize) {
        while self.replies.len() < window {
            let Some(command) = machine.next_command(side) else { return };
            self.sent.push(command.clone());
            assert!(self.sent.len() < 5000, "there is no end");
            let result = self.call(command);
            self.replies.push_back(result);
        }
    }

    /// Carries out all that a machine wants of it.
    fn run(&mut self, machine: &mut impl Machine) {
        while self.step(machine, Side::From) {}
    }

    /// How many commands like this a machine has sent.
    fn count(&self, is_one: impl Fn(&Command) -> bool) -> usize {
        self.sent.iter().filter(|command| is_one(command)).count()
    }
}

fn refused(error: CommandError) -> Error {
    Error::Command { command: "test", subject: Subject::None, error }
}

#[test]
fn a_tube_is_empty_if_no_job_is_ready_held_or_delayed() {
    let stats = |ready, reserved, delayed, buried| TubeStats {
        current_jobs_ready: Some(ready),
        current_jobs_reserved: Some(reserved),
        current_jobs_delayed: Some(delayed),
        current_jobs_buried: Some(buried),
        ..TubeStats::default()
    };
    assert!(matches!(is_empty(Ok(stats(0, 0, 0, 5))), Ok(true)));
    for (ready, reserved, delayed) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
        assert!(matches!(is_empty(Ok(stats(ready, reserved, delayed, 0))), Ok(false)));
    }
    assert!(matches!(is_empty(Ok(TubeStats::default())), Ok(false)), "the server has not sent how many there are");
    assert!(matches!(is_empty(Err(refused(CommandError::NotFound))), Ok(true)), "it is not there");
    let error = is_empty(Err(refused(CommandError::OutOfMemory))).expect_err("nothing is known");
    assert_eq!(error.command_error(), Some(CommandError::OutOfMemory));
}
