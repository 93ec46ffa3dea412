//! Tubes that are looked after, on a server of a few lines.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use beanstalk_proto::Dialect;
use beanstalk_proto::{Job, Priority};

fn tube(name: &str) -> TubeName {
    TubeName::new(name).expect("a tube name")
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    id: u64,
    tube: TubeName,
    /// `None`: held.
    queue: Option<Queue>,
    priority: u32,
    delay: u64,
    ttr: u64,
    body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Server {
    jobs: Vec<Stored>,
    /// Which of the commands to come another client is quicker at, taking the job away.
    thefts: Vec<bool>,
    refuses_puts: bool,
}

impl Server {
    fn with(jobs: &[(usize, u32, u64, u64)]) -> Self {
        let jobs = jobs.iter().zip(1..).map(|(&(queue, priority, delay, ttr), id)| Stored {
            id,
            tube: tube("from"),
            queue: Queue::ALL.get(queue).copied(),
            priority,
            delay,
            ttr,
            body: vec![b'x'; id as usize],
        });
        Self { jobs: jobs.collect(), ..Self::default() }
    }

    fn call(&mut self, used: &mut TubeName, command: Command) -> Result<Reply, Error> {
        let not_found = Error::Command { command: "test", subject: Subject::None, error: CommandError::NotFound };
        let by_id = |command: &Command| match command {
            Command::Delete { id } | Command::StatsJob { id } | Command::ReserveJob { id } => Some(id.0),
            _ => None,
        };
        if by_id(&command).is_some() && self.thefts.pop() == Some(true) {
            self.jobs.retain(|job| Some(job.id) != by_id(&command));
        }
        let queue = match command {
            Command::PeekReady => Queue::Ready,
            Command::PeekDelayed => Queue::Delayed,
            Command::PeekBuried => Queue::Buried,
            Command::ListTubeUsed => return Ok(Reply::Using(used.clone())),
            Command::Use { tube } => {
                *used = tube;
                return Ok(Reply::Using(used.clone()));
            }
            Command::Put { .. } if self.refuses_puts => {
                return Err(Error::Command { command: "put", subject: Subject::None, error: CommandError::Draining });
            }
            Command::Put { priority, delay, ttr, body } => {
                let id = self.jobs.iter().map(|job| job.id).max().unwrap_or(0) + 1;
                let queue = Some(if delay > 0 { Queue::Delayed } else { Queue::Ready });
                let (delay, ttr) = (delay.into(), ttr.into());
                self.jobs.push(Stored { id, tube: used.clone(), queue, priority: priority.0, delay, ttr, body });
                return Ok(Reply::Inserted(JobId(id)));
            }
            Command::Delete { id } => {
                let at = self.jobs.iter().position(|job| job.id == id.0).ok_or(not_found)?;
                self.jobs.remove(at);
                return Ok(Reply::Deleted);
            }
            Command::StatsJob { id } => {
                let job = self.jobs.iter().find(|job| job.id == id.0).ok_or(not_found)?;
                let stats = JobStats {
                    pri: Some(Priority(job.priority)),
                    ttr: Some(Duration::from_secs(job.ttr)),
                    time_left: Some(Duration::from_secs(job.delay)),
                    ..JobStats::default()
                };
                let mut body = vec![];
                stats.encode(Dialect::default(), &mut body);
                return Ok(Reply::Ok(body));
            }
            Command::ReserveJob { id } => {
                let job = self.jobs.iter_mut().find(|job| job.id == id.0).ok_or(not_found)?;
                job.queue = None;
                return Ok(Reply::Reserved(Job { id, body: job.body.clone() }));
            }
            Command::Release { id, priority, delay } => {
                let job = self.jobs.iter_mut().find(|job| job.id == id.0).ok_or(not_found)?;
                job.queue = Some(if delay > 0 { Queue::Delayed } else { Queue::Ready });
                (job.priority, job.delay) = (priority.0, delay.into());
                return Ok(Reply::Released);
            }
            Command::Bury { id, priority } => {
                let job = self.jobs.iter_mut().find(|job| job.id == id.0).ok_or(not_found)?;
                (job.queue, job.priority) = (Some(Queue::Buried), priority.0);
                return Ok(Reply::Buried);
            }
            command => panic!("nobody looks after tubes with {command:?}"),
        };
        let first = self.jobs.iter().find(|job| job.queue == Some(queue) && job.tube == *used).ok_or(not_found)?;
        Ok(Reply::Found(Job { id: JobId(first.id), body: first.body.clone() }))
    }
}

fn clear(server: &mut Server, used: &mut TubeName, queues: &[Queue]) -> u64 {
    let (mut machine, command) = ClearTube::new(tube("from"), queues);
    let mut next = Some(command);
    while let Some(command) = next {
        let result = server.call(used, command);
        next = machine.handle_reply(result).expect("no command fails");
    }
    machine.deleted()
}

fn move_all(server: &mut Server, queues: &[Queue]) -> Result<u64, Error> {
    let (mut from, mut to) = (TubeName::default(), TubeName::default());
    let (mut machine, side) = MoveJobs::new(tube("from"), tube("to"), queues);
    let mut next = Some(side);
    while let Some(side) = next {
        let result = match side {
            Side::From(command) => server.call(&mut from, command),
            Side::To(command) => server.call(&mut to, command),
        };
        next = machine.handle_reply(result)?;
    }
    Ok(machine.moved())
}

/// Queue (3 is none: held), priority, delay, ttr.
fn jobs() -> impl Strategy<Value = Vec<(usize, u32, u64, u64)>> {
    let job = (0..4_usize, any::<u32>(), 1..1000_u64, 1..1000_u64);
    proptest::collection::vec(job, 0..10)
}

fn queues() -> impl Strategy<Value = Vec<Queue>> {
    proptest::sample::subsequence(Queue::ALL.to_vec(), 0..=3)
}

proptest! {
    #[test]
    fn clearing_deletes_the_chosen_queues_and_nothing_else(
        jobs in jobs(), queues in queues(), thefts in proptest::collection::vec(any::<bool>(), 0..10),
    ) {
        let mut server = Server { thefts, ..Server::with(&jobs) };
        let mut used = tube("mine");
        let before = server.jobs.clone();
        let deleted = clear(&mut server, &mut used, &queues);
        let kept: Vec<_> =
            before.iter().filter(|job| job.queue.is_none_or(|queue| !queues.contains(&queue))).cloned().collect();
        prop_assert!(deleted as usize <= before.len() - kept.len());
        prop_assert_eq!(server.jobs, kept);
        prop_assert_eq!(used, tube("mine"), "the connection uses what it used before");
    }

    #[test]
    fn moving_keeps_body_priority_ttr_and_delay(
        jobs in jobs(), queues in queues(), thefts in proptest::collection::vec(any::<bool>(), 0..10),
    ) {
        let mut server = Server { thefts, ..Server::with(&jobs) };
        let before = server.jobs.clone();
        let moved = move_all(&mut server, &queues).expect("no command fails");
        let (there, left): (Vec<_>, Vec<_>) = server.jobs.into_iter().partition(|job| job.tube == tube("to"));
        prop_assert_eq!(there.len() as u64, moved);
        prop_assert!(left.iter().all(|job| before.contains(job) && job.queue.is_none_or(|queue| !queues.contains(&queue))));
        for job in there {
            let was = before.iter().find(|was| was.body == job.body).expect("it was there before");
            prop_assert_eq!((job.priority, job.ttr), (was.priority, was.ttr));
            match was.queue {
                Some(Queue::Delayed) => prop_assert_eq!((job.queue, job.delay), (was.queue, was.delay)),
                _ => prop_assert_eq!(job.queue, Some(Queue::Ready)),
            }
        }
    }

    #[test]
    fn a_job_that_cannot_be_put_stays_where_it_was(jobs in jobs(), queues in queues()) {
        let mut server = Server { refuses_puts: true, ..Server::with(&jobs) };
        let before = server.jobs.clone();
        let touched = before.iter().any(|job| job.queue.is_some_and(|queue| queues.contains(&queue)));
        prop_assert_eq!(move_all(&mut server, &queues).is_err(), touched);
        for (job, was) in server.jobs.iter().zip(&before) {
            prop_assert_eq!((job.queue, job.priority), (was.queue, was.priority));
        }
    }
}

#[test]
fn without_thefts_every_job_goes() {
    let mut server = Server::with(&[(0, 1, 1, 1), (1, 1, 1, 1), (2, 1, 1, 1), (2, 1, 1, 1)]);
    assert_eq!(move_all(&mut server, &Queue::ALL).expect("no command fails"), 4);
    let mut server = Server::with(&[(0, 1, 1, 1), (1, 1, 1, 1), (2, 1, 1, 1), (3, 1, 1, 1)]);
    assert_eq!(clear(&mut server, &mut tube("mine"), &Queue::ALL), 3);
}

#[test]
fn a_tube_with_only_buried_jobs_is_empty_and_so_is_one_that_is_gone() {
    let stats = |ready, reserved, delayed| TubeStats {
        current_jobs_ready: Some(ready),
        current_jobs_reserved: Some(reserved),
        current_jobs_delayed: Some(delayed),
        current_jobs_buried: Some(5),
        ..TubeStats::default()
    };
    let all = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)];
    let empty = all.map(|(ready, reserved, delayed)| is_empty(Ok(stats(ready, reserved, delayed))).expect("no error"));
    assert_eq!(empty, [true, false, false, false]);
    let gone = Error::Command { command: "stats-tube", subject: Subject::None, error: CommandError::NotFound };
    assert!(is_empty(Err(gone)).expect("no error"));
    assert!(is_empty(Err(Error::ReserveWaiting)).is_err());
}
