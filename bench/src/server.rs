//! A fresh server for every measurement, and where it and the client run.

use std::{
    env,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{
    producer::Producer,
    run::{self, Sample},
    task::{Contender, Work, name_of},
};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// beanstalkd, found in the path or named by `BEANSTALKD`.
    Beanstalkd,
    /// The embedded server of this repository, in a process of its own.
    Embedded,
    /// beanstalkd-rs, named by `BEANSTALKD_RS`, without a write-ahead log, as beanstalkd here.
    BeanstalkdRs,
}

/// On which processors. The two are different experiments: never compare their figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pin {
    /// Client and server share one.
    One,
    /// The client has one and the server another.
    Each,
}

impl Pin {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::One => "client and server on one core",
            Self::Each => "client and server on a core each",
        }
    }

    /// Where a producer runs that is not measured: not with the client.
    pub(crate) const fn producer(self) -> &'static str {
        match self {
            Self::One => "0",
            Self::Each => "1",
        }
    }

    const fn client(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Each => "0",
        }
    }
}

/// The longest body that beanstalkd takes: 16 MiB.
const MAX_JOB_SIZE: &str = "16777216";

/// A running server; ends when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    kind: Kind,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start(kind: Kind) -> Result<Self> {
        let port = unused_port()?;
        let mut server = Self { child: Self::spawn(kind, port)?, kind, port };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    /// Kills it, and starts it again after so long, on the same port.
    pub(crate) fn restart(&mut self, away: Duration) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        thread::sleep(away);
        self.child = Self::spawn(self.kind, self.port)?;
        self.wait_until_it_listens()
    }

    fn spawn(kind: Kind, port: u16) -> Result<Child> {
        let mut command = on_core("1");
        match kind {
            Kind::Beanstalkd => command.arg(env::var("BEANSTALKD").unwrap_or_else(|_| "beanstalkd".to_owned())),
            Kind::Embedded => command.arg(env::current_exe()?).arg("serve"),
            Kind::BeanstalkdRs => command.arg(env::var("BEANSTALKD_RS").context("BEANSTALKD_RS names no server")?),
        };
        if kind == Kind::Beanstalkd {
            command.args(["-z", MAX_JOB_SIZE]);
        }
        command.args(["-l", "127.0.0.1", "-p", &port.to_string()]);
        command.stdin(Stdio::null()).spawn().context("could not start taskset and the server")
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended before it listened: {status}");
            }
            if Instant::now() > until {
                bail!("the server does not listen on port {}", self.port);
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `taskset` becomes the server, so this is the server's own.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on, below those that the system gives to connections: none of them takes it before the server
/// does, or while the server is away.
fn unused_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const PORTS: u32 = 20_000;
    for _ in 0..PORTS {
        let number = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = 10_000 + u16::try_from(number)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}

pub(crate) fn on_core(core: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]);
    command
}

/// What one process is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) contender: Contender,
    pub(crate) work: Work,
    pub(crate) count: u64,
    pub(crate) prepare: u64,
}

impl Job {
    pub(crate) const fn new(contender: Contender, work: Work, count: u64) -> Self {
        Self { contender, work, count, prepare: count }
    }

    /// Puts the jobs that it takes, and does it in a process of its own, started by `tool` if that is not empty; gives what that printed on
    /// both outputs.
    pub(crate) fn run(&self, tool: &[&str], pin: Pin, port: u16, server: u32) -> Result<(Sample, String)> {
        let jobs = self.work.jobs_before(self.prepare);
        if jobs > 0 {
            run::fill(port, jobs)?;
        }
        let mut command = on_core(pin.client());
        command.args(tool).arg(env::current_exe()?).arg("run");
        command.args([name_of(self.contender), name_of(self.work)]);
        command.args(["--count", &self.count.to_string(), "--prepare", &self.prepare.to_string()]);
        command.args(["--port", &port.to_string(), "--server", &server.to_string()]);
        let output = command.stdin(Stdio::null()).output().context("could not start taskset and the client")?;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            bail!("{} at {}: {}\n{errors}", self.contender, self.work, output.status);
        }
        let sample = String::from_utf8_lossy(&output.stdout).parse()?;
        Ok((sample, errors))
    }

    /// Does it with a fresh server.
    pub(crate) fn measure(&self, kind: Kind, pin: Pin) -> Result<Sample> {
        let server = Server::start(kind)?;
        let meanwhile = self.work.jobs_meanwhile(self.count);
        let _producer = (meanwhile > 0).then(|| Producer::start(server.port, meanwhile, pin)).transpose()?;
        Ok(self.run(&[], pin, server.port, server.pid())?.0)
    }
}
