//! What the server of the pair answers: numbered, so that a reply shows which command it was for.

use beanstalk_proto::{Command, Job, JobId, Reply, ReplyKind, TubeName};

use crate::source::pattern;

/// Bodies of all sizes, told apart by the id.
pub(super) fn body_of(id: u64) -> Vec<u8> {
    let mut body = id.to_string().into_bytes();
    body.extend(pattern(length_behind(id), 0));
    body
}

/// How long the body of an id is.
pub(super) fn length_of(id: u64) -> usize {
    id.to_string().len() + length_behind(id)
}

fn length_behind(id: u64) -> usize {
    let n = usize::try_from(id % 64).expect("it is small");
    // The longest is longer than what a connection has room for at once.
    if n % 16 == 15 { n * 200 } else { n }
}

/// One of the answers that a command may get, with the number in it where it has room for one.
pub(super) fn answer_to(command: &Command, n: u64, how: u8) -> Reply {
    let job = |id: JobId| Job { id, body: body_of(n) };
    if how < 8 {
        return Reply::OutOfMemory;
    }
    match command {
        _ if how < 40 && command.kind().replies().contains(ReplyKind::NotFound) => Reply::NotFound,
        Command::Put { .. } => match how {
            8..16 => Reply::BuriedId(JobId(n)),
            16..24 => Reply::Draining,
            24..32 => Reply::JobTooBig,
            _ => Reply::Inserted(JobId(n)),
        },
        Command::Peek { id } => Reply::Found(job(*id)),
        Command::PeekReady | Command::PeekDelayed | Command::PeekBuried => Reply::Found(job(JobId(n))),
        Command::ReserveJob { id } => Reply::Reserved(job(*id)),
        Command::Delete { .. } => Reply::Deleted,
        Command::Release { .. } if how & 1 == 0 => Reply::Buried,
        Command::Release { .. } => Reply::Released,
        Command::Bury { .. } => Reply::Buried,
        Command::Kick { .. } => Reply::KickedCount(n),
        Command::KickJob { .. } => Reply::Kicked,
        Command::Touch { .. } => Reply::Touched,
        Command::StatsJob { .. } | Command::StatsTube { .. } | Command::Stats => Reply::Ok(body_of(n)),
        Command::ListTubesWatched | Command::ListTubes => Reply::Ok(body_of(n)),
        Command::Use { tube } => Reply::Using(tube.clone()),
        Command::Watch { .. } => Reply::Watching(n),
        Command::Ignore { .. } if how & 1 == 0 => Reply::NotIgnored,
        Command::Ignore { .. } => Reply::Watching(n),
        Command::ListTubeUsed => Reply::Using(TubeName::new(format!("tube{n}")).expect("a valid name")),
        Command::PauseTube { .. } => Reply::Paused,
        Command::Reserve | Command::ReserveWithTimeout { .. } | Command::Quit => unreachable!("answered elsewhere"),
    }
}
