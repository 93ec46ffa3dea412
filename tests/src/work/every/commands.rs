//! Every command of the protocol, as a session sends it, and as a client that is shared does.

use beanstalk_driver::policy::SessionConfig;
use beanstalk_proto::{Command, Error, JobId, Kind, Reply, ReplyKind, client::Config};
use beanstalk_sync::Client;

use super::{super::Stand, binding::Binding};

/// Commands, with `ID` for the job's, and the word that each is answered with.
type Script = &'static [(&'static str, &'static str)];

const OF_A_SESSION: Script = &[
    ("use t", "USING"),
    ("watch t", "WATCHING"),
    ("ignore default", "WATCHING"),
    ("list-tube-used", "USING"),
    ("list-tubes-watched", "OK"),
    ("list-tubes", "OK"),
    ("put 0 0 60 1", "INSERTED"),
    ("peek ID", "FOUND"),
    ("peek-ready", "FOUND"),
    ("stats", "OK"),
    ("stats-job ID", "OK"),
    ("stats-tube t", "OK"),
    ("reserve", "RESERVED"),
    ("touch ID", "TOUCHED"),
    ("release ID 0 600", "RELEASED"),
    ("peek-delayed", "FOUND"),
    ("kick 1", "KICKED"),
    ("reserve-with-timeout 10", "RESERVED"),
    ("bury ID 0", "BURIED"),
    ("peek-buried", "FOUND"),
    ("kick-job ID", "KICKED"),
    ("reserve-job ID", "RESERVED"),
    ("delete ID", "DELETED"),
    ("pause-tube t 1", "PAUSED"),
    ("reserve-with-timeout 0", "TIMED_OUT"),
];

const OF_A_SHARED_CLIENT: Script = &[
    ("peek ID", "FOUND"),
    ("reserve-job ID", "RESERVED"),
    ("touch ID", "TOUCHED"),
    ("release ID 0 0", "RELEASED"),
    ("reserve-job ID", "RESERVED"),
    ("bury ID 0", "BURIED"),
    ("kick-job ID", "KICKED"),
    ("stats", "OK"),
    ("stats-job ID", "OK"),
    ("stats-tube default", "OK"),
    ("list-tubes", "OK"),
    ("pause-tube default 0", "PAUSED"),
    ("delete ID", "DELETED"),
];

/// Goes through a script: takes what the command before came to, and gives the next.
struct Player {
    script: Script,
    at: usize,
    id: Option<JobId>,
}

impl Player {
    fn next(&mut self, result: Option<Result<Reply, Error>>) -> Option<Command> {
        if let Some(result) = result {
            let (line, word) = self.script[self.at];
            let reply = result.unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(reply.kind().map(ReplyKind::word), Some(word), "{line}: {reply:?}");
            if let Reply::Inserted(id) = reply {
                self.id = Some(id);
            }
            self.at += 1;
        }
        let (line, _) = self.script.get(self.at)?;
        let line = self.id.map_or_else(|| line.to_string(), |id| line.replace("ID", &id.to_string()));
        let mut command = Command::parse_line(line.as_bytes()).unwrap();
        if let Command::Put { body, .. } = &mut command {
            body.push(b'x');
        }
        Some(command)
    }
}

fn has_all(script: Script, kinds: impl Fn(Kind) -> bool) {
    for kind in Kind::ALL.iter().filter(|&&kind| kinds(kind) && kind != Kind::Quit) {
        let is_there = script.iter().any(|(line, _)| line.split(' ').next() == Some(kind.word()));
        assert!(is_there, "{} is not tried", kind.word());
    }
}

macro_rules! sharing {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($from:tt)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        /// Whether a client that is shared sends it as it is.
        fn needs_no_tube(kind: Kind) -> bool {
            match kind {
                $(Kind::$name => stringify!($shared) == "as_is",)*
            }
        }
    };
}

beanstalk_proto::command_table!(sharing);

pub(super) fn every_command_of_a_session_is_answered<B: Binding>(stand: Stand) {
    has_all(OF_A_SESSION, |_| true);
    let server = stand.server();
    let mut player = Player { script: OF_A_SESSION, at: 0, id: None };
    B::session(&server.address(), SessionConfig::default(), Config::default(), &mut |result| player.next(result));
    assert_eq!(player.at, OF_A_SESSION.len());
}

pub(super) fn every_command_that_needs_no_tube_is_answered_to_a_shared_client<B: Binding>(stand: Stand) {
    has_all(OF_A_SHARED_CLIENT, needs_no_tube);
    let server = stand.server();
    let id = Client::connect(&server.address()).unwrap().put(0, 0, 60, "x").unwrap().inserted().unwrap();
    let mut player = Player { script: OF_A_SHARED_CLIENT, at: 0, id: Some(id) };
    B::shared(&server.address(), &mut |result| player.next(result));
    assert_eq!(player.at, OF_A_SHARED_CLIENT.len());
}
