//! The protocol read a second time, as plainly as can be: no state, no shortcuts, whole inputs only. Written from the protocol's
//! description, to be compared with the real parsers.

use beanstalk_proto::{
    Command, Dialect, Job, JobId, Kind, MAX_LINE, Priority, Refused, Reply, ReplyKind, TIMEOUT_FOREVER, TubeName,
    server::Event,
};

/// What the start of an input is.
#[derive(Debug, PartialEq, Eq)]
pub enum Start<T> {
    /// Not enough of it to say.
    Incomplete,
    /// Nothing the peer may send.
    Wrong,
    /// This, in so many bytes.
    Item(T, usize),
}

/// The reply that an input starts with. A word that is not of the protocol is `None`, and has no body.
pub fn reply(input: &[u8]) -> Start<Option<Reply>> {
    // A record of TLS, complete or not.
    if input.starts_with(b"\x15\x03") {
        return Start::Wrong;
    }
    let Some(line) = line(input) else {
        return if input.len() < MAX_LINE { Start::Incomplete } else { Start::Wrong };
    };
    let line_len = line.len() + 2;
    if line_len > MAX_LINE {
        return Start::Wrong;
    }
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    if words[0].is_empty() {
        return Start::Wrong;
    }
    if !ReplyKind::ALL.iter().any(|kind| kind.word().as_bytes() == words[0]) {
        return Start::Item(None, line_len);
    }
    let id = |word: &[u8]| Some(JobId(number(word)?));
    let bare = |reply| Some((reply, None));
    let parsed: Option<(Reply, Option<u64>)> = (|| match words[..] {
        [b"INSERTED", n] => bare(Reply::Inserted(id(n)?)),
        [b"BURIED"] => bare(Reply::Buried),
        [b"BURIED", n] => bare(Reply::BuriedId(id(n)?)),
        [b"USING", name] => bare(Reply::Using(tube(name)?)),
        [b"RESERVED", n, bytes] => Some((Reply::Reserved(Job { id: id(n)?, body: Vec::new() }), Some(length(bytes)?))),
        [b"DEADLINE_SOON"] => bare(Reply::DeadlineSoon),
        [b"TIMED_OUT"] => bare(Reply::TimedOut),
        [b"DELETED"] => bare(Reply::Deleted),
        [b"RELEASED"] => bare(Reply::Released),
        [b"TOUCHED"] => bare(Reply::Touched),
        [b"WATCHING", n] => bare(Reply::Watching(number(n)?)),
        [b"NOT_IGNORED"] => bare(Reply::NotIgnored),
        [b"FOUND", n, bytes] => Some((Reply::Found(Job { id: id(n)?, body: Vec::new() }), Some(length(bytes)?))),
        [b"KICKED"] => bare(Reply::Kicked),
        [b"KICKED", n] => bare(Reply::KickedCount(number(n)?)),
        [b"OK", bytes] => Some((Reply::Ok(Vec::new()), Some(length(bytes)?))),
        [b"PAUSED"] => bare(Reply::Paused),
        [b"NOT_FOUND"] => bare(Reply::NotFound),
        [b"EXPECTED_CRLF"] => bare(Reply::ExpectedCrlf),
        [b"JOB_TOO_BIG"] => bare(Reply::JobTooBig),
        [b"DRAINING"] => bare(Reply::Draining),
        [b"OUT_OF_MEMORY"] => bare(Reply::OutOfMemory),
        [b"INTERNAL_ERROR"] => bare(Reply::InternalError),
        [b"BAD_FORMAT"] => bare(Reply::BadFormat),
        [b"UNKNOWN_COMMAND"] => bare(Reply::UnknownCommand),
        _ => None,
    })();
    match parsed {
        None => Start::Wrong,
        Some((reply, None)) => Start::Item(Some(reply), line_len),
        Some((mut reply, Some(bytes))) => {
            let rest = &input[line_len..];
            if u128::from(bytes) + 2 > rest.len() as u128 {
                return Start::Incomplete;
            }
            let bytes = usize::try_from(bytes).expect("it is shorter than the input");
            if rest[bytes..bytes + 2] != *b"\r\n" {
                return Start::Wrong;
            }
            match &mut reply {
                Reply::Reserved(job) | Reply::Found(job) => job.body = rest[..bytes].to_vec(),
                Reply::Ok(body) => *body = rest[..bytes].to_vec(),
                _ => unreachable!("only these have a body"),
            }
            Start::Item(Some(reply), line_len + bytes + 2)
        }
    }
}

