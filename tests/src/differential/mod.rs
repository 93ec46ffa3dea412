//! The embedded server against a real beanstalkd: the same is done to both, and both must answer the same.
//!
//! ```text
//!   seed ─▶ generate ──▶ Step ──▶ pair ──┬─▶ embedded server ─▶ replies ──┐
//!              ▲                         └─▶ beanstalkd ──────▶ replies ──┴─▶ compare
//!              └───────────── what was answered ◀─────────────────────────────┘
//! ```
//!
//! One connection acts at a time, and acts again only when both servers have seen what it did, so the order in which
//! they see things is the script's. Each script has two fresh servers, and takes less time than any delay, deadline or
//! timeout in it; one that took longer is not judged but repeated. Behaviour in time is tested elsewhere.
//!
//! Replies are compared byte for byte, statistics key by key: `compare.rs` lists which values may differ. A difference is
//! reported with the seed and with the shortest script found that shows it.

mod commands;
mod compare;
mod generate;
mod link;
mod pair;
pub mod quirks;
mod random;
mod script;
mod shrink;
mod sides;

pub use generate::Done;
pub use pair::{Difference, run};
pub use script::{Script, Step};

use std::io;

use beanstalk_server::proto::Dialect;

/// How often a script is repeated that took too long.
const REPEATS: usize = 20;

/// Runs the script of a seed; returns how the servers differed, if they did.
pub fn run_seed(seed: u64) -> Result<Done, String> {
    let mut last = None;
    let mut seen = None;
    for _ in 0..REPEATS {
        match generate::run(seed) {
            Ok(done) => return Ok(Done { unconfirmed: seen.is_some().into(), ..done }),
            Err((difference, _)) if difference.late => last = Some(difference.what),
            // What a seed shows it shows again, unless the machine was in its way.
            Err((difference, _)) if seen.is_none() => {
                println!("seed {seed}: a difference, to be confirmed:\n{}", difference.what);
                seen = Some(difference);
            }
            Err((difference, script)) => {
                let found = difference.what.clone();
                let (script, difference) = shrink::shrink(script, difference);
                return Err(format!(
                    "seed {seed}: the servers differ at\n{found}\n\nas this script shows:\n{script}at its end: {}",
                    difference.what
                ));
            }
        }
    }
    Err(format!("seed {seed}: it took too long {REPEATS} times; the last time: {}", last.unwrap_or_default()))
}

/// The words of the replies to a script, from the real server or from ours.
pub fn words(steps: &[Step], real: bool) -> io::Result<String> {
    let mut side = if real { sides::Side::real(None)? } else { sides::Side::embedded(None, Dialect::V1_12)? };
    let mut words = Vec::new();
    for step in steps {
        side.act(step)?;
        for (_, heard) in side.settled_replies()? {
            words.push(String::from_utf8_lossy(heard.word()).into_owned());
        }
    }
    Ok(words.join(" "))
}
