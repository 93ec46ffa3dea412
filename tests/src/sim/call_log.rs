//! What the clients asked and were told, to be held against what the server did.

use std::collections::BTreeMap;

use beanstalk_proto::{Command, CommandError, Error, Instant, JobId, Kind, Lost, Reply};

use super::{
    ledger::{Answered, Ledger},
    link::LinkId,
    world::SLOWEST,
};

/// What a client has seen of one of its requests.
#[derive(Debug)]
enum Outcome {
    /// Nothing: nobody waits for the reply any more, or it never came.
    Unknown,
    /// That it cannot have run.
    NotSent,
    /// The reply.
    Reply(Result<Reply, CommandError>),
    /// That the reply was longer than it takes.
    TooBig(Option<JobId>, u64),
}

/// All clients' notes.
#[derive(Debug, Default)]
pub(super) struct CallLog {
    asked: BTreeMap<LinkId, Vec<(Command, Outcome)>>,
    /// When each job was last handed to whoever asked on a link.
    handed: BTreeMap<(LinkId, JobId), (Instant, u64)>,
    /// Calls that ended.
    pub(super) calls: u64,
    /// Jobs that were put, and whose client does not know it.
    pub(super) unknown_puts: u64,
}

impl CallLog {
    /// Notes that a request is about to be sent.
    pub(super) fn ask(&mut self, link: LinkId, command: Command) -> usize {
        let asked = self.asked.entry(link).or_default();
        asked.push((command, Outcome::Unknown));
        asked.len() - 1
    }

    /// Notes what came of a request; of a reserve, that is counted by its jobs, only that it may have.
    ///
    /// # Errors
    ///
    /// If it is nothing that the network can be blamed for.
    pub(super) fn told(
        &mut self,
        link: LinkId,
        at: Option<usize>,
        result: &Result<Reply, Error>,
    ) -> Result<(), String> {
        self.calls += 1;
        let outcome = match result {
            Ok(reply) => Outcome::Reply(Ok(reply.clone())),
            Err(error) => outcome(error)?,
        };
        let Some(at) = at else { return Ok(()) };
        match self.asked.get_mut(&link).and_then(|asked| asked.get_mut(at)) {
            Some((_, slot @ Outcome::Unknown)) => *slot = outcome,
            other => return Err(format!("{other:?} was told twice: {result:?}")),
        }
        Ok(())
    }

    /// Notes that a reserve that was asked for at `asked` gave somebody a job.
    ///
    /// # Errors
    ///
    /// If it was not given to this link, or so long ago that it may be somebody else's by now.
    pub(super) fn hand_over(
        &mut self,
        ledger: &Ledger,
        (link, id): (LinkId, JobId),
        asked: Instant,
        now: Instant,
        confirmed: bool,
    ) -> Result<(), String> {
        let handed = self.handed.entry((link, id)).or_insert((now, 0));
        *handed = (now, handed.1 + 1);
        let given = ledger.given.get(&(link, id)).copied().unwrap_or_default();
        if handed.1 > given {
            return Err(format!("link {link} was given {id:?} {given} times and handed it over {} times", handed.1));
        }
        let Some(grant) = ledger.grants.get(&(link, id)) else { return Err(format!("{id:?} came from nowhere")) };
        if confirmed && grant.prompt && grant.at + SLOWEST < asked {
            return Err(format!("link {link} hands over {id:?} at {now:?}, unconfirmed since {:?}", grant.at));
        }
        Ok(())
    }

    /// Notes jobs that were given to nobody.
    pub(super) fn orphaned(&mut self, link: LinkId, id: JobId, now: Instant) {
        let handed = self.handed.entry((link, id)).or_insert((now, 0));
        *handed = (now, handed.1 + 1);
    }

    /// Whether a job that a link holds has reached somebody.
    pub(super) fn knows(&self, ledger: &Ledger, link: LinkId, id: JobId) -> bool {
        let granted = ledger.grants.get(&(link, id)).map_or(Instant::ZERO, |grant| grant.given);
        self.handed.get(&(link, id)).is_some_and(|&(at, _)| at >= granted)
    }

