//! When two replies are the same.

use std::collections::BTreeMap;

use super::{link::Heard, script::shown, sides::Beside};

/// Facts of a process, which two servers do not share.
const OF_THE_PROCESS: &[&str] = &["pid", "rusage-utime", "rusage-stime"];

/// Seconds since something or until something. They may differ by the moment at which they were read.
const CLOCKS: &[&str] = &["uptime", "age", "time-left", "pause-time-left"];

/// By how many seconds clocks may differ.
const TOLERANCE: i64 = 1;

/// What else is known about two servers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) ours: Beside,
    pub(super) theirs: Beside,
    /// The real server calls itself by the name of the release that the embedded one speaks as.
    pub(super) is_release: bool,
}

/// Says how two replies differ, if they do.
pub(super) fn difference(context: &Context, ours: &Heard, theirs: &Heard) -> Option<String> {
    let same = match (stats(ours), stats(theirs)) {
        (Some(ours), Some(theirs)) => return stats_difference(context, &ours, &theirs),
        _ => ours == theirs,
    };
    (!same).then(|| format!("ours:   {}\ntheirs: {}", told(ours), told(theirs)))
}

/// A reply, for a person.
pub(super) fn told(heard: &Heard) -> String {
    match heard {
        Heard::Reply { line, body: None } => format!("\"{}\"", shown(line)),
        Heard::Reply { line, body: Some(body) } => format!("\"{}{}\"", shown(line), shown(body)),
        Heard::End => "the end".into(),
    }
}

/// The keys and values of a statistics reply. Lists of names are none.
fn stats(heard: &Heard) -> Option<Vec<(&str, &str)>> {
    let Heard::Reply { line, body: Some(body) } = heard else { return None };
    if !line.starts_with(b"OK ") {
        return None;
    }
    let lines = std::str::from_utf8(body).ok()?.strip_prefix("---\n")?.strip_suffix("\r\n")?;
    lines.strip_suffix('\n')?.split('\n').map(|line| line.split_once(": ")).collect()
}

fn stats_difference(context: &Context, ours: &[(&str, &str)], theirs: &[(&str, &str)]) -> Option<String> {
    let keys = |stats: &[(&str, &str)]| stats.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>();
    if keys(ours) != keys(theirs) {
        return Some(format!("our keys:   {:?}\ntheir keys: {:?}", keys(ours), keys(theirs)));
    }
    let differing: BTreeMap<_, _> = ours
        .iter()
        .zip(theirs)
        .filter(|((key, ours), (_, theirs))| !same_value(context, key, ours, theirs))
        .map(|((key, ours), (_, theirs))| (*key, (*ours, *theirs)))
        .collect();
    (!differing.is_empty()).then(|| format!("in statistics, ours and theirs: {differing:?}"))
}

fn same_value(context: &Context, key: &str, ours: &str, theirs: &str) -> bool {
    let number = |text: &str| text.parse::<i64>().ok();
    match key {
        _ if OF_THE_PROCESS.contains(&key) => shape(ours) == shape(theirs),
        _ if CLOCKS.contains(&key) => match (number(ours), number(theirs)) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= TOLERANCE,
            _ => false,
        },
        "cmd-stats" => apart(ours, context.ours.stats) == apart(theirs, context.theirs.stats),
        "total-connections" => apart(ours, context.ours.connections) == apart(theirs, context.theirs.connections),
        "id" if is_server_id(ours) => is_server_id(theirs),
        "version" if !context.is_release => true,
        _ => ours == theirs,
    }
}

/// A counter without what the script has no part in.
fn apart(value: &str, beside: u64) -> Option<u64> {
    value.parse::<u64>().ok()?.checked_sub(beside)
}

/// What a number looks like, but for how many digits it has.
fn shape(value: &str) -> String {
    let mut shape = String::new();
    for byte in value.bytes() {
        let class = if byte.is_ascii_digit() { '0' } else { char::from(byte) };
        if !(class == '0' && shape.ends_with('0')) {
            shape.push(class);
        }
    }
    shape
}

/// Whether this is a server's id, not a job's.
fn is_server_id(value: &str) -> bool {
    value.len() == 16 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}
