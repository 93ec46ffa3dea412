//! A server that dies and comes back at the same address.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use beanstalk_server::EmbeddedServer;

use crate::{
    port,
    process::{PATIENCE, Process},
    raft::Cluster,
    server::{Backend, installed},
    temp::TempDir,
};

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
    Real(#[expect(dead_code, reason = "it runs until it is dropped")] Process),
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
        port::until_started(|| {
            let binlog = durable.then(|| TempDir::new().expect("a temporary directory"));
            let mut daemon = Self { backend, port: port::unused("127.0.0.1"), binlog, running: None };
            daemon.launch().then_some(daemon)
        })
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
            Some(Running::Cluster(cluster)) => cluster.kill(),
            running => *running = None,
        }
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

    /// Starts it again where it was, killed if it still runs, and waits until it listens.
    pub fn restart(&mut self) {
        self.kill();
        if let Some(Running::Cluster(cluster)) = &mut self.running {
            return cluster.restart();
        }
        let until = Instant::now() + PATIENCE;
        // What another thread forks has the socket of an embedded server for a moment after its end.
        while !self.launch() {
            assert!(Instant::now() < until, "nobody can listen at {}", self.address());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Starts it, and waits until it listens; `false` if its port is taken.
    fn launch(&mut self) -> bool {
        if self.backend != Backend::Real {
            self.running = EmbeddedServer::builder().listen(self.address()).start().ok().map(Running::Embedded);
            return self.running.is_some();
        }
        let mut command = Command::new(installed().expect("a beanstalkd"));
        command.args(["-l", "127.0.0.1", "-p", &self.port.to_string()]);
        if let Some(binlog) = &self.binlog {
            command.arg("-b").arg(binlog.path()).args(["-f", "0"]);
        }
        let mut process = Process::start(&mut command, Stdio::null());
        let listens = process.answers(&self.address());
        self.running = listens.then_some(Running::Real(process));
        listens
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