/// Every command of a client in these bytes, as a server sees it that answers at once. What is incomplete at the end is
/// dropped; so is what follows a `quit`, which is the last item then.
pub fn session(input: &[u8], max_job_size: u32, dialect: Dialect) -> (Vec<Event>, bool) {
    let (events, _, quit) = session_so_far(input, max_job_size, dialect);
    (events, quit)
}

/// The same, with how much of the input it is: from there it can be read on when more has come. A put whose body is incomplete is
/// announced again then.
pub fn session_so_far(input: &[u8], max_job_size: u32, dialect: Dialect) -> (Vec<Event>, usize, bool) {
    let mut events = Vec::new();
    let mut rest = input;
    while let Some(line) = line(rest) {
        let complete = input.len() - rest.len();
        rest = &rest[line.len() + 2..];
        if line.len() + 2 > MAX_LINE {
            events.push(refuse(None, Reply::BadFormat, false, b""));
            continue;
        }
        match command(line, dialect) {
            Err(refused) => events.push(Event::Refused(Refused { line: line.to_vec(), ..refused })),
            Ok(Read { command: Command::Quit, .. }) => return (events, input.len(), true),
            Ok(Read { command, body: None, .. }) => events.push(Event::Command(command)),
            Ok(Read { trailing: true, body: Some(bytes), .. }) if bytes <= max_job_size => {
                events.push(refuse(Some(Kind::Put), Reply::BadFormat, true, line));
            }
            Ok(Read { mut command, body: Some(bytes), .. }) => {
                let too_big = bytes > max_job_size;
                events.push(Event::PutAnnounced { too_big });
                let bytes = bytes as usize;
                if rest.len() < bytes + 2 {
                    return (events, complete, false);
                }
                let (sent, trailer) = (&rest[..bytes], &rest[bytes..bytes + 2]);
                if let Command::Put { body, .. } = &mut command {
                    *body = sent.to_vec();
                }
                events.push(match (too_big, trailer) {
                    (true, _) => refuse(Some(Kind::Put), Reply::JobTooBig, false, b""),
                    (false, b"\r\n") => Event::Command(command),
                    (false, _) => refuse(Some(Kind::Put), Reply::ExpectedCrlf, false, b""),
                });
                rest = &rest[bytes + 2..];
            }
        }
    }
    (events, input.len() - rest.len(), false)
}

fn refuse(kind: Option<Kind>, reply: Reply, counted: bool, line: &[u8]) -> Event {
    Event::Refused(Refused { kind, reply, counted, line: line.to_vec() })
}

/// A command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    pub command: Command,
    /// The length of the body that follows.
    pub body: Option<u32>,
    /// Whether something follows the arguments of a `put`.
    pub trailing: bool,
}

