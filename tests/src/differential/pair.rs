//! An embedded server and a real one, to which the same is done, step by step.

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use beanstalk_server::proto::Dialect;

use super::{
    compare::{self, Context, told},
    link::{Heard, PATIENCE},
    script::{Script, Step, shown},
    sides::Side,
};

/// A script that took longer has lived to see the short delays and deadlines in it, and not at the same step on both
/// sides.
const TIMELESS: Duration = Duration::from_millis(800);

/// How two servers differed.
#[derive(Clone, Debug)]
pub struct Difference {
    /// For a person.
    pub what: String,
    /// The script took so long that the time may be the reason.
    pub late: bool,
}

/// How long ours may take to show what theirs has shown already. A busy system may deliver late.
const GRACE: Duration = Duration::from_millis(300);

pub(super) struct Pair {
    ours: Side,
    theirs: Side,
    /// What theirs has sent and ours not yet, if ever.
    ahead: VecDeque<(usize, Heard)>,
    is_release: bool,
    /// Replies that were compared.
    pub(super) compared: usize,
    /// Replies that differed as a quirk does.
    pub(super) excused: usize,
}

impl Pair {
    pub(super) fn start(max_job_size: Option<u32>) -> io::Result<Self> {
        let mut theirs = Side::real(max_job_size)?;
        let version = theirs.version()?;
        let dialect = if version.starts_with("1.12") { Dialect::V1_12 } else { Dialect::V1_13 };
        let ours = Side::embedded(max_job_size, dialect)?;
        let is_release = matches!(version.as_str(), "1.12" | "1.13");
        Ok(Self { ours, theirs, ahead: VecDeque::new(), is_release, compared: 0, excused: 0 })
    }

    /// Does a step to both, and gives the replies that both gave.
    pub(super) fn step(&mut self, step: &Step) -> Result<Vec<(usize, Heard)>, Difference> {
        let started = self.age();
        self.try_step(step).map_err(|what| {
            // Waiting for a reply that does not come takes long, and is not the script's fault.
            let took = self.age().saturating_sub(PATIENCE).max(started);
            Difference { what: format!("{step}\n{what}"), late: took > TIMELESS }
        })
    }

    fn age(&self) -> Duration {
        self.ours.age().max(self.theirs.age())
    }

    /// Checks that nothing is left over.
    pub(super) fn finish(mut self) -> Result<(), Difference> {
        let left: Vec<_> = self.ours.conns().into_iter().filter_map(|conn| self.left_over(conn)).collect();
        if left.is_empty() { Ok(()) } else { Err(Difference { what: left.join("\n"), late: false }) }
    }

    fn left_over(&mut self, conn: usize) -> Option<String> {
        let rest = |side: &mut Side| side.link(conn).map(|link| shown(link.rest()));
        let (ours, theirs) = (rest(&mut self.ours), rest(&mut self.theirs));
        (ours != theirs).then(|| format!("[{conn}] has left over: ours {ours:?}, theirs {theirs:?}"))
    }

    fn try_step(&mut self, step: &Step) -> Result<Vec<(usize, Heard)>, String> {
        let actor = match step {
            Step::Send { conn, .. } | Step::HalfClose(conn) | Step::Vanish(conn) if !self.ours.has(*conn) => {
                return Ok(Vec::new());
            }
            Step::Send { conn, .. } => Some(*conn),
            _ => None,
        };
        let mut ours = self.on_ours(step).map_err(|error| format!("ours: {error}"))?;
        self.theirs.act(step).map_err(|error| format!("theirs: {error}"))?;
        self.compare_all(&ours)?;
        let answered = actor.is_some_and(|actor| ours.iter().any(|(conn, _)| *conn == actor));
        let settled = match step {
            Step::Vanish(_) => self.await_connections(&ours),
            _ if answered => Ok(()),
            _ => self.theirs.settle(),
        };
        settled.map_err(|error| format!("theirs: {error}"))?;
        self.look_ahead()?;
        let started = Instant::now();
        while let Some((conn, theirs)) = self.ahead.front() {
            if started.elapsed() > GRACE {
                return Err(format!("[{conn}] hears\nours:   nothing\ntheirs: {}", told(theirs)));
            }
            let late = self.ours.settled_replies().map_err(|error| format!("ours: {error}"))?;
            self.compare_all(&late)?;
            ours.extend(late);
        }
        for (conn, _) in ours.iter().filter(|(_, heard)| *heard == Heard::End) {
            self.ours.remove(*conn);
            self.theirs.remove(*conn);
        }
        Ok(ours)
    }

