//! Looking after tubes: clearing and scanning beside a bare socket that sends the same commands, behind a proxy beside one command at a time,
//! and what a scan costs another client.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use beanstalk_sync::{
    Client, Command, Error, JobFilter, JobId, Priority, Put, Queue, ScanOptions, clear_tube, kick_buried, move_jobs,
    scan,
};

use crate::{
    proxy::Proxy,
    report::{Table, thousands, time},
    rounds::median,
    server::{Kind, Server},
};

/// Jobs in a tube that is cleared, and ids that are scanned.
const JOBS: u64 = 50_000;
/// Jobs that are handled one command at a time, behind a proxy.
const ONE_BY_ONE: u64 = 100;
/// How far away the proxy makes a server, each way.
const AWAY: Duration = Duration::from_millis(1);
/// How often another client puts.
const PACE: Duration = Duration::from_micros(500);

pub(crate) fn report(rounds: usize) -> Result<String> {
    Ok(format!("{}\n{}\n{}", beside_bare(rounds)?, behind_a_proxy()?, beside_puts(rounds)?))
}

fn connect(port: u16) -> Result<Client> {
    Ok(Client::connect(&format!("127.0.0.1:{port}"))?)
}

/// Puts jobs of 16 bytes into tube `t`, buried if they are to be.
fn fill(port: u16, jobs: u64, buried: bool) -> Result<()> {
    let mut client = connect(port)?;
    client.use_tube("t")?;
    for put in client.call_all((0..jobs).map(|_| Put::of("sixteen bytes ..").ttr(3600_u32))) {
        put?.inserted()?;
    }
    if buried {
        // One at a time: what a connection holds costs beanstalkd time with each of its commands.
        let both = |id| [Command::ReserveJob { id }, Command::Bury { id, priority: Priority(0) }];
        for done in client.call_all((1..=jobs).map(JobId).flat_map(both)) {
            done?;
        }
    }
    Ok(())
}

/// Sends two commands for each id with so many commands in flight, and reads their replies: how long that takes.
fn bare(port: u16, window: usize, first: &str, second: &str) -> Result<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let lines: Vec<String> =
        (1..=JOBS).flat_map(|id| [format!("{first} {id}\r\n"), format!("{second} {id}\r\n")]).collect();
    let start = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    let (mut buf, mut filled, mut skip) = (vec![0; 64 * 1024], 0, 0);
    let mut out = Vec::new();
    while answered < lines.len() {
        if sent - answered <= window / 2 {
            out.clear();
            while sent < lines.len() && sent - answered < window {
                out.extend_from_slice(lines[sent].as_bytes());
                sent += 1;
            }
            stream.write_all(&out)?;
        }
        let n = stream.read(&mut buf[filled..])?;
        ensure!(n > 0, "the server ended the connection");
        filled += n;
        let mut at = 0;
        loop {
            if skip > filled - at {
                skip -= filled - at;
                at = filled;
                break;
            }
            at += skip;
            skip = 0;
            let Some(end) = buf[at..filled].iter().position(|&byte| byte == b'\n') else { break };
            let line = &buf[at..at + end - 1];
            at += end + 1;
            if line.starts_with(b"OK ") || line.starts_with(b"FOUND ") {
                let length = line.rsplit(|&byte| byte == b' ').next().context("a length")?;
                skip = std::str::from_utf8(length)?.parse::<usize>()? + 2;
            }
            answered += 1;
        }
        buf.copy_within(at..filled, 0);
        filled -= at;
    }
    Ok(start.elapsed())
}

/// Looks at every job.
fn scan_all(port: u16, window: usize) -> Result<Duration> {
    let mut client = connect(port)?;
    let start = Instant::now();
    let found =
        scan(&mut client, ScanOptions::new().window(window))?.try_fold(0, |found, job| job.map(|_| found + 1))?;
    ensure!(found == JOBS, "{found} jobs of {JOBS} were found");
    Ok(start.elapsed())
}

fn clear_all(port: u16) -> Result<Duration> {
    let mut client = connect(port)?;
    let start = Instant::now();
    let cleared = clear_tube(&mut client, "t", &Queue::ALL)?;
    ensure!(cleared == JOBS, "{cleared} jobs of {JOBS} were cleared");
    Ok(start.elapsed())
}

fn beside_bare(rounds: usize) -> Result<String> {
    type Measured = fn(u16) -> Result<Duration>;
    let cases: [(&str, Measured, Measured); 3] = [
        ("clear: stats-job and delete", clear_all, |port| bare(port, 512, "stats-job", "delete")),
        (
            "scan: stats-job and peek, 16 in flight",
            |port| scan_all(port, 16),
            |port| bare(port, 16, "stats-job", "peek"),
        ),
        ("scan, 512 in flight", |port| scan_all(port, 512), |port| bare(port, 512, "stats-job", "peek")),
    ];
    let mut table = Table::new(&["beanstalkd", "jobs a second", "bare socket", "speed, ours / bare"]);
    for (name, ours, bare) in cases {
        eprint!("upkeep: {name}");
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for at in [round % 2, (round + 1) % 2] {
                let server = Server::start(Kind::Beanstalkd)?;
                fill(server.port, JOBS, false)?;
                times[at].push([ours, bare][at](server.port)?.as_secs_f64());
            }
            eprint!(".");
        }
        eprintln!();
        let ratio = median(std::iter::zip(&times[1], &times[0]).map(|(bare, ours)| bare / ours).collect());
        let [ours, bare] = times.map(|times| JOBS as f64 / median(times));
        table.row([name.to_owned(), thousands(ours), thousands(bare), format!("{ratio:.2}")]);
    }
    Ok(table.render())
}