/// Reads a command line without its CR LF.
pub fn command(line: &[u8], dialect: Dialect) -> Result<Read, Refused> {
    const WORDS: &[(&[u8], Kind)] = &[
        (b"put ", Kind::Put),
        (b"peek ", Kind::Peek),
        (b"peek-ready", Kind::PeekReady),
        (b"peek-delayed", Kind::PeekDelayed),
        (b"peek-buried", Kind::PeekBuried),
        (b"reserve", Kind::Reserve),
        (b"reserve-with-timeout ", Kind::ReserveWithTimeout),
        (b"reserve-job ", Kind::ReserveJob),
        (b"delete ", Kind::Delete),
        (b"release ", Kind::Release),
        (b"bury ", Kind::Bury),
        (b"kick ", Kind::Kick),
        (b"kick-job ", Kind::KickJob),
        (b"touch ", Kind::Touch),
        (b"stats", Kind::Stats),
        (b"stats-job ", Kind::StatsJob),
        (b"stats-tube ", Kind::StatsTube),
        (b"use ", Kind::Use),
        (b"watch ", Kind::Watch),
        (b"ignore ", Kind::Ignore),
        (b"list-tubes", Kind::ListTubes),
        (b"list-tube-used", Kind::ListTubeUsed),
        (b"list-tubes-watched", Kind::ListTubesWatched),
        (b"pause-tube", Kind::PauseTube),
        (b"quit", Kind::Quit),
    ];
    let refused = |kind, reply, counted| Refused { kind, reply, counted, line: Vec::new() };
    if line.contains(&0) {
        return Err(refused(None, Reply::BadFormat, false));
    }
    let starts = |word: &[u8]| word.first() == line.first() && line.starts_with(word);
    let longest = WORDS.iter().filter(|(word, _)| starts(word)).max_by_key(|(word, _)| word.len());
    let Some(&(word, kind)) = longest else { return Err(refused(None, Reply::UnknownCommand, false)) };
    let rest = &line[word.len()..];
    // A tube may be named that cannot be: the server counts that before it sees it.
    let mut counted = false;
    let read = (|| {
        let whole = |command| Some(Read { command, body: None, trailing: false });
        let only = |command| if rest.is_empty() { whole(command) } else { None };
        let only_id = || id_at_end(rest);
        match kind {
            Kind::Put => {
                let (pri, rest) = unsigned(rest)?;
                let (delay, rest) = unsigned(rest)?;
                let (ttr, rest) = unsigned(rest)?;
                let (bytes, rest) = unsigned(rest)?;
                let command = Command::Put {
                    priority: Priority(small(pri)?),
                    delay: small(delay)?,
                    ttr: small(ttr)?,
                    body: Vec::new(),
                };
                Some(Read { command, body: Some(small(bytes)?), trailing: !rest.is_empty() })
            }
            Kind::Peek => whole(Command::Peek { id: only_id()? }),
            Kind::PeekReady => only(Command::PeekReady),
            Kind::PeekDelayed => only(Command::PeekDelayed),
            Kind::PeekBuried => only(Command::PeekBuried),
            Kind::ReserveWithTimeout => whole(Command::ReserveWithTimeout { timeout: timeout(rest, dialect)? }),
            Kind::ReserveJob => whole(Command::ReserveJob { id: only_id()? }),
            Kind::Reserve => only(Command::Reserve),
            Kind::Delete => whole(Command::Delete { id: only_id()? }),
            Kind::Release => {
                let (id, rest) = unsigned(rest)?;
                let (pri, rest) = unsigned(rest)?;
                let (delay, rest) = unsigned(rest)?;
                let command = Command::Release { id: JobId(id), priority: Priority(small(pri)?), delay: small(delay)? };
                if rest.is_empty() { whole(command) } else { None }
            }
            Kind::Bury => {
                let (id, rest) = unsigned(rest)?;
                let (pri, rest) = unsigned(rest)?;
                let command = Command::Bury { id: JobId(id), priority: Priority(small(pri)?) };
                if rest.is_empty() { whole(command) } else { None }
            }
            Kind::Kick => match strto(rest) {
                (_, None, _) | (_, _, 0) => None,
                (negative, Some(n), _) => {
                    let n = if negative { (1 << 64) - n } else { n };
                    whole(Command::Kick { bound: (n % (1 << 32)) as u32 })
                }
            },
            Kind::KickJob => whole(Command::KickJob { id: only_id()? }),
            Kind::Touch => whole(Command::Touch { id: only_id()? }),
            Kind::StatsJob => whole(Command::StatsJob { id: only_id()? }),
            Kind::StatsTube => whole(Command::StatsTube { tube: tube(rest)? }),
            Kind::Stats => only(Command::Stats),
            Kind::Use => whole(Command::Use { tube: tube(rest)? }),
            Kind::Watch => whole(Command::Watch { tube: tube(rest)? }),
            Kind::Ignore => whole(Command::Ignore { tube: tube(rest)? }),
            Kind::ListTubesWatched => only(Command::ListTubesWatched),
            Kind::ListTubeUsed => only(Command::ListTubeUsed),
            Kind::ListTubes => only(Command::ListTubes),
            Kind::Quit => whole(Command::Quit),
            Kind::PauseTube => {
                let rest = after_spaces(rest);
                let end = rest.iter().position(|&byte| !in_name(byte)).unwrap_or(rest.len());
                let (name, rest) = rest.split_at(end);
                let (delay, rest) = unsigned(rest)?;
                let delay = small(delay)?;
                if name.is_empty() || !rest.is_empty() {
                    return None;
                }
                counted = tube(name).is_none();
                whole(Command::PauseTube { tube: tube(name)?, delay })
            }
        }
    })();
    read.ok_or_else(|| refused(Some(kind), Reply::BadFormat, counted))
}

