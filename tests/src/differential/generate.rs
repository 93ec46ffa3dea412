//! Random scripts, made while they run: what comes next depends on the seed, and on what the servers answered so far.

use std::collections::BTreeMap;

use beanstalk_proto::{
    Dialect, Reply, ReplyKind,
    server::{Config, Connection, Event},
};

use super::{
    commands::{self, Known, Said, WINDOW},
    link::Heard,
    pair::{Difference, Pair},
    random::Random,
    script::{Script, Step},
};

/// At most so many connections at once.
const CONNECTIONS: usize = 9;
const STEPS: usize = 350;

/// What a script did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Replies that were compared.
    pub replies: usize,
    /// Replies that differed as a quirk does.
    pub excused: usize,
    /// Differences that did not show again.
    pub unconfirmed: usize,
}

/// Runs the script of a seed. If it fails, gives the script as far as it came.
pub(super) fn run(seed: u64) -> Result<Done, (Difference, Script)> {
    let mut author = Author::new(seed);
    let mut script = Script { max_job_size: author.max_job_size, steps: Vec::new() };
    let mut pair = match Pair::start(script.max_job_size) {
        Ok(pair) => pair,
        Err(error) => return Err((Difference { what: error.to_string(), late: true }, script)),
    };
    for number in 0..STEPS {
        let step = author.next(number);
        if author.meets_a_quirk {
            break;
        }
        script.steps.push(step.clone());
        match pair.step(&step) {
            Ok(replies) => author.hear(&replies),
            Err(difference) => return Err((difference, script)),
        }
    }
    for step in author.last_words() {
        script.steps.push(step.clone());
        if let Err(difference) = pair.step(&step) {
            return Err((difference, script));
        }
    }
    let done = Done { replies: pair.compared, excused: pair.excused, unconfirmed: 0 };
    pair.finish().map(|()| done).map_err(|difference| (difference, script))
}

struct Author {
    random: Random,
    max_job_size: Option<u32>,
    known: Known,
    conns: BTreeMap<usize, Conn>,
    next_conn: usize,
    may_drain: bool,
    /// So many more are to wait for one tube, before jobs come to it: who is served first is a matter of order.
    gathering: usize,
    /// What it has just made would show a quirk that is known.
    meets_a_quirk: bool,
}

/// A connection, as the author sees it.
#[derive(Debug)]
struct Conn {
    /// Reads what is said as a server does, to know how many replies there will be.
    reader: Connection,
    expected: usize,
    heard: usize,
    out_of_sync: bool,
    /// Bytes said since the last command ended.
    unread: usize,
}

impl Conn {
    fn new(max_job_size: usize) -> Self {
        let max_job_size = max_job_size.try_into().expect("a small size");
        let reader = Connection::new(Config { max_job_size, dialect: Dialect::V1_12, ..Config::default() });
        Self { reader, expected: 0, heard: 0, out_of_sync: false, unread: 0 }
    }

    /// Returns whether CR and LF of an overlong line straddle a window, so that a real server would not see its end.
    fn say(&mut self, bytes: &[u8]) -> bool {
        let mut straddles = false;
        for &byte in bytes {
            if !self.reader.wants_input() {
                break;
            }
            self.reader.receive_buf()[0] = byte;
            self.reader.received(1);
            self.unread += 1;
            while let Some(event) = self.reader.poll_event() {
                if let Event::Refused(refused) = &event {
                    let overlong = refused.reply.kind() == Some(ReplyKind::BadFormat) && self.unread > WINDOW;
                    straddles |= overlong && self.unread % WINDOW == 1;
                }
                // The end that a quit is answered with counts too.
                if matches!(event, Event::Command(_) | Event::Refused(_) | Event::Closed) {
                    self.expected += 1;
                    self.unread = 0;
                    self.reader.respond(Reply::NotFound);
                    self.reader.transmitted(self.reader.backlog());
                }
            }
        }
        straddles
    }

    fn is_stuck(&self) -> bool {
        self.heard < self.expected
    }

    /// Whether there is more behind the command that is stuck. When that one is answered, this connection acts at the
    /// same time as whoever caused it, and servers need not agree on who comes first.
    fn is_loaded(&self) -> bool {
        self.heard + 1 < self.expected
    }
}

