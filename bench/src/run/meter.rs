//! What a piece of work cost the client and the server.

use std::{fs, str::FromStr, time::Instant};

use anyhow::{Context, Result};

use crate::alloc;

/// Started right before the work, stopped right after it.
#[derive(Debug)]
pub(super) struct Meter {
    server: Option<u32>,
    server_ns: u64,
    client_ns: u64,
    allocations: u64,
    start: Instant,
}

impl Meter {
    pub(super) fn start(server: Option<u32>) -> Self {
        let server_ns = server.and_then(|pid| cpu_ns(pid).ok()).unwrap_or(0);
        let client_ns = cpu_ns(std::process::id()).unwrap_or(0);
        Self { server, server_ns, client_ns, allocations: alloc::allocations(), start: Instant::now() }
    }

    /// Prints what it cost, as a [`Sample`] on a line.
    pub(super) fn stop(self, count: u64) {
        let wall_ns = self.start.elapsed().as_nanos();
        let allocations = alloc::allocations() - self.allocations;
        let client_ns = cpu_ns(std::process::id()).unwrap_or(0).saturating_sub(self.client_ns);
        let server_ns = self.server.and_then(|pid| cpu_ns(pid).ok()).unwrap_or(0).saturating_sub(self.server_ns);
        println!("{count} {wall_ns} {client_ns} {server_ns} {allocations}");
    }
}

/// The processor time that the living threads of a process have had.
fn cpu_ns(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let times = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += times.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(sum)
}

/// What doing the work `count` times cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) count: u64,
    pub(crate) wall_ns: u64,
    pub(crate) client_ns: u64,
    pub(crate) server_ns: u64,
    pub(crate) allocations: u64,
}

impl Sample {
    /// Times a second.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 * 1e9 / self.wall_ns.max(1) as f64
    }

    /// Wall clock for one.
    pub(crate) fn ns_each(&self) -> f64 {
        self.wall_ns as f64 / self.count.max(1) as f64
    }

    /// The client's processor time for one.
    pub(crate) fn client_ns_each(&self) -> f64 {
        self.client_ns as f64 / self.count.max(1) as f64
    }

    /// The client's processor time over the server's.
    pub(crate) fn client_over_server(&self) -> f64 {
        self.client_ns as f64 / self.server_ns.max(1) as f64
    }
}

impl FromStr for Sample {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next().context("a number is missing")?.context("that is no number");
        Ok(Self { count: next()?, wall_ns: next()?, client_ns: next()?, server_ns: next()?, allocations: next()? })
    }
}
