//! The clients at work with a server: serial, pipelined, draining, over a slow line.

use std::path::Path;

use anyhow::Result;

use crate::{
    picture::{self, Bar},
    proxy::Proxy,
    report::{Table, thousands, time},
    rounds::Rounds,
    run::Sample,
    server::{Job, Kind, Pin, Server},
    task::{Contender, Work},
};

const BOTH: [Pin; 2] = [Pin::One, Pin::Each];

/// Everybody at one piece of work, with the bare socket first.
fn everybody(work: Work, count: u64) -> Vec<(Job, Kind)> {
    let able = Contender::ALL.into_iter().filter(|contender| contender.can(work));
    able.map(|contender| (Job::new(contender, work, count), Kind::Beanstalkd)).collect()
}

/// A command at a time: at the mercy of the kernel and the server.
pub(crate) fn serial(rounds: usize) -> Result<String> {
    let mut text = String::new();
    let works = [(Work::Put16, 4000), (Work::Cycle16, 1300), (Work::PutOwned60k, 600), (Work::Peek60k, 600)];
    for pin in BOTH {
        for (work, count) in works {
            eprint!("{work}, {}", pin.title());
            let cases = everybody(work, count);
            let measured = Rounds::measure(&cases, rounds, pin)?;
            let title = format!("{}; {}", work.title(), pin.title());
            let mut table =
                Table::new(&[&title, "a second", "speed / bare socket", "client CPU each", "client CPU / server CPU"]);
            for (case, (job, _)) in cases.iter().enumerate() {
                table.row([
                    job.contender.title().to_owned(),
                    thousands(measured.median(case, Sample::rate)),
                    format!("{:.2}", measured.ratio(case, 0, Sample::rate)),
                    time(measured.median(case, Sample::client_ns_each)),
                    format!("{:.2}", measured.median(case, Sample::client_over_server)),
                ]);
            }
            text += &table.render();
            text += "\n";
        }
    }
    Ok(text)
}

/// Many commands in flight; draws the picture as well.
pub(crate) fn pipeline(rounds: usize, pictures: Option<&Path>) -> Result<String> {
    let mut text = String::new();
    for pin in BOTH {
        eprint!("pipelined puts, {}", pin.title());
        let mut cases = everybody(Work::PutPipelined, 30_000);
        let serial = cases.len();
        cases.extend(everybody(Work::Put16, 4000));
        let measured = Rounds::measure(&cases, rounds, pin)?;
        let case_of =
            |contender, work| cases.iter().position(|(job, _)| job.contender == contender && job.work == work);

        let title = format!("put 16 B; {}", pin.title());
        let mut table = Table::new(&[
            &title,
            "a second",
            "/ its floor, pipelined",
            "/ bare socket, serial",
            "client CPU / server CPU",
        ]);
        let mut bars = Vec::new();
        for (case, (job, _)) in cases.iter().enumerate() {
            let rate = measured.median(case, Sample::rate);
            let floor = case_of(job.contender.floor(), Work::PutPipelined).unwrap_or(0);
            let how = if case < serial { "64 in flight" } else { "one at a time" };
            table.row([
                format!("{}, {how}", job.contender.title()),
                thousands(rate),
                format!("{:.2}", measured.ratio(case, floor, Sample::rate)),
                format!("{:.2}", measured.ratio(case, serial, Sample::rate)),
                format!("{:.2}", measured.median(case, Sample::client_over_server)),
            ]);
            let label = format!("{}, {how}", job.contender.title().replace("**", ""));
            bars.push(Bar { label, value: rate, ours: job.contender.is_ours() });
        }
        text += &table.render();

        let fastest_published = |ours: usize| {
            let others = cases.iter().enumerate().filter(|(_, (job, _))| job.contender.is_published());
            others.map(|(other, _)| measured.ratio(ours, other, Sample::rate)).fold(f64::INFINITY, f64::min)
        };
        for ours in (0..serial).filter(|&case| cases[case].0.contender.is_ours()) {
            let (title, times) = (cases[ours].0.contender.title(), fastest_published(ours));
            text += &format!("\n{title}, 64 in flight, over the fastest published client: ×{times:.1}.\n");
        }
        text += "\n";
        if let (Some(pictures), Pin::Each) = (pictures, pin) {
            bars.sort_by(|a, b| b.value.total_cmp(&a.value));
            let drawn =
                picture::bars("Puts of 16 bytes a second", "beanstalkd 1.12, client and server on a core each", &bars);
            std::fs::write(pictures.join("throughput.svg"), drawn)?;
        }
    }
    Ok(text)
}

