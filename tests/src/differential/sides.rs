//! The two servers of a comparison, and how to know that a step has had its effect.
//!
//! Servers serve their connections in the order in which something arrived on them, so once one has answered somebody
//! who asked later, it has seen the step. The embedded server can be asked whether it is done with it, too.

use std::{
    collections::BTreeMap,
    io,
    time::{Duration, Instant},
};

use beanstalk_server::{EmbeddedServer, proto::Dialect};

use super::{
    link::{Heard, Link, PATIENCE},
    script::Step,
};
use crate::server::{Backend, Options, Server};

/// A server, and the script's connections to it.
pub(super) struct Side {
    server: Which,
    /// Asks whether a step has had its effect; not part of the script.
    control: Link,
    links: BTreeMap<usize, Link>,
    /// What happened to the server for other reasons than the script's.
    pub(super) beside: Beside,
    started: Instant,
}

enum Which {
    Real(Server),
    Embedded(Box<EmbeddedServer>),
}

/// What of a server's own counters the script has no part in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside {
    pub(super) stats: u64,
    pub(super) connections: u64,
}

impl Side {
    pub(super) fn real(max_job_size: Option<u32>) -> io::Result<Self> {
        let server = Server::start(Backend::Real, Options { max_job_size, ..Options::default() });
        let address = server.address().to_string();
        Self::new(Which::Real(server), &address)
    }

    pub(super) fn embedded(max_job_size: Option<u32>, dialect: Dialect) -> io::Result<Self> {
        let mut builder = EmbeddedServer::builder().dialect(dialect);
        if let Some(size) = max_job_size {
            builder = builder.max_job_size(size);
        }
        let server = builder.start()?;
        let address = server.addr().to_string();
        Self::new(Which::Embedded(Box::new(server)), &address)
    }

    fn new(server: Which, address: &str) -> io::Result<Self> {
        let control = Link::connect(address)?;
        let mut side =
            Self { server, control, links: BTreeMap::new(), beside: Beside::default(), started: Instant::now() };
        // Whoever saw to it that the server listens may not have left yet.
        side.await_connections(1)?;
        side.beside = Beside { stats: side.stat("cmd-stats")?, connections: side.stat("total-connections")? };
        side.beside.stats += 1;
        Ok(side)
    }

    fn address(&self) -> &str {
        match &self.server {
            Which::Real(server) => server.address(),
            Which::Embedded(server) => server.addr(),
        }
    }

    /// How long it has been running.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn has(&self, conn: usize) -> bool {
        self.links.contains_key(&conn)
    }

    pub(super) fn conns(&self) -> Vec<usize> {
        self.links.keys().copied().collect()
    }

    pub(super) fn link(&mut self, conn: usize) -> Option<&mut Link> {
        self.links.get_mut(&conn)
    }

    pub(super) fn remove(&mut self, conn: usize) {
        self.links.remove(&conn);
    }

    /// Does what is in the script. What comes of it is read later.
    pub(super) fn act(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Connect(conn) => {
                let link = Link::connect(self.address())?;
                self.links.insert(*conn, link);
            }
            Step::Send { conn, pieces } => {
                for (at, piece) in pieces.iter().enumerate() {
                    if at > 0 {
                        self.settle()?;
                    }
                    if let Some(link) = self.links.get_mut(conn) {
                        link.send(piece)?;
                    }
                }
            }
            Step::HalfClose(conn) => {
                if let Some(link) = self.links.get(conn) {
                    link.half_close();
                }
            }
            Step::Vanish(conn) => self.remove(*conn),
            Step::Drain => match &self.server {
                Which::Real(server) => server.drain(),
                Which::Embedded(server) => server.set_draining(true),
            },
        }
        Ok(())
    }

    /// Returns when the server has seen what was done to it.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        // A busy system delivers late, in both directions, but in order.
        self.ask()?;
        if let Which::Embedded(server) = &self.server {
            server.settle();
        }
        self.ask()
    }

    fn ask(&mut self) -> io::Result<()> {
        self.control.send(b"nothing\r\n")?;
        self.control.await_reply().map(drop)
    }

    /// The replies that there are once the server has settled.
    pub(super) fn settled_replies(&mut self) -> io::Result<Vec<(usize, Heard)>> {
        let mut replies = Vec::new();
        loop {
            self.settle()?;
            let mut silent = true;
            for (&conn, link) in &mut self.links {
                let before = link.heard;
                replies.extend(link.replies()?.into_iter().map(|heard| (conn, heard)));
                silent &= link.heard == before;
            }
            // Reading may have let it send more.
            if silent {
                return Ok(replies);
            }
        }
    }

    /// Waits until so many are connected, the control connection included.
    pub(super) fn await_connections(&mut self, wanted: u64) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let connected = self.stat("current-connections")?;
            if connected == wanted {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(io::Error::other(format!("{connected} are connected instead of {wanted}")));
            }
        }
    }

    /// A number of the server's own statistics.
    pub(super) fn stat(&mut self, key: &str) -> io::Result<u64> {
        let stats = self.stats()?;
        let value = stats.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")?.parse().ok());
        value.ok_or_else(|| io::Error::other(format!("no {key} in {stats:?}")))
    }

    fn stats(&mut self) -> io::Result<String> {
        self.beside.stats += 1;
        self.control.send(b"stats\r\n")?;
        match self.control.await_reply()? {
            Heard::Reply { body: Some(body), .. } => Ok(String::from_utf8_lossy(&body).into_owned()),
            other => Err(io::Error::other(format!("stats was answered by {other:?}"))),
        }
    }

    /// The state of a job by `stats-job`; `None` if there is no such job.
    pub(super) fn job_state(&mut self, id: &str) -> io::Result<Option<String>> {
        self.control.send(format!("stats-job {id}\r\n").as_bytes())?;
        match self.control.await_reply()? {
            Heard::Reply { body: Some(body), .. } => {
                let body = String::from_utf8_lossy(&body);
                Ok(body.lines().find_map(|line| line.strip_prefix("state: ")).map(str::to_string))
            }
            _ => Ok(None),
        }
    }

    /// The release by its own statistics.
    pub(super) fn version(&mut self) -> io::Result<String> {
        let stats = self.stats()?;
        let version = stats.lines().find_map(|line| line.strip_prefix("version: "));
        Ok(version.unwrap_or_default().trim_matches('"').to_string())
    }
}