impl Author {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let max_job_size = random.pick(&[None, None, None, Some(0), Some(1), Some(50), Some(300), Some(100_000)]);
        let known = Known {
            max_job_size: max_job_size.map_or(65535, |size| size.try_into().expect("a small size")),
            ids: Vec::new(),
            hasty: random.permille(500),
        };
        let may_drain = random.permille(100);
        Self {
            random,
            max_job_size,
            known,
            conns: BTreeMap::new(),
            next_conn: 0,
            may_drain,
            gathering: 0,
            meets_a_quirk: false,
        }
    }

    fn next(&mut self, number: usize) -> Step {
        let stuck = self.conns.values().filter(|conn| conn.is_stuck()).count();
        let few = self.conns.len() - stuck < 2;
        if few && self.conns.len() < CONNECTIONS || self.conns.len() < CONNECTIONS && self.random.permille(20) {
            return self.connect();
        }
        if self.may_drain && number > STEPS * 3 / 4 {
            self.may_drain = false;
            return Step::Drain;
        }
        let loaded = self.loaded();
        if let Some(conn) = loaded.filter(|_| self.random.permille(50)) {
            // It does not vanish: what a connection sent before that may be run or not.
            return Step::HalfClose(conn);
        }
        let Some(conn) = self.actor(loaded) else { return self.connect() };
        let is_stuck = self.conns[&conn].is_stuck();
        if !is_stuck && loaded.is_none() && !self.conns[&conn].out_of_sync {
            if self.gathering == 0 && self.random.permille(15) {
                self.gathering = 2 + self.random.below(5);
            }
            if self.gathering > 0 {
                self.gathering -= 1;
                return if self.gathering > 0 { self.gather(conn) } else { self.scatter(conn) };
            }
        }
        match self.random.below(1000) {
            0..25 if is_stuck => Step::HalfClose(conn),
            25..50 if is_stuck => self.vanish(conn),
            0..6 => Step::HalfClose(conn),
            6..12 => self.vanish(conn),
            12..17 if loaded.is_none() => {
                let said = commands::broken_off(&mut self.random, &self.known);
                self.send(conn, &[said])
            }
            // Whoever waits is served only if there are jobs.
            17..120 if stuck > 1 => {
                let said = commands::good_put(&mut self.random, &self.known, self.conns[&conn].out_of_sync);
                self.send(conn, &[said])
            }
            _ => self.say(conn, loaded.is_some()),
        }
    }

    fn gather(&mut self, conn: usize) -> Step {
        let mut bytes = b"watch w\r\n".to_vec();
        for tube in ["default", "a", "b", "c", "0"] {
            bytes.extend_from_slice(format!("ignore {tube}\r\n").as_bytes());
        }
        bytes.extend_from_slice(self.random.pick(&[&b"reserve\r\n"[..], b"reserve-with-timeout 1000\r\n"]));
        self.send(conn, &[Said { bytes, derails: false }])
    }

    fn scatter(&mut self, conn: usize) -> Step {
        let mut bytes = b"use w\r\n".to_vec();
        for _ in 0..1 + self.random.below(5) {
            bytes.extend_from_slice(format!("put {} 0 100 0\r\n\r\n", self.random.below(3)).as_bytes());
        }
        bytes.extend_from_slice(b"use default\r\n");
        self.send(conn, &[Said { bytes, derails: false }])
    }

    fn connect(&mut self) -> Step {
        let conn = self.next_conn;
        self.next_conn += 1;
        self.conns.insert(conn, Conn::new(self.known.max_job_size));
        Step::Connect(conn)
    }

    fn loaded(&self) -> Option<usize> {
        self.conns.iter().find(|(_, conn)| conn.is_loaded()).map(|(&id, _)| id)
    }

    /// Mostly one that is not stuck, if there is one. While one is loaded, only others that are in sync.
    fn actor(&mut self, loaded: Option<usize>) -> Option<usize> {
        let stuck = loaded.is_none() && self.random.permille(60);
        let of_kind = |wanted| {
            let may = move |conn: &Conn| conn.is_stuck() == wanted && (loaded.is_none() || !conn.out_of_sync);
            self.conns.iter().filter(move |(_, conn)| may(conn)).map(|(&id, _)| id)
        };
        let mut among: Vec<usize> = of_kind(stuck).collect();
        if among.is_empty() && loaded.is_none() {
            among = of_kind(!stuck).collect();
        }
        (!among.is_empty()).then(|| self.random.pick(&among))
    }

    fn vanish(&mut self, conn: usize) -> Step {
        self.conns.remove(&conn);
        Step::Vanish(conn)
    }

    fn say(&mut self, conn: usize, alone: bool) -> Step {
        let commands = match self.random.below(20) {
            _ if alone => 1,
            0..11 => 1,
            11..17 => 2 + self.random.below(4),
            _ => 6 + self.random.below(25),
        };
        let state = &self.conns[&conn];
        let mut out_of_sync = state.out_of_sync;
        // What comes behind a reserve that waits stays in the system's buffers, and so does the end if they are full.
        let mut brief = state.is_stuck();
        let mut said: Vec<Said> = Vec::new();
        while said.len() < commands {
            let next = commands::any(&mut self.random, &self.known, out_of_sync || brief);
            if alone && next.derails {
                continue;
            }
            out_of_sync |= next.derails;
            brief |= next.bytes.starts_with(b"reserve");
            let quits = next.bytes.windows(4).any(|word| word == b"quit");
            said.push(next);
            // A server that closes with something unread resets the connection, and with that may take back replies.
            if quits {
                break;
            }
        }
        self.send(conn, &said)
    }

    fn send(&mut self, conn: usize, said: &[Said]) -> Step {
        let bytes: Vec<u8> = said.iter().flat_map(|said| said.bytes.iter().copied()).collect();
        let state = self.conns.get_mut(&conn).expect("it is connected");
        let may_lie_unread = state.is_stuck() || bytes.windows(7).any(|word| word == b"reserve");
        self.meets_a_quirk |= state.say(&bytes);
        state.out_of_sync |= said.iter().any(|said| said.derails);
        Step::Send { conn, pieces: self.cut(bytes, may_lie_unread) }
    }

    /// What nobody reads goes in few pieces: the system sends the eleventh only when the first is acknowledged, and takes its
    /// time with that.
    fn cut(&mut self, bytes: Vec<u8>, few: bool) -> Vec<Vec<u8>> {
        let cuts = match self.random.below(20) {
            0..15 => 0,
            15..18 => 1,
            18 => 1 + self.random.below(4),
            _ if bytes.len() < 40 && !few => return bytes.into_iter().map(|byte| vec![byte]).collect(),
            _ => 2,
        };
        let mut places: Vec<usize> = (0..cuts).map(|_| self.random.below(bytes.len() + 1)).collect();
        places.sort_unstable();
        places.push(bytes.len());
        let mut from = 0;
        let mut pieces = Vec::new();
        for to in places {
            pieces.push(bytes[from..to].to_vec());
            from = to;
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    fn hear(&mut self, replies: &[(usize, Heard)]) {
        for (conn, heard) in replies {
            match heard {
                Heard::End => drop(self.conns.remove(conn)),
                Heard::Reply { line, .. } => {
                    if let Some(conn) = self.conns.get_mut(conn) {
                        conn.heard += 1;
                    }
                    let line = String::from_utf8_lossy(line);
                    if let Some(id) = line.strip_prefix("INSERTED ").and_then(|id| id.trim_end().parse().ok()) {
                        self.known.ids.push(id);
                    }
                }
            }
        }
    }

    /// Looks at everything that is left.
    fn last_words(&mut self) -> Vec<Step> {
        let Step::Connect(conn) = self.connect() else { unreachable!("it connects") };
        let mut words = String::from("stats\r\nlist-tubes\r\n");
        for tube in ["default", "a", "b", "c", "d-+/;.$_()", "0"] {
            words.push_str(&format!("stats-tube {tube}\r\n"));
        }
        let jobs: String = self.known.ids.iter().map(|id| format!("stats-job {id}\r\n")).collect();
        vec![Step::Connect(conn), Step::send(conn, words), Step::send(conn, jobs)]
    }
}