/// Emptying a queue: a command at a time, a delete with the next reserve, and many in flight.
pub(crate) fn drain(rounds: usize) -> Result<String> {
    let mut text = String::new();
    for pin in BOTH {
        eprint!("drain, {}", pin.title());
        let mut cases = everybody(Work::Drain, 2000);
        let serial = cases.len();
        cases.extend(everybody(Work::DrainPaired, 2000));
        cases.extend(everybody(Work::DrainPipelined, 15_000));
        let measured = Rounds::measure(&cases, rounds, pin)?;
        let title = format!("reserve and delete 16 B; {}", pin.title());
        let mut table = Table::new(&[
            &title,
            "jobs a second",
            "/ its own serial drain",
            "/ bare socket, likewise",
            "client CPU / server CPU",
        ]);
        for (case, (job, _)) in cases.iter().enumerate() {
            let own = cases[..serial].iter().position(|(other, _)| other.contender == job.contender).unwrap_or(0);
            let bare = cases.iter().position(|(other, _)| other.contender == Contender::Raw && other.work == job.work);
            let how = match job.work {
                Work::Drain => "a command at a time",
                Work::DrainPaired => "delete with the next reserve",
                _ => "64 in flight",
            };
            table.row([
                format!("{}, {how}", job.contender.title()),
                thousands(measured.median(case, Sample::rate)),
                format!("{:.2}", measured.ratio(case, own, Sample::rate)),
                format!("{:.2}", measured.ratio(case, bare.unwrap_or(0), Sample::rate)),
                format!("{:.2}", measured.median(case, Sample::client_over_server)),
            ]);
        }
        text += &table.render();
        text += "\n";
    }
    Ok(text)
}

/// Bodies of 16 MiB both ways, as fast as a bare socket moves them.
pub(crate) fn large(rounds: usize) -> Result<String> {
    let mut text = String::new();
    for pin in BOTH {
        eprint!("{}, {}", Work::Cycle16m, pin.title());
        let cases = everybody(Work::Cycle16m, 20);
        let measured = Rounds::measure(&cases, rounds, pin)?;
        let title = format!("{}; {}", Work::Cycle16m.title(), pin.title());
        let mut table = Table::new(&[
            &title,
            "MiB a second, both ways",
            "speed / its floor",
            "client CPU each",
            "client CPU / its floor",
        ]);
        for (case, (job, _)) in cases.iter().enumerate() {
            let floor = cases.iter().position(|(other, _)| other.contender == job.contender.floor()).unwrap_or(case);
            let floor = if job.contender.is_ours() { floor } else { case };
            table.row([
                job.contender.title().to_owned(),
                thousands(32.0 * measured.median(case, Sample::rate)),
                format!("{:.2}", measured.ratio(case, floor, Sample::rate)),
                time(measured.median(case, Sample::client_ns_each)),
                format!("{:.2}", measured.ratio(case, floor, Sample::client_ns_each)),
            ]);
        }
        text += &table.render();
        text += "\n";
    }
    Ok(text)
}

/// Large bodies both ways through one pipeline, which jams whoever writes without reading.
pub(crate) fn alternate(pairs: u64) -> Result<String> {
    let mut table =
        Table::new(&["put and peek 60 KiB in turn", "pairs", "took", "pairs a second", "client CPU / server CPU"]);
    for (job, kind) in everybody(Work::Alternate, pairs) {
        let how = if job.contender.is_ours() { "one pipeline" } else { "a command at a time" };
        eprintln!("alternate: {}", job.contender);
        let sample = job.measure(kind, Pin::Each)?;
        table.row([
            format!("{}, {how}", job.contender.title()),
            thousands(sample.count as f64),
            time(sample.wall_ns as f64),
            thousands(sample.rate()),
            format!("{:.2}", sample.client_over_server()),
        ]);
    }
    Ok(table.render())
}

/// A server a millisecond away.
pub(crate) fn latency(rounds: usize) -> Result<String> {
    let delay = std::time::Duration::from_millis(1);
    let cases = [
        (Contender::Blocking, Work::Put16, 250),
        (Contender::Blocking, Work::PutPipelined, 10_000),
        (Contender::Tokio, Work::PutPipelined, 10_000),
        (Contender::AsyncStd, Work::PutPipelined, 10_000),
        (Contender::Tokio, Work::SharedOne, 250),
        (Contender::Tokio, Work::SharedHundred, 10_000),
    ];
    let cases: Vec<_> = cases.into_iter().filter(|(contender, work, _)| contender.can(*work)).collect();
    let mut samples = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for (case, &(contender, work, count)) in cases.iter().enumerate() {
            let server = Server::start(Kind::Beanstalkd)?;
            let proxy = Proxy::start(server.port, delay)?;
            samples[case].push(Job::new(contender, work, count).run(&[], Pin::Each, proxy.port, server.pid())?.0);
        }
        eprint!(".");
    }
    eprintln!();
    let rounds = Rounds::of(samples);
    let case_of = |contender, work| cases.iter().position(|case| (case.0, case.1) == (contender, work)).unwrap_or(0);
    let serial = case_of(Contender::Blocking, Work::Put16);
    let one = case_of(Contender::Tokio, Work::SharedOne);
    let mut table = Table::new(&["1 ms each way", "puts", "10,000 take", "time / serial", "speed / one task"]);
    for (case, (contender, work, count)) in cases.iter().enumerate() {
        let over_one = match work {
            Work::SharedOne | Work::SharedHundred => format!("×{:.1}", rounds.ratio(case, one, Sample::rate)),
            _ => "–".to_owned(),
        };
        table.row([
            format!("{}, {}", contender.title(), work.title()),
            thousands(*count as f64),
            time(rounds.median(case, Sample::ns_each) * 10_000.0),
            format!("{:.2} %", 100.0 * rounds.ratio(case, serial, Sample::ns_each)),
            over_one,
        ]);
    }
    Ok(table.render())
}
