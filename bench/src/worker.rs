//! Our workers, with one slot each, beside the loop that anybody would write with the same client.

use anyhow::Result;

use crate::{
    counts,
    report::{Table, thousands, time},
    rounds::Rounds,
    run::Sample,
    server::{Job, Kind, Pin},
    task::{Contender, Work},
};

/// Each loop, and the worker on the same client.
const PAIRS: [(Contender, Contender); 3] = [
    (Contender::Blocking, Contender::BlockingWorker),
    (Contender::Tokio, Contender::TokioWorker),
    (Contender::AsyncStd, Contender::AsyncStdWorker),
];

pub(crate) fn report(rounds: usize) -> Result<String> {
    let mut text = String::new();
    for pin in [Pin::One, Pin::Each] {
        for (work, count) in [(Work::Arriving, 1000), (Work::Filled, 5000)] {
            eprint!("{work}, {}", pin.title());
            text += &one(work, count, rounds, pin)?;
            text += "\n";
        }
    }
    Ok(text)
}

/// Instructions, allocations and system calls of a job.
pub(crate) fn counts() -> Result<String> {
    let title = Work::Filled.title();
    let mut table = Table::new(&[title, "instructions", "/ its own loop", "allocations", "system calls"]);
    for (own_loop, worker) in PAIRS {
        let floor = counts::count(own_loop, Work::Filled)?;
        for (contender, how, count) in
            [(own_loop, ", a loop", floor), (worker, "", counts::count(worker, Work::Filled)?)]
        {
            table.row([
                format!("{}{how}", contender.title()),
                thousands(count.instructions),
                format!("{:.2}", count.instructions / floor.instructions),
                format!("{:.2}", count.allocations),
                format!("{:.2}", count.syscalls),
            ]);
        }
    }
    Ok(table.render())
}

fn one(work: Work, count: u64, rounds: usize, pin: Pin) -> Result<String> {
    let both = PAIRS.iter().flat_map(|&(own_loop, worker)| [own_loop, worker]);
    let cases: Vec<_> = both.map(|contender| (Job::new(contender, work, count), Kind::Beanstalkd)).collect();
    let measured = Rounds::measure(&cases, rounds, pin)?;
    let title = format!("{}; {}", work.title(), pin.title());
    let mut table = Table::new(&[&title, "done a second", "/ its own loop", "client CPU each", "CPU / its own loop"]);
    for (case, (job, _)) in cases.iter().enumerate() {
        let own_loop = case - case % 2;
        let how = if job.contender.is_worker() { "" } else { ", a loop" };
        table.row([
            format!("{}{how}", job.contender.title()),
            thousands(measured.median(case, Sample::rate)),
            format!("{:.3}", measured.ratio(case, own_loop, Sample::rate)),
            time(measured.median(case, Sample::client_ns_each)),
            format!("{:.2}", measured.ratio(case, own_loop, Sample::client_ns_each)),
        ]);
    }
    Ok(table.render())
}