    /// Holds every client's notes against what the server did on its connection: each reply came to the request it answers,
    /// each command that ran was asked for and was not called unsent, and nothing else was ever told.
    ///
    /// # Errors
    ///
    /// Where they differ.
    pub(super) fn check(&mut self, ledger: &Ledger) -> Result<(), String> {
        let none = Vec::new();
        for (&link, asked) in &self.asked {
            let answered = ledger.answered.get(&link).unwrap_or(&none);
            self.unknown_puts += matches(link, asked, answered)?;
        }
        for (link, answered) in &ledger.answered {
            if !self.asked.contains_key(link) && answered.iter().any(|answered| !is_confirmation(answered)) {
                return Err(format!("link {link} was answered and never asked"));
            }
        }
        Ok(())
    }
}

fn outcome(error: &Error) -> Result<Outcome, String> {
    Ok(match error {
        Error::Command { error, .. } => Outcome::Reply(Err(*error)),
        Error::ReplyTooBig { id, bytes, .. } => Outcome::TooBig(*id, *bytes),
        Error::Protocol { .. } | Error::Ticket(_) | Error::Stats { .. } | Error::Argument(_) => {
            return Err(format!("nobody did anything wrong, and yet: {error}"));
        }
        error => match error.lost() {
            Some(Lost::NotSent) => Outcome::NotSent,
            _ => Outcome::Unknown,
        },
    })
}

/// Whether it may be the `touch` with which a client makes sure of a job before it hands it over.
fn is_confirmation(answered: &Answered) -> bool {
    matches!(answered.command, Ok(Command::Touch { .. }))
}

fn fits((command, outcome): &(Command, Outcome), answered: &Answered) -> bool {
    let same = match &answered.command {
        Ok(ran) => ran == command,
        Err(kind) => *kind == command.kind(),
    };
    same && match outcome {
        Outcome::Unknown => true,
        Outcome::NotSent => false,
        Outcome::Reply(Ok(reply)) => *reply == answered.reply,
        Outcome::Reply(Err(error)) => *error == CommandError::from(&answered.reply),
        Outcome::TooBig(id, bytes) => match &answered.reply {
            Reply::Found(job) | Reply::Reserved(job) => *id == Some(job.id) && *bytes == job.body.len() as u64,
            Reply::Ok(body) => *bytes == body.len() as u64,
            _ => false,
        },
    }
}

/// Finds a way to read what was answered as answers to what was asked, in order: a request without an answer may have
/// got lost, and a `touch` may be a confirmation. Gives how many puts ran whose client does not know.
fn matches(link: LinkId, asked: &[(Command, Outcome)], answered: &[Answered]) -> Result<u64, String> {
    let optional = |request: &(Command, Outcome)| matches!(request.1, Outcome::Unknown | Outcome::NotSent);
    // Which requests may come next.
    let mut next = vec![false; asked.len() + 1];
    next[0] = true;
    for at in 0..asked.len() {
        next[at + 1] |= next[at] && optional(&asked[at]);
    }
    let mut unknown = 0;
    for (number, answered) in answered.iter().enumerate() {
        let mut after = vec![false; asked.len() + 1];
        for at in 0..=asked.len() {
            if next[at] {
                after[at] |= is_confirmation(answered);
                if let Some(request) = asked.get(at).filter(|request| fits(request, answered)) {
                    after[at + 1] = true;
                    let put = matches!((request.0.kind(), &answered.reply), (Kind::Put, Reply::Inserted(_)));
                    unknown += u64::from(put && matches!(request.1, Outcome::Unknown));
                }
            }
            if at < asked.len() {
                after[at + 1] |= after[at] && optional(&asked[at]);
            }
        }
        if !after.contains(&true) {
            let from = next.iter().position(|&is| is).unwrap_or_default();
            let around = asked.get(from..asked.len().min(from + 4)).unwrap_or_default();
            return Err(format!(
                "link {link}: {answered:?}, reply {number}, answers none of {around:?} and what follows"
            ));
        }
        next = after;
    }
    match next[asked.len()] {
        true => Ok(unknown),
        false => {
            let from = next.iter().rposition(|&is| is).unwrap_or_default();
            Err(format!("link {link}: the server never answered what the client was told: {:?}", asked.get(from)))
        }
    }
}
