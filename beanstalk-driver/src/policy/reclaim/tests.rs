//! Attempts to take a job back from servers that have it, or another under its id.

use alloc::{string::String, vec, vec::Vec};

use super::*;
use beanstalk_proto::{Dialect, Subject};

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

fn tube(name: &str) -> TubeName {
    TubeName::new(name).expect("a tube name")
}

fn job(body: &str) -> Job {
    Job { id: JobId(5), body: body.into() }
}

/// The job of tube `t` that was reserved at one second.
fn claim() -> Claim {
    Claim::new(&job("x"), vec![tube("t"), tube("u")], at(1000))
}

fn stats(age: u64, reserves: u64, file: u64) -> JobStats {
    JobStats {
        tube: Some(tube("t")),
        state: Some(JobState::Ready),
        pri: Some(7.into()),
        age: Some(Duration::from_secs(age)),
        reserves: Some(reserves),
        file: Some(file),
        ..JobStats::default()
    }
}

/// Runs one attempt, at `now`, and returns what was sent and what came of it.
fn attempt(claim: &Claim, now: Instant, stats: &JobStats, reserved: &str) -> (Vec<Command>, Reclaimed) {
    let (mut reclaim, mut sent) = (Reclaim::default(), Vec::new());
    loop {
        let command = reclaim.poll_command(claim, now);
        let reply = match &command {
            Command::Peek { .. } => Reply::Found(job("x")),
            Command::StatsJob { .. } => {
                let mut body = vec![];
                stats.encode(Dialect::default(), &mut body);
                Reply::Ok(body)
            }
            Command::ReserveJob { .. } => Reply::Reserved(job(reserved)),
            Command::Release { .. } => Reply::Released,
            Command::Bury { .. } => Reply::Buried,
            command => panic!("{command:?}"),
        };
        sent.push(command);
        match reclaim.handle_reply(claim, Ok(reply)).expect("no error") {
            Reclaimed::NotYet => assert!(sent.len() < 5, "it does not end: {sent:?}"),
            ended => return (sent, ended),
        }
    }
}

fn words(sent: &[Command]) -> Vec<&'static str> {
    sent.iter().map(|command| command.kind().word()).collect()
}

#[test]
fn the_same_job_is_reserved_again() {
    let (sent, ended) = attempt(&claim(), at(3500), &stats(2, 1, 0), "x");
    assert_eq!((words(&sent), ended), (vec!["peek", "stats-job", "reserve-job"], Reclaimed::Ours));
}

#[test]
fn a_job_with_an_equal_body_that_was_put_since_is_left_alone() {
    // It was reserved by somebody, too, and put just after the restart.
    for (now, age) in [(3000, 0), (3000, 1), (9000, 7)] {
        let (sent, ended) = attempt(&claim(), at(now), &stats(age, 1, 1), "x");
        assert_eq!((words(&sent), ended), (vec!["peek", "stats-job"], Reclaimed::Gone), "{now} {age}");
    }
}

#[test]
fn an_age_that_is_rounded_down_does_not_count_against_a_job() {
    assert_eq!(attempt(&claim(), at(2999), &stats(1, 1, 0), "x").1, Reclaimed::Ours);
    assert_eq!(attempt(&claim(), at(1000), &stats(0, 1, 0), "x").1, Reclaimed::Ours);
}

#[test]
fn a_job_that_nobody_has_reserved_is_another_one_unless_a_binlog_has_it() {
    assert_eq!(attempt(&claim(), at(1500), &stats(1, 0, 0), "x").1, Reclaimed::Gone);
    assert_eq!(attempt(&claim(), at(1500), &stats(1, 0, 3), "x").1, Reclaimed::Ours);
}

#[test]
fn a_job_of_another_tube_is_another_one() {
    let other = JobStats { tube: Some(tube("v")), ..stats(5, 1, 0) };
    assert_eq!(attempt(&claim(), at(1500), &other, "x").1, Reclaimed::Gone);
    // Any of the watched tubes will do, until the tube is known.
    let of_u = JobStats { tube: Some(tube("u")), ..stats(5, 1, 0) };
    let mut claim = claim();
    assert_eq!(attempt(&claim, at(1500), &of_u, "x").1, Reclaimed::Ours);
    claim.handle_stats(&stats(0, 1, 0));
    assert_eq!(attempt(&claim, at(1500), &of_u, "x").1, Reclaimed::Gone);
}

#[test]
fn a_server_that_does_not_answer_keeps_its_job() {
    for missing in 0..3 {
        let mut stats = stats(5, 1, 0);
        match missing {
            0 => stats.tube = None,
            1 => stats.age = None,
            _ => stats.reserves = None,
        }
        assert_eq!(attempt(&claim(), at(1500), &stats, "x").1, Reclaimed::Gone);
    }
}

#[test]
fn a_job_whose_body_differs_once_it_is_reserved_is_given_back_as_it_was() {
    let id = JobId(5);
    let ready = stats(5, 1, 0);
    let buried = JobStats { state: Some(JobState::Buried), ..ready.clone() };
    let time_left = Some(Duration::from_secs(9));
    let delayed = JobStats { state: Some(JobState::Delayed), time_left, ..ready.clone() };
    let cases = [
        (ready, Command::Release { id, priority: 7.into(), delay: 0 }),
        (delayed, Command::Release { id, priority: 7.into(), delay: 9 }),
        (buried, Command::Bury { id, priority: 7.into() }),
    ];
    for (stats, last) in cases {
        let (sent, ended) = attempt(&claim(), at(1500), &stats, "another");
        assert_eq!((sent.len(), sent.last(), ended), (4, Some(&last), Reclaimed::Gone));
    }
}

#[test]
fn another_body_ends_it_before_anything_else_is_asked() {
    let claim = Claim::new(&job("y"), vec![tube("t")], at(1000));
    let (sent, ended) = attempt(&claim, at(1500), &stats(5, 1, 0), "x");
    assert_eq!((words(&sent), ended), (vec!["peek"], Reclaimed::Gone));
}

#[test]
fn what_is_not_found_is_gone_and_other_errors_are_the_callers() {
    let error = |error| Err(Error::Command { command: "peek", subject: Subject::Job(JobId(5)), error });
    let mut reclaim = Reclaim::default();
    let claim = claim();
    reclaim.poll_command(&claim, at(1500));
    assert!(matches!(reclaim.handle_reply(&claim, error(CommandError::NotFound)), Ok(Reclaimed::Gone)));
    let failed = Reclaim::default().handle_reply(&claim, error(CommandError::OutOfMemory));
    let reason: Option<String> = failed.err().map(|error| alloc::format!("{error}"));
    assert!(reason.is_some_and(|reason| reason.contains("OUT_OF_MEMORY") || reason.contains("memory")));
}