/// The bytes before the first CR LF.
pub fn line(input: &[u8]) -> Option<&[u8]> {
    (0..input.len().saturating_sub(1)).find(|&at| input[at] == b'\r' && input[at + 1] == b'\n').map(|at| &input[..at])
}

/// A number as a server writes it.
fn number(word: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(word).ok()?;
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The length of a body: 32 bits, as no server can have a longer one.
fn length(word: &[u8]) -> Option<u64> {
    number(word).filter(|&bytes| bytes <= u64::from(u32::MAX))
}

fn tube(name: &[u8]) -> Option<TubeName> {
    let valid = (1..=200).contains(&name.len()) && name[0] != b'-' && name.iter().all(|&byte| in_name(byte));
    let text = std::str::from_utf8(name).ok().filter(|_| valid)?;
    Some(TubeName::new(text).expect("the rules are the same"))
}

fn in_name(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'+' | b'/' | b';' | b'.' | b'$' | b'_' | b'(' | b')')
}

fn after_spaces(bytes: &[u8]) -> &[u8] {
    let spaces = bytes.iter().take_while(|&&byte| byte == b' ').count();
    &bytes[spaces..]
}

/// Spaces, digits, and what follows them.
fn unsigned(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let bytes = after_spaces(bytes);
    let (value, digits) = digits(bytes);
    if digits == 0 { None } else { Some((u64::try_from(value?).ok()?, &bytes[digits..])) }
}

fn id_at_end(bytes: &[u8]) -> Option<JobId> {
    match unsigned(bytes)? {
        (id, []) => Some(JobId(id)),
        _ => None,
    }
}

fn small(number: u64) -> Option<u32> {
    number.try_into().ok()
}

/// The digits that the bytes start with: their value, if it fits 64 bits, and how many there are.
fn digits(bytes: &[u8]) -> (Option<u128>, usize) {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut value = Some(0_u128);
    for digit in &bytes[..count] {
        value = value.map(|value| value * 10 + u128::from(digit - b'0')).filter(|&value| value < 1 << 64);
    }
    (value, count)
}

/// What C's `strtol` and `strtoul` see: a sign, a magnitude, and how many digits.
fn strto(bytes: &[u8]) -> (bool, Option<u128>, usize) {
    let spaces = bytes.iter().take_while(|byte| b" \t\n\x0b\x0c\r".contains(byte)).count();
    let bytes = &bytes[spaces..];
    let (negative, bytes) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    let (value, count) = digits(bytes);
    (negative, value, count)
}

fn timeout(bytes: &[u8], dialect: Dialect) -> Option<u32> {
    match dialect {
        Dialect::V1_13 => unsigned(bytes).and_then(|(seconds, _)| small(seconds)).filter(|&seconds| seconds < 1 << 31),
        Dialect::V1_12 => {
            let (negative, magnitude, _) = strto(bytes);
            let value = i128::try_from(magnitude?).ok()? * if negative { -1 } else { 1 };
            // It must fit a C `long`, and is then cut to an `int`, of which a negative one has no end.
            let value = i64::try_from(value).ok()?;
            let cut = value as i32;
            Some(u32::try_from(cut).unwrap_or(TIMEOUT_FOREVER))
        }
    }
}
