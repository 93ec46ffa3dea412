//! Holds the counts to `limits.txt`. Times are not held: they depend on the machine and on its mood.

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::{
    counts::{self, Count},
    report::Table,
    task::{Contender, Work},
};

/// What is held.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Not,
    At(f64),
    OverFloor(f64),
}

/// How far a count may be over its limit.
#[derive(Clone, Copy, Debug, Default)]
struct Margins {
    /// A fraction of the limit.
    instructions: f64,
    allocations: f64,
    syscalls: f64,
}

/// A line of the file.
#[derive(Clone, Copy, Debug)]
struct Held {
    contender: Contender,
    work: Work,
    instructions: Limit,
    allocations: Limit,
    syscalls: Limit,
}

/// Counts what the file names and fails if anything is over its limit and margin.
pub(crate) fn check(limits: &Path, only: Option<Contender>) -> Result<()> {
    let text = fs::read_to_string(limits).with_context(|| format!("could not read {}", limits.display()))?;
    let (margins, held) = parse(&text)?;
    let held: Vec<_> = held.into_iter().filter(|held| only.is_none_or(|only| held.contender == only)).collect();
    ensure!(!held.is_empty(), "the file holds nothing of that");

    let mut counted = HashMap::new();
    let mut count = |contender: Contender, work: Work| -> Result<Count> {
        if let Some(count) = counted.get(&(contender, work)) {
            return Ok(*count);
        }
        let count = counts::count(contender, work)?;
        counted.insert((contender, work), count);
        Ok(count)
    };

    let mut table = Table::new(&["", "instructions", "allocations", "system calls", ""]);
    let mut failures = 0;
    for held in &held {
        let floor = match held.needs_floor() {
            true => Some(count(held.contender.floor(), held.work)?),
            false => None,
        };
        let count = count(held.contender, held.work)?;
        let mut passes = true;
        let mut cell = |limit: Limit, figure: fn(&Count) -> f64, margin: &dyn Fn(f64) -> f64| {
            let limit = match limit {
                Limit::Not => return format!("{:.2}", figure(&count)),
                Limit::At(limit) => limit,
                Limit::OverFloor(over) => over + floor.as_ref().map_or(0.0, figure),
            };
            let within = figure(&count) <= limit + margin(limit);
            passes &= within;
            format!("{:.2} {} {limit:.2}", figure(&count), if within { "≤" } else { "**>**" })
        };
        let instructions = cell(held.instructions, |count| count.instructions, &|limit| limit * margins.instructions);
        let allocations = cell(held.allocations, |count| count.allocations, &|_| margins.allocations);
        let syscalls = cell(held.syscalls, |count| count.syscalls, &|_| margins.syscalls);
        failures += usize::from(!passes);
        let verdict = if passes { "ok" } else { "over" };
        table.row([
            format!("{} {}", held.contender, held.work),
            instructions,
            allocations,
            syscalls,
            verdict.to_owned(),
        ]);
        eprintln!("{} {}: {verdict}", held.contender, held.work);
    }
    println!("{}", table.render());
    println!("{} passed, {failures} failed", held.len() - failures);
    if failures > 0 {
        bail!("{failures} of {} are over their limits", held.len());
    }
    Ok(())
}

impl Held {
    fn needs_floor(&self) -> bool {
        [self.instructions, self.allocations, self.syscalls].iter().any(|limit| matches!(limit, Limit::OverFloor(_)))
    }
}

fn parse(text: &str) -> Result<(Margins, Vec<Held>)> {
    let mut margins = Margins::default();
    let mut held = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let read = match words[..] {
            [] => Ok(()),
            ["margin", "instructions", percent, "%"] => {
                number(percent).map(|percent| margins.instructions = percent / 100.0)
            }
            ["margin", "allocations", margin] => number(margin).map(|margin| margins.allocations = margin),
            ["margin", "syscalls", margin] => number(margin).map(|margin| margins.syscalls = margin),
            [contender, work, instructions, allocations, syscalls] => {
                one(contender, work, [instructions, allocations, syscalls]).map(|one| held.push(one))
            }
            _ => bail!("neither a margin nor a limit"),
        };
        read.with_context(|| format!("in the line {line:?}"))?;
    }
    Ok((margins, held))
}

fn one(contender: &str, work: &str, limits: [&str; 3]) -> Result<Held> {
    let contender = Contender::from_str(contender, false).map_err(anyhow::Error::msg)?;
    let work = Work::from_str(work, false).map_err(anyhow::Error::msg)?;
    let [instructions, allocations, syscalls] = limits.map(limit);
    Ok(Held { contender, work, instructions: instructions?, allocations: allocations?, syscalls: syscalls? })
}

fn limit(text: &str) -> Result<Limit> {
    Ok(match text.strip_prefix("floor+") {
        Some(over) => Limit::OverFloor(number(over)?),
        None if text == "-" => Limit::Not,
        None => Limit::At(number(text)?),
    })
}

fn number(text: &str) -> Result<f64> {
    text.parse().with_context(|| format!("{text:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_in_the_repository_can_be_read() {
        let (margins, held) = parse(include_str!("../limits.txt")).unwrap();
        assert!(margins.instructions > 0.0 && held.len() > 10);
    }

    #[test]
    fn a_line_that_holds_nothing_is_refused() {
        for bad in
            ["blocking put16", "blocking put16 1 2", "nobody put16 1 2 3", "blocking sleep 1 2 3", "margin luck 1"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