    fn on_ours(&mut self, step: &Step) -> io::Result<Vec<(usize, Heard)>> {
        self.ours.act(step)?;
        self.ours.settled_replies()
    }

    fn compare(&mut self, conn: usize, ours: &Heard, theirs: &Heard) -> Result<(), String> {
        self.compared += 1;
        let context = Context { ours: self.ours.beside, theirs: self.theirs.beside, is_release: self.is_release };
        let Some(difference) = compare::difference(&context, ours, theirs) else { return Ok(()) };
        if self.is_of_a_half_sent_put(ours, theirs) {
            self.excused += 1;
            return Ok(());
        }
        Err(format!("[{conn}] hears\n{difference}"))
    }

    /// Whether theirs shows a job whose body has not arrived yet, and ours has none: a quirk of the table.
    fn is_of_a_half_sent_put(&mut self, ours: &Heard, theirs: &Heard) -> bool {
        if ours.word() != b"NOT_FOUND" {
            return false;
        }
        match theirs {
            Heard::Reply { body: Some(body), .. } if theirs.word() == b"OK" => {
                String::from_utf8_lossy(body).contains("\nstate: invalid\n")
            }
            Heard::Reply { line, .. } if theirs.word() == b"FOUND" => {
                let line = String::from_utf8_lossy(line);
                let id = line.split(' ').nth(1).unwrap_or_default();
                // Both are asked, so that both count it.
                let ours = self.ours.job_state(id);
                let theirs = self.theirs.job_state(id);
                matches!((ours, theirs), (Ok(None), Ok(Some(state))) if state == "invalid")
            }
            _ => false,
        }
    }

    /// Waits until both have seen that somebody left: with that a job may have come to somebody who quits next.
    fn await_connections(&mut self, replies: &[(usize, Heard)]) -> io::Result<()> {
        let quit = replies.iter().filter(|(_, heard)| *heard == Heard::End).count();
        let left = (self.ours.conns().len() - quit) as u64 + 1;
        self.ours.await_connections(left)?;
        self.theirs.await_connections(left)
    }

    fn look_ahead(&mut self) -> Result<(), String> {
        for conn in self.theirs.conns() {
            let Some(link) = self.theirs.link(conn) else { continue };
            let more = link.replies().map_err(|error| format!("theirs: {error}"))?;
            self.ahead.extend(more.into_iter().map(|heard| (conn, heard)));
        }
        Ok(())
    }

    fn compare_all(&mut self, ours: &[(usize, Heard)]) -> Result<(), String> {
        for (conn, heard) in ours {
            let ahead = self.ahead.iter().position(|(of, _)| of == conn).and_then(|at| self.ahead.remove(at));
            let theirs = match ahead {
                Some((_, theirs)) => Some(Ok(theirs)),
                None => self.theirs.link(*conn).map(super::link::Link::await_reply),
            };
            match theirs {
                Some(Ok(theirs)) => self.compare(*conn, heard, &theirs)?,
                other => return Err(format!("[{conn}] hears\nours:   {}\ntheirs: {other:?}", told(heard))),
            }
        }
        Ok(())
    }
}

/// Runs a script from its beginning.
pub fn run(script: &Script) -> Result<usize, Difference> {
    let failed = |error: io::Error| Difference { what: format!("the servers do not start: {error}"), late: true };
    let mut pair = Pair::start(script.max_job_size).map_err(failed)?;
    for step in &script.steps {
        pair.step(step)?;
    }
    let compared = pair.compared;
    pair.finish()?;
    Ok(compared)
}
