//! Instructions, allocations and system calls for one piece of work: figures that a busy machine does not change.
//!
//! The work is done N times and 2N times, with the same made ready before, and the difference is divided by N. So neither
//! starting up nor connecting counts. callgrind counts instructions, strace system calls, of all threads; the allocator
//! counts for itself.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result};

use crate::{
    picture::{self, Bar},
    report::{Table, thousands},
    rounds::median,
    server::{Job, Kind, Pin, Server},
    task::{Contender, Work},
};

/// How often in the shorter of two runs.
const COUNT: u64 = 512;

/// What one contender needs for one piece of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    pub(crate) syscalls: f64,
}

/// The work that is counted for clients.
pub(crate) const WORKS: [Work; 8] = [
    Work::Put16,
    Work::Cycle16,
    Work::PutOwned60k,
    Work::PutBorrowed60k,
    Work::Peek60k,
    Work::Touch,
    Work::Delete,
    Work::PutPipelined,
];

/// The work that is counted for the core.
pub(crate) const CORE: [Work; 2] = [Work::CoreParse, Work::CoreSession];

/// Counts one contender at one piece of work. Where threads of the runtime wake each other it is chance how often, so then
/// it is done several times, for the medians.
pub(crate) fn count(contender: Contender, work: Work) -> Result<Count> {
    let times = if matches!(contender, Contender::RawAsyncStd | Contender::AsyncStd) { 3 } else { 1 };
    let counts = (0..times).map(|_| count_once(contender, work)).collect::<Result<Vec<_>>>()?;
    let middle = |figure: fn(&Count) -> f64| median(counts.iter().map(figure).collect());
    Ok(Count {
        instructions: middle(|count| count.instructions),
        allocations: middle(|count| count.allocations),
        syscalls: middle(|count| count.syscalls),
    })
}

fn count_once(contender: Contender, work: Work) -> Result<Count> {
    let (once_instructions, once_allocations) = callgrind(contender, work, COUNT)?;
    let (twice_instructions, twice_allocations) = callgrind(contender, work, 2 * COUNT)?;
    let syscalls = match work.is_core() {
        true => 0.0,
        false => strace(contender, work, 2 * COUNT)? - strace(contender, work, COUNT)?,
    };
    let count = COUNT as f64;
    Ok(Count {
        instructions: (twice_instructions - once_instructions) / count,
        allocations: (twice_allocations - once_allocations) / count,
        syscalls: syscalls / count,
    })
}

fn callgrind(contender: Contender, work: Work, count: u64) -> Result<(f64, f64)> {
    let out = Scratch::new("callgrind");
    let to = format!("--callgrind-out-file={}", out.0.display());
    let (job, server) =
        (Job { prepare: 2 * COUNT, ..Job::new(contender, work, count) }, Server::start(Kind::Beanstalkd)?);
    let tool = ["valgrind", "--tool=callgrind", &to];
    let (sample, errors) = job.run(&tool, Pin::One, server.port, server.pid())?;
    let collected = errors.lines().find_map(|line| line.split_once("Collected : "));
    let (_, collected) = collected.context("callgrind did not report what it collected")?;
    Ok((collected.trim().parse()?, sample.allocations as f64))
}

fn strace(contender: Contender, work: Work, count: u64) -> Result<f64> {
    let out = Scratch::new("strace");
    let (job, server) =
        (Job { prepare: 2 * COUNT, ..Job::new(contender, work, count) }, Server::start(Kind::Beanstalkd)?);
    let path = out.0.display().to_string();
    job.run(&["strace", "-f", "-c", "-o", &path], Pin::One, server.port, server.pid())?;
    let summary = fs::read_to_string(&out.0)?;
    let total = summary.lines().rev().find(|line| line.ends_with(" total")).context("strace gave no total")?;
    let calls = total.split_whitespace().nth(3).context("strace's total has another shape")?;
    Ok(calls.parse()?)
}

/// A file that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("bench-{name}-{}", process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The table of all counts.
pub(crate) fn report(pictures: Option<&Path>) -> Result<String> {
    let mut text = String::new();
    for work in WORKS {
        eprintln!("{work}");
        let mut table = Table::new(&[work.title(), "instructions", "over its floor", "allocations", "system calls"]);
        let mut counted = Vec::new();
        for contender in Contender::ALL.into_iter().filter(|contender| contender.can(work)) {
            let count = count(contender, work)?;
            counted.push((contender, count.instructions));
            let floor = counted.iter().find(|(other, _)| *other == contender.floor()).map(|(_, floor)| *floor);
            let over = match floor {
                Some(floor) if contender.floor() != contender => {
                    let over = count.instructions - floor;
                    format!("{}{}", if over < -0.5 { "" } else { "+" }, thousands(over))
                }
                _ => "–".to_owned(),
            };
            table.row([
                contender.title().to_owned(),
                thousands(count.instructions),
                over,
                format!("{:.2}", count.allocations),
                format!("{:.2}", count.syscalls),
            ]);
        }
        text += &table.render();
        text += "\n";
        if let (Work::Put16, Some(pictures)) = (work, pictures) {
            let bars = counted.iter().map(|(contender, value)| Bar {
                label: contender.title().replace("**", ""),
                value: *value,
                ours: contender.is_ours(),
            });
            let mut bars: Vec<_> = bars.collect();
            bars.sort_by(|a, b| a.value.total_cmp(&b.value));
            let drawn = picture::bars("Instructions for a put of 16 bytes", "in user space, connected already", &bars);
            fs::write(pictures.join("instructions.svg"), drawn)?;
        }
    }
    let mut table = Table::new(&["The core alone", "instructions", "allocations"]);
    for work in CORE {
        let count = count(Contender::Core, work)?;
        table.row([work.title().to_owned(), thousands(count.instructions), format!("{:.2}", count.allocations)]);
    }
    text += &table.render();
    Ok(text)
}
