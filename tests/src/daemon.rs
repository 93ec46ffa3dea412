//! A server that dies and comes back at the same address.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use beanstalk_server::EmbeddedServer;

use crate::{
    bare::Bare,
    port,
    raft::Cluster,
    server::{Backend, installed},
    temp::TempDir,
};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a port of its own, killed on drop.
#[derive(Debug)]
pub struct Daemon {
    backend: Backend,
    port: u16,
    binlog: Option<TempDir>,
    running: Option<Running>,
}

#[derive(Debug)]
enum Running {
    Real(Child),
    Embedded(#[expect(dead_code, reason = "it runs until it is dropped")] EmbeddedServer),
    Cluster(Cluster),
}

impl Daemon {
    /// Starts one of each kind that there is.
    pub fn each() -> impl Iterator<Item = Self> {
        let backends = [Some(Backend::Embedded), installed().map(|_| Backend::Real)];
        backends.into_iter().flatten().map(|backend| Self::start(backend, false))
    }

    /// Starts one. A real one that is durable keeps a binlog and syncs every write: what it acknowledged outlives it.
    pub fn start(backend: Backend, durable: bool) -> Self {
        if backend == Backend::Cluster {
            return Self { backend, port: 0, binlog: None, running: Some(Running::Cluster(Cluster::new())) };
        }
        // Between finding a free port and listening on it somebody else may take it.
        for _ in 0..100 {
            let binlog = durable.then(|| TempDir::new().expect("a temporary directory"));
            let mut daemon = Self { backend, port: port::unused("127.0.0.1"), binlog, running: None };
            if daemon.restart() {
                return daemon;
            }
        }
        panic!("no server listens");
    }

    /// Where it listens; all of its nodes, if there are several.
    pub fn address(&self) -> String {
        match &self.running {
            Some(Running::Cluster(cluster)) => cluster.endpoint(),
            _ => format!("127.0.0.1:{}", self.port),
        }
    }

    /// Kills it, with SIGKILL if it is real: it finishes nothing.
    pub fn kill(&mut self) {
        match &mut self.running {
            // It keeps its addresses, and its jobs.
            Some(Running::Cluster(cluster)) => return cluster.kill(),
            Some(Running::Real(process)) => {
                process.kill().expect("to be killed");
                process.wait().expect("to have ended");
            }
            _ => {}
        }
        self.running = None;
    }

    /// Writes zeros over this body in the binlog of a server that was killed, and over its line end: as if it had been killed between the
    /// two writes of that job.
    pub fn tear(&self, body: &str) {
        let written = format!("{body}\r\n");
        let binlog = self.binlog.as_ref().expect("a binlog").path().join("binlog.1");
        let mut bytes = fs::read(&binlog).expect("to be read");
        let at = bytes.windows(written.len()).position(|window| window == written.as_bytes()).expect("to be there");
        bytes[at..at + written.len()].fill(0);
        // It cannot be opened for writing.
        fs::remove_file(&binlog).expect("to be removed");
        fs::write(&binlog, bytes).expect("to be written");
    }

    /// Starts it again where it was, and waits until it listens; `false` if its port is taken.
    pub fn restart(&mut self) -> bool {
        self.kill();
        if let Some(Running::Cluster(cluster)) = &mut self.running {
            cluster.restart();
            return true;
        }
        if self.backend != Backend::Real {
            let server = EmbeddedServer::builder().listen(self.address()).start();
            self.running = server.ok().map(Running::Embedded);
            return self.running.is_some();
        }
        let mut command = Command::new(installed().expect("a beanstalkd"));
        command.args(["-l", "127.0.0.1", "-p", &self.port.to_string()]);
        if let Some(binlog) = &self.binlog {
            command.arg("-b").arg(binlog.path()).args(["-f", "0"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("beanstalkd to start");
        let listens = listens(&mut process, &self.address());
        self.running = Some(Running::Real(process));
        listens
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until this very process answers.
fn listens(process: &mut Child, address: &str) -> bool {
    let pid = format!("pid: {}", process.id());
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until && matches!(process.try_wait(), Ok(None)) {
        let stats = Bare::connect(address).and_then(|mut bare| bare.stats("stats"));
        if stats.is_ok_and(|stats| stats.lines().any(|line| line == pid)) {
            return true;
        }
        thread::sleep(Duration::from_millis(1));
    }
    false
}
