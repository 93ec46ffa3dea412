//! A value of every command, and what the scripted server answers. Every reply differs from every other, so that one
//! that went to the wrong request is noticed.

use beanstalk_proto::{Command, Job, JobId, Kind, Priority, Reply};

/// What the server answers to a command that neither waits nor depends on what it holds.
pub(crate) fn reply_to(command: &Command) -> Reply {
    let found = |id: u64, what: &str| Job { id: JobId(id), body: format!("{what} {id}").into() };
    match command {
        Command::Put { priority: Priority(priority), body, .. } => {
            Reply::Inserted(JobId(u64::from(*priority) + 1000 * body.len() as u64))
        }
        Command::Peek { id } => Reply::Found(found(id.0, "peeked")),
        Command::PeekReady => Reply::Found(found(1, "ready")),
        Command::PeekDelayed => Reply::Found(found(2, "delayed")),
        Command::PeekBuried => Reply::Found(found(3, "buried")),
        Command::ReserveJob { id } => Reply::Reserved(found(id.0, "job")),
        Command::Reserve | Command::ReserveWithTimeout { .. } => Reply::TimedOut,
        Command::Delete { .. } => Reply::Deleted,
        Command::Release { .. } => Reply::Released,
        Command::Bury { .. } => Reply::Buried,
        Command::Kick { bound } => Reply::KickedCount(u64::from(*bound)),
        Command::KickJob { .. } => Reply::Kicked,
        Command::Touch { .. } => Reply::Touched,
        Command::StatsJob { id } => Reply::Ok(format!("job {id}").into()),
        Command::StatsTube { tube } => Reply::Ok(format!("tube {tube}").into()),
        Command::Stats => Reply::Ok("stats".into()),
        Command::Use { tube } => Reply::Using(tube.clone()),
        Command::Watch { tube } => Reply::Watching(tube.as_str().len() as u64),
        Command::Ignore { tube } => Reply::Watching(1000 + tube.as_str().len() as u64),
        Command::ListTubesWatched => Reply::Ok("watched".into()),
        Command::ListTubeUsed => Reply::Using("some-tube".parse().unwrap()),
        Command::ListTubes => Reply::Ok("tubes".into()),
        Command::Quit => Reply::Closed,
        Command::PauseTube { .. } => Reply::Paused,
    }
}

/// A value of every command; `n` makes each another.
pub(crate) fn sample(kind: Kind, n: u32) -> Command {
    let id = JobId(u64::from(n));
    let tube = || format!("tube-{n}").parse().unwrap();
    match kind {
        Kind::Put => Command::Put { priority: Priority(n), delay: 1, ttr: 2, body: b"some\r\nbody".to_vec() },
        Kind::Peek => Command::Peek { id },
        Kind::PeekReady => Command::PeekReady,
        Kind::PeekDelayed => Command::PeekDelayed,
        Kind::PeekBuried => Command::PeekBuried,
        Kind::ReserveWithTimeout => Command::ReserveWithTimeout { timeout: n },
        Kind::ReserveJob => Command::ReserveJob { id },
        Kind::Reserve => Command::Reserve,
        Kind::Delete => Command::Delete { id },
        Kind::Release => Command::Release { id, priority: Priority(n), delay: n },
        Kind::Bury => Command::Bury { id, priority: Priority(n) },
        Kind::Kick => Command::Kick { bound: n },
        Kind::KickJob => Command::KickJob { id },
        Kind::Touch => Command::Touch { id },
        Kind::StatsJob => Command::StatsJob { id },
        Kind::StatsTube => Command::StatsTube { tube: tube() },
        Kind::Stats => Command::Stats,
        Kind::Use => Command::Use { tube: tube() },
        Kind::Watch => Command::Watch { tube: tube() },
        Kind::Ignore => Command::Ignore { tube: tube() },
        Kind::ListTubesWatched => Command::ListTubesWatched,
        Kind::ListTubeUsed => Command::ListTubeUsed,
        Kind::ListTubes => Command::ListTubes,
        Kind::Quit => Command::Quit,
        Kind::PauseTube => Command::PauseTube { tube: tube(), delay: n },
    }
}
