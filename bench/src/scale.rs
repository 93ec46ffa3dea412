//! The embedded server beside beanstalkd: how fast, and what an operation costs when there is much in it.

use std::env;

use anyhow::Result;

use crate::{
    report::{Table, thousands, time},
    rounds::{Rounds, median},
    run::{self, Sample},
    server::{Job, Kind, Pin, Server},
    task::{Contender, Work},
};

/// The same work done by a bare socket, so that it is the servers that are compared: beanstalkd-rs as well, if
/// `BEANSTALKD_RS` names it.
pub(crate) fn servers(rounds: usize) -> Result<String> {
    let mut kinds = vec![(Kind::Beanstalkd, "beanstalkd"), (Kind::Embedded, "embedded")];
    match env::var_os("BEANSTALKD_RS") {
        Some(_) => kinds.push((Kind::BeanstalkdRs, "beanstalkd-rs")),
        None => eprintln!("servers: BEANSTALKD_RS names no program: beanstalkd-rs is not measured"),
    }
    let mut text = String::new();
    let works = [(Work::Put16, 8000), (Work::Cycle16, 2500), (Work::PutPipelined, 60_000)];
    for pin in [Pin::One, Pin::Each] {
        let mut table = Table::new(&[pin.title(), "server", "a second", "speed / beanstalkd", "CPU / beanstalkd"]);
        for (work, count) in works {
            eprint!("servers: {work}, {}", pin.title());
            let job = Job::new(Contender::Raw, work, count);
            let cases: Vec<_> = kinds.iter().map(|&(kind, _)| (job, kind)).collect();
            let measured = Rounds::measure(&cases, rounds, pin)?;
            for (case, (_, server)) in kinds.iter().enumerate() {
                table.row([
                    work.title().to_owned(),
                    (*server).to_owned(),
                    thousands(measured.median(case, Sample::rate)),
                    format!("{:.2}", measured.ratio(case, 0, Sample::rate)),
                    format!("{:.2}", measured.ratio(case, 0, |sample| sample.server_ns as f64)),
                ]);
            }
        }
        text += &table.render();
        text += "\n";
    }
    Ok(text)
}

/// What is in the server before anything is measured.
#[derive(Clone, Copy, Debug)]
enum Load {
    Jobs(u64),
    Tubes(u64),
}

impl Load {
    fn into_server(self, port: u16) -> Result<()> {
        match self {
            Self::Jobs(jobs) => run::fill(port, jobs),
            Self::Tubes(tubes) => run::fill_tubes(port, tubes),
        }
    }
}

/// The server's processor time for a put, a reserve and a delete, with much and with little in it.
pub(crate) fn load(rounds: usize) -> Result<String> {
    let pairs = [
        ("1,000,000 jobs ready in one tube / 1,000", Load::Jobs(1_000_000), Load::Jobs(1000)),
        ("10,000 tubes / 1,000", Load::Tubes(10_000), Load::Tubes(1000)),
    ];
    let mut text = String::new();
    for (kind, title) in [(Kind::Embedded, "embedded server"), (Kind::Beanstalkd, "beanstalkd")] {
        let mut table = Table::new(&[title, "work", "server CPU each, much", "little", "much / little"]);
        for (name, much, little) in pairs {
            // Servers live on through the rounds: filling one takes longer than what is measured. All work leaves in the
            // server what was there.
            let servers = [Server::start(kind)?, Server::start(kind)?];
            much.into_server(servers[0].port)?;
            little.into_server(servers[1].port)?;
            for work in [Work::Cycle16, Work::Touch] {
                eprint!("load: {title}, {name}, {work}");
                let mut samples = [Vec::new(), Vec::new()];
                for round in 0..rounds {
                    for at in [round % 2, (round + 1) % 2] {
                        let (server, job) = (&servers[at], Job::new(Contender::Raw, work, 4000));
                        samples[at].push(job.run(&[], Pin::Each, server.port, server.pid())?.0);
                    }
                    eprint!(".");
                }
                eprintln!();
                let each = |sample: &Sample| sample.server_ns as f64 / sample.count as f64;
                let ratios = std::iter::zip(&samples[0], &samples[1]).map(|(much, little)| each(much) / each(little));
                let ratio = median(ratios.collect());
                let [much, little] = samples.map(|samples| time(median(samples.iter().map(each).collect())));
                table.row([name.to_owned(), work.title().to_owned(), much, little, format!("{ratio:.2}")]);
            }
        }
        text += &table.render();
        text += "\n";
    }
    Ok(text)
}
