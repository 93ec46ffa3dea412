//! Values of the protocol, one arm for every command and every reply there is.
//!
//! The matches have no wildcard on purpose: a command that is added to the table does not compile here until it can be made.

use beanstalk_proto::{Command, Job, JobId, Kind, OtherReply, Priority, Reply, ReplyKind, TubeName};

use crate::source::Source;

/// Any command.
pub fn any_command(source: &mut Source<'_>) -> Command {
    let kind = source.pick(Kind::ALL);
    command(kind, source)
}

/// A command of this kind.
pub fn command(kind: Kind, source: &mut Source<'_>) -> Command {
    match kind {
        Kind::Put => Command::Put {
            priority: Priority(source.u32()),
            delay: source.u32(),
            ttr: source.u32(),
            body: source.body(),
        },
        Kind::Peek => Command::Peek { id: id(source) },
        Kind::PeekReady => Command::PeekReady,
        Kind::PeekDelayed => Command::PeekDelayed,
        Kind::PeekBuried => Command::PeekBuried,
        Kind::ReserveWithTimeout => Command::ReserveWithTimeout { timeout: source.u32() },
        Kind::ReserveJob => Command::ReserveJob { id: id(source) },
        Kind::Reserve => Command::Reserve,
        Kind::Delete => Command::Delete { id: id(source) },
        Kind::Release => Command::Release { id: id(source), priority: Priority(source.u32()), delay: source.u32() },
        Kind::Bury => Command::Bury { id: id(source), priority: Priority(source.u32()) },
        Kind::Kick => Command::Kick { bound: source.u32() },
        Kind::KickJob => Command::KickJob { id: id(source) },
        Kind::Touch => Command::Touch { id: id(source) },
        Kind::StatsJob => Command::StatsJob { id: id(source) },
        Kind::StatsTube => Command::StatsTube { tube: tube(source) },
        Kind::Stats => Command::Stats,
        Kind::Use => Command::Use { tube: tube(source) },
        Kind::Watch => Command::Watch { tube: tube(source) },
        Kind::Ignore => Command::Ignore { tube: tube(source) },
        Kind::ListTubesWatched => Command::ListTubesWatched,
        Kind::ListTubeUsed => Command::ListTubeUsed,
        Kind::ListTubes => Command::ListTubes,
        Kind::Quit => Command::Quit,
        Kind::PauseTube => Command::PauseTube { tube: tube(source), delay: source.u32() },
    }
}

/// Any tube name, from one byte to 200.
pub fn tube(source: &mut Source<'_>) -> TubeName {
    const BYTES: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/;.$_()-";
    match source.u8() {
        0..64 => TubeName::default(),
        // The longest, and one less.
        first @ 64..72 => TubeName::new("x".repeat(199 + usize::from(first & 1))).expect("a valid name"),
        first => {
            let mut name = String::from(char::from(BYTES[usize::from(first) % (BYTES.len() - 1)]));
            name.extend(source.bytes(199).iter().map(|&byte| char::from(BYTES[usize::from(byte) % BYTES.len()])));
            TubeName::new(name).expect("it is made of what names are made of")
        }
    }
}

/// Any reply that is of the protocol.
pub fn any_reply(source: &mut Source<'_>) -> Reply {
    let kind = source.pick(ReplyKind::ALL);
    reply(kind, source)
}

/// A reply of this kind.
pub fn reply(kind: ReplyKind, source: &mut Source<'_>) -> Reply {
    match kind {
        ReplyKind::Inserted => Reply::Inserted(id(source)),
        ReplyKind::Buried => Reply::Buried,
        ReplyKind::BuriedId => Reply::BuriedId(id(source)),
        ReplyKind::Using => Reply::Using(tube(source)),
        ReplyKind::Reserved => Reply::Reserved(job(source)),
        ReplyKind::DeadlineSoon => Reply::DeadlineSoon,
        ReplyKind::TimedOut => Reply::TimedOut,
        ReplyKind::Deleted => Reply::Deleted,
        ReplyKind::Released => Reply::Released,
        ReplyKind::Touched => Reply::Touched,
        ReplyKind::Watching => Reply::Watching(source.u64()),
        ReplyKind::NotIgnored => Reply::NotIgnored,
        ReplyKind::Found => Reply::Found(job(source)),
        ReplyKind::Kicked => Reply::Kicked,
        ReplyKind::KickedCount => Reply::KickedCount(source.u64()),
        ReplyKind::Ok => Reply::Ok(source.body()),
        ReplyKind::Paused => Reply::Paused,
        ReplyKind::NotFound => Reply::NotFound,
        ReplyKind::ExpectedCrlf => Reply::ExpectedCrlf,
        ReplyKind::JobTooBig => Reply::JobTooBig,
        ReplyKind::Draining => Reply::Draining,
        ReplyKind::OutOfMemory => Reply::OutOfMemory,
        ReplyKind::InternalError => Reply::InternalError,
        ReplyKind::BadFormat => Reply::BadFormat,
        ReplyKind::UnknownCommand => Reply::UnknownCommand,
    }
}

/// A reply with a word of its own, if these bytes make one.
pub fn other_reply(source: &mut Source<'_>) -> Option<OtherReply> {
    let body = source.bool().then(|| source.body());
    OtherReply::new(source.bytes(255), body).ok()
}

fn id(source: &mut Source<'_>) -> JobId {
    JobId(source.u64())
}

fn job(source: &mut Source<'_>) -> Job {
    Job { id: id(source), body: source.body() }
}

/// Whether a reply is a refusal, so that a call fails with an error of the server's.
pub fn is_refusal(kind: ReplyKind) -> bool {
    match kind {
        ReplyKind::NotFound
        | ReplyKind::NotIgnored
        | ReplyKind::ExpectedCrlf
        | ReplyKind::JobTooBig
        | ReplyKind::Draining
        | ReplyKind::OutOfMemory
        | ReplyKind::InternalError
        | ReplyKind::BadFormat
        | ReplyKind::UnknownCommand => true,
        ReplyKind::Inserted
        | ReplyKind::Buried
        | ReplyKind::BuriedId
        | ReplyKind::Using
        | ReplyKind::Reserved
        | ReplyKind::DeadlineSoon
        | ReplyKind::TimedOut
        | ReplyKind::Deleted
        | ReplyKind::Released
        | ReplyKind::Touched
        | ReplyKind::Watching
        | ReplyKind::Found
        | ReplyKind::Kicked
        | ReplyKind::KickedCount
        | ReplyKind::Ok
        | ReplyKind::Paused => false,
    }
}
