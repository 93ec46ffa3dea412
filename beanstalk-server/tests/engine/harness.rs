//! Clients without sockets: what they send goes through a protocol connection to the engine, and what comes back is
//! collected as text.

use std::{collections::BTreeMap, time::Duration};

use beanstalk_proto::{
    Instant,
    server::{Config, Connection, Event},
};
use beanstalk_server::engine::{ConnId, Engine, Facts, Settings};
use beanstalk_watchdog::{Bound, bound};

/// One engine, its clients and the time. Bounds the test that makes it.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    config: Config,
    clients: BTreeMap<ConnId, Client>,
    _bound: Bound,
}

struct Client {
    connection: Connection,
    received: String,
    closed: bool,
}

impl Server {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    #[track_caller]
    pub(crate) fn with(config: Config) -> Self {
        let facts = Facts {
            pid: 42,
            id: "0123456789abcdef".into(),
            hostname: "host".into(),
            os: "#1 SMP: test".into(),
            platform: "x86_64".into(),
        };
        let settings = Settings { max_job_size: config.max_job_size, dialect: config.dialect, facts };
        // Not at zero, as a clock rarely is.
        let now = Instant::ZERO + Duration::from_secs(1_000_000);
        Self { engine: Engine::new(now, settings), now, config, clients: BTreeMap::new(), _bound: bound() }
    }

    pub(crate) fn connect(&mut self) -> ConnId {
        let id = self.engine.connect(self.now);
        self.clients
            .insert(id, Client { connection: Connection::new(self.config), received: String::new(), closed: false });
        id
    }

    /// So many connections.
    pub(crate) fn connect_all<const N: usize>(&mut self) -> [ConnId; N] {
        std::array::from_fn(|_| self.connect())
    }

    /// Sends lines, each ended by `\r\n`, and gives what comes back to this client at once.
    #[track_caller]
    pub(crate) fn exchange(&mut self, client: ConnId, lines: &str) -> String {
        let mut bytes = lines.replace('\n', "\r\n").into_bytes();
        bytes.extend_from_slice(b"\r\n");
        self.send(client, &bytes);
        self.hear(client)
    }

    pub(crate) fn send(&mut self, id: ConnId, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let client = self.clients.get_mut(&id).expect("the client is connected");
            let room = client.connection.receive_buf();
            let n = room.len().min(bytes.len());
            room[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            client.connection.received(n);
            self.drive(id);
        }
    }

    /// What has come for a client since it was asked last, without `\r`.
    pub(crate) fn hear(&mut self, id: ConnId) -> String {
        let client = self.clients.get_mut(&id).expect("the client is connected");
        std::mem::take(&mut client.received).replace('\r', "")
    }

    /// Ends the input of a client.
    pub(crate) fn half_close(&mut self, id: ConnId) {
        self.clients.get_mut(&id).expect("the client is connected").connection.received_eof();
        self.drive(id);
    }

    /// Cuts a client off.
    pub(crate) fn disconnect(&mut self, id: ConnId) {
        self.clients.remove(&id);
        self.engine.disconnect(self.now, id);
        self.deliver();
    }

    pub(crate) fn is_connected(&self, id: ConnId) -> bool {
        self.clients.get(&id).is_some_and(|client| !client.closed)
    }

    /// Lives through some time, stopping wherever the engine wants to be woken.
    pub(crate) fn advance(&mut self, by: Duration) {
        let target = self.now + by;
        let mut steps = 0;
        while let Some(due) = self.engine.poll_timeout().filter(|&due| due <= target) {
            steps += 1;
            assert!(steps < 100_000, "time does not get past {due:?}");
            self.now = self.now.max(due);
            self.engine.handle_timeout(self.now);
            self.deliver();
        }
        self.now = target;
    }

    pub(crate) fn advance_secs(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    /// Wakes the engine once, when all of that time has passed: as a driver does that was held up.
    pub(crate) fn jump(&mut self, by: Duration) {
        self.now = self.now + by;
        self.engine.handle_timeout(self.now);
        self.deliver();
    }

    fn drive(&mut self, id: ConnId) {
        while let Some(client) = self.clients.get_mut(&id) {
            let Some(event) = client.connection.poll_event() else { break };
            client.closed = event == Event::Closed;
            self.engine.handle_event(self.now, id, event);
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        while let Some((to, reply)) = self.engine.poll_reply() {
            let client = self.clients.get_mut(&to).expect("replies go to connected clients");
            assert!(client.connection.is_unanswered(), "{reply:?} answers nothing");
            client.connection.respond(reply);
            let bytes: Vec<u8> = client.connection.transmit().flatten().copied().collect();
            client.connection.transmitted(bytes.len());
            client.received.push_str(&String::from_utf8_lossy(&bytes));
            // Commands behind the one that was answered can go on.
            self.drive(to);
        }
    }
}

/// The value of a key in a stats body.
#[track_caller]
pub(crate) fn value<'a>(stats: &'a str, key: &str) -> &'a str {
    let line = stats.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{key} is not in {stats}"))
}