/// How many a second, of so many that take so long.
fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

fn far(port: u16) -> Result<Client> {
    connect(Proxy::start(port, AWAY)?.port)
}

/// What a command comes to for each of some jobs, one at a time.
fn one_by_one(port: u16, mut each: impl FnMut(&mut Client) -> Result<(), Error>) -> Result<f64> {
    let mut client = far(port)?;
    client.use_tube("t")?;
    let start = Instant::now();
    for _ in 0..ONE_BY_ONE {
        each(&mut client)?;
    }
    Ok(rate(ONE_BY_ONE, start.elapsed()))
}

fn behind_a_proxy() -> Result<String> {
    eprintln!("upkeep: behind a proxy");
    let mut table = Table::new(&["1 ms away each way", "jobs a second", "one command at a time", "times"]);
    let mut row = |name: &str, many: f64, one: f64| {
        table.row([name.to_owned(), thousands(many), thousands(one), format!("{:.0}", many / one)]);
    };
    let filled = |buried| -> Result<Server> {
        let server = Server::start(Kind::Beanstalkd)?;
        fill(server.port, JOBS, buried)?;
        Ok(server)
    };
    let server = filled(false)?;
    let one = one_by_one(server.port, |client| {
        let id = client.peek_ready()?.id;
        client.delete(id)
    })?;
    let start = Instant::now();
    let cleared = clear_tube(&mut far(server.port)?, "t", &Queue::ALL)?;
    row("clear", rate(cleared, start.elapsed()), one);
    let server = filled(true)?;
    let one = one_by_one(server.port, |client| {
        let id = client.peek_buried()?.id;
        client.kick_job(id)
    })?;
    let start = Instant::now();
    let kicked = kick_buried(&mut far(server.port)?, "t", JobFilter::all())?;
    row("kick", rate(kicked, start.elapsed()), one);
    let (server, target) = (filled(false)?, Server::start(Kind::Beanstalkd)?);
    let mut to = far(target.port)?;
    to.use_tube("t")?;
    let one = one_by_one(server.port, |client| {
        let id = client.peek_ready()?.id;
        client.stats_job(id)?;
        let job = client.reserve_job(id)?;
        to.put(0, 0, 60, job.body)?.inserted()?;
        client.delete(id)
    })?;
    let start = Instant::now();
    let moved = move_jobs(&mut far(server.port)?, "t", &mut to, "t", JobFilter::all())?;
    row("move", rate(moved, start.elapsed()), one);
    Ok(table.render())
}

/// Puts at a steady pace until it is over: how long each took.
fn puts(port: u16, over: &AtomicBool) -> Result<Vec<f64>> {
    let mut client = connect(port)?;
    client.use_tube("other")?;
    let mut took = Vec::new();
    let mut due = Instant::now();
    while !over.load(Ordering::Relaxed) {
        due += PACE;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        let id = client.put(0, 0, 60, "sixteen bytes ..")?.inserted()?;
        took.push(start.elapsed().as_secs_f64() * 1e9);
        client.delete(id)?;
    }
    took.sort_by(f64::total_cmp);
    Ok(took)
}

/// The share of puts that took no longer.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// How long puts take while something else goes on for a while.
fn while_going_on(port: u16, mut run: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let putting = scope.spawn(|| puts(port, &over));
        let until = Instant::now() + Duration::from_secs(2);
        let mut ran = Ok(());
        while ran.is_ok() && Instant::now() < until {
            ran = run();
        }
        over.store(true, Ordering::Relaxed);
        ran?;
        putting.join().map_err(|_| anyhow::anyhow!("the puts panicked"))?
    })
}

fn beside_puts(rounds: usize) -> Result<String> {
    let server = Server::start(Kind::Beanstalkd)?;
    fill(server.port, JOBS, false)?;
    let windows = [None, Some(ScanOptions::new()), Some(ScanOptions::new().window(512))];
    let mut samples = windows.clone().map(|_| Vec::new());
    eprint!("upkeep: puts beside a scan");
    for round in 0..rounds {
        for turn in 0..windows.len() {
            let at = (round + turn) % windows.len();
            let mut client = connect(server.port)?;
            samples[at].push(while_going_on(server.port, || {
                let Some(options) = windows[at].clone() else {
                    thread::sleep(Duration::from_millis(50));
                    return Ok(());
                };
                // A part at a time, so that it ends when it should.
                for job in scan(&mut client, options.to(JobId(5000)))? {
                    job?;
                }
                Ok(())
            })?);
        }
        eprint!(".");
    }
    eprintln!();
    let mut table =
        Table::new(&["puts of another client, beanstalkd", "half within", "99 % within", "99 %, against without"]);
    let names = ["alone", "beside a scan", "beside a scan with 512 in flight"];
    let alone: Vec<f64> = samples[0].iter().map(|puts| percentile(puts, 0.99)).collect();
    for (name, samples) in std::iter::zip(names, &samples) {
        let of = |share| -> Vec<f64> { samples.iter().map(|puts| percentile(puts, share)).collect() };
        let ratio = median(std::iter::zip(of(0.99), &alone).map(|(with, alone)| with / alone).collect());
        table.row([name.to_owned(), time(median(of(0.5))), time(median(of(0.99))), format!("{ratio:.2}")]);
    }
    Ok(table.render())
}
