//! The peer, which sends what it likes, and what its bytes are by the naive parser.

use beanstalk_proto::{Command, Instant, Job, Reply, ReplyKind, client};

use crate::{
    ALLOCATED, drive, r#gen,
    naive::{self, Start},
    source::{Cut, Dice, Source},
};

/// Memory for what comes, beyond three times as much: what is lent beyond what has come, and small things.
const FIXED: usize = 160 * 1024;

pub(super) struct Peer {
    cut: Cut,
    /// All that came.
    fed: Vec<u8>,
    /// The whole replies of it, how many of its bytes they are, and whether something else follows.
    replies: Vec<Option<Reply>>,
    parsed: usize,
    wrong: bool,
}

impl Peer {
    pub(super) fn new(dice: Dice) -> Self {
        Self { cut: Cut::Random(dice), fed: Vec::new(), replies: Vec::new(), parsed: 0, wrong: false }
    }

    /// How many bytes came.
    pub(super) fn fed(&self) -> usize {
        self.fed.len()
    }

    /// How many whole replies came, and whether something else did then.
    pub(super) fn replies(&self) -> (usize, bool) {
        (self.replies.len(), self.wrong)
    }

    pub(super) fn nth_reply(&self, n: usize) -> Option<Reply> {
        self.replies.get(n).cloned().flatten()
    }

    /// A reply that may answer the first command that has none, of all that were written.
    pub(super) fn fitting_reply(&self, written: &[Command], source: &mut Source<'_>) -> Reply {
        let Some(command) = written.get(self.replies.len()) else { return r#gen::any_reply(source) };
        let kinds: Vec<_> =
            ReplyKind::ALL.iter().copied().filter(|&kind| command.kind().replies().contains(kind)).collect();
        let mut reply = r#gen::reply(source.pick(&kinds), source);
        match (command, &mut reply) {
            (
                Command::Peek { id } | Command::ReserveJob { id },
                Reply::Found(Job { id: echo, .. }) | Reply::Reserved(Job { id: echo, .. }),
            ) => *echo = *id,
            (Command::Use { tube }, Reply::Using(echo)) => echo.clone_from(tube),
            _ => {}
        }
        reply
    }

    /// Sends a connection that goes on these bytes. What they cost, though not what they announce, is bounded by what has come.
    pub(super) fn feed(&mut self, client: &mut client::Connection, now: Instant, bytes: &[u8]) {
        self.fed.extend_from_slice(bytes);
        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        drive::feed(client, now, bytes, &mut self.cut);
        let took = ALLOCATED.peak_usage().saturating_sub(before);
        // What has come may lie in its buffer and in the larger one that it is moved to, which grows by doubling.
        let most = 3 * self.fed.len() + FIXED;
        assert!(took <= most, "{took} bytes of memory for {}, of which {} are new", self.fed.len(), bytes.len());
        self.parse();
    }

    fn parse(&mut self) {
        while !self.wrong {
            match naive::reply(&self.fed[self.parsed..]) {
                Start::Item(reply, len) => {
                    self.replies.push(reply);
                    self.parsed += len;
                }
                other => {
                    self.wrong = other == Start::Wrong;
                    return;
                }
            }
        }
    }
}
