//! The engine against the naive model: after every call the same replies to the same connections, the same next moment at which
//! something happens by itself, and in the end the same statistics. Before that moment nothing happens; after it was dealt with
//! the next one lies ahead.

use std::time::Duration;

use beanstalk_model::Model;
use beanstalk_proto::{Command, Dialect, Instant, JobId, Kind, Priority, Refused, Reply, TubeName, server::Event};
use beanstalk_server::engine::{ConnId, Engine, Settings};

use crate::source::{Dice, Source};

const MOST_CONNECTIONS: usize = 6;
const MOST_STEPS: usize = 400;

/// In the end one input in eight asks both everything, another an eighth of it: to write statistics takes longer than all the rest.
pub fn run(data: &[u8]) {
    let mut dice = Dice::of(data);
    let everything = dice.below(8) == 0;
    compare(data, |_| everything || dice.below(8) == 0);
}

/// In the end every input asks both everything.
pub fn run_asking_everything(data: &[u8]) {
    compare(data, |_| true);
}

fn compare(data: &[u8], asks: impl FnMut(&Command) -> bool) {
    let mut source = Source::new(data);
    let mut both = Both::new(&mut source);
    let mut steps = 0;
    while !source.is_empty() && steps < MOST_STEPS {
        both.step(&mut source);
        steps += 1;
    }
    both.compare_in_the_end(asks);
}

struct Both {
    engine: Engine,
    model: Model,
    now: Instant,
    /// With whether a put was announced and its body has not come.
    conns: Vec<(ConnId, bool)>,
    draining: bool,
}

impl Both {
    fn new(source: &mut Source<'_>) -> Self {
        let dialect = source.pick(&[Dialect::V1_13, Dialect::V1_12]);
        let now = Instant::from_nanos(source.u64() % (1 << 50));
        let max_job_size = 100;
        let mut model = Model::new(now);
        model.dialect = dialect;
        model.max_job_size = max_job_size;
        let engine = Engine::new(now, Settings { max_job_size, dialect, ..Settings::default() });
        Self { engine, model, now, conns: Vec::new(), draining: false }
    }

    fn step(&mut self, source: &mut Source<'_>) {
        match source.u8() {
            0..48 => self.pass_time(source),
            48..60 => self.connect(),
            60..64 => self.event(source, |_, announced| (Event::Closed, announced)),
            64..68 => self.event(source, |_, announced| (Event::HalfClosed, announced)),
            68..76 => self.event(source, |source, _| (Event::PutAnnounced { too_big: source.bool() }, true)),
            76..80 => self.event(source, |source, announced| {
                let kind = Some(source.pick(Kind::ALL));
                let reply =
                    source.pick(&[Refusal::BadFormat, Refusal::Unknown, Refusal::ExpectedCrlf, Refusal::TooBig]);
                let counted = !announced && source.bool();
                (Event::Refused(Refused { kind, reply: reply.into(), counted, line: Vec::new() }), false)
            }),
            80 => {
                self.draining ^= true;
                self.engine.set_draining(self.draining);
                self.model.draining = self.draining;
            }
            _ => self.event(source, |source, announced| {
                let kind = if announced { Kind::Put } else { source.pick(Kind::ALL) };
                (Event::Command(command(kind, source)), false)
            }),
        }
        self.compare();
    }

    fn connect(&mut self) {
        if self.conns.len() < MOST_CONNECTIONS {
            let id = self.engine.connect(self.now);
            assert!(self.conns.iter().all(|(other, _)| other.slot() != id.slot()), "two connections in one slot");
            self.model.connect(self.now, id.slot());
            self.conns.push((id, false));
        }
    }

    /// One of the connections sends something, unless it waits: then it only ends, or closes its writing half.
    fn event(&mut self, source: &mut Source<'_>, say: impl FnOnce(&mut Source<'_>, bool) -> (Event, bool)) {
        if self.conns.is_empty() {
            self.connect();
        }
        let at = source.below(self.conns.len());
        let (id, announced) = self.conns[at];
        let (event, announced_then) = say(source, announced);
        let ends = matches!(event, Event::Closed | Event::Command(Command::Quit));
        // What no connection does: two lines while one command is unanswered, or a line in the middle of a body.
        if self.model.is_waiting(id.slot()) && !matches!(event, Event::Closed | Event::HalfClosed)
            || announced && matches!(event, Event::PutAnnounced { .. })
        {
            return;
        }
        self.conns[at].1 = announced_then && event != Event::PutAnnounced { too_big: true };
        self.engine.handle_event(self.now, id, event.clone());
        self.model.handle_event(self.now, id.slot(), event);
        if ends {
            self.conns.swap_remove(at);
        }
    }

    fn pass_time(&mut self, source: &mut Source<'_>) {
        let due = self.engine.poll_timeout();
        let then = match (source.below(8), due) {
            (0, _) => self.now + Duration::from_nanos(1),
            (1, _) => self.now + Duration::from_nanos(999_999_999),
            (2, _) => self.now + Duration::from_millis(500 * u64::from(source.u8())),
            (3, _) => self.now + Duration::from_secs(u64::from(source.u32()) % 1_000_000),
            (_, Some(due)) => due,
            (_, None) => self.now + Duration::from_secs(1),
        };
        if let Some(due) = due {
            assert!(due > self.now, "what is due was not dealt with");
            // Up to there, nothing.
            let before = Instant::from_nanos((due.as_nanos() - 1).min(then.as_nanos()));
            self.engine.handle_timeout(before);
            assert_eq!(self.engine.poll_reply(), None, "too early");
            assert_eq!(self.engine.poll_timeout(), Some(due));
        }
        // Times saturate at the end of all times, some 584 years from the start. The model knows no end.
        if then.as_nanos() > 1 << 63 {
            return;
        }
        self.now = then;
        self.engine.handle_timeout(then);
        self.model.handle_timeout(then);
    }

    fn compare(&mut self) {
        let mut replies: Vec<(usize, Reply)> = Vec::new();
        while let Some((id, reply)) = self.engine.poll_reply() {
            replies.push((id.slot(), reply));
        }
        let mut expected = self.model.take_replies();
        // Those to one connection come in order; between connections there is none.
        replies.sort_by_key(|&(slot, _)| slot);
        expected.sort_by_key(|&(slot, _)| slot);
        assert!(
            replies == expected,
            "the engine answers otherwise: {:?}, and the model {:?}",
            shown(&replies),
            shown(&expected)
        );
        let due = self.engine.poll_timeout();
        assert_eq!(due, self.model.poll_timeout(), "the engine wakes at another time");
        assert!(due.is_none_or(|due| due > self.now), "time stands still");
        for &(id, _) in &self.conns {
            assert_eq!(self.engine.is_waiting(id), self.model.is_waiting(id.slot()));
        }
    }

    /// Asks both, of all there is to ask, what is to be asked, through a connection of its own.
    fn compare_in_the_end(&mut self, asks: impl FnMut(&Command) -> bool) {
        let id = self.engine.connect(self.now);
        self.model.connect(self.now, id.slot());
        let mut questions = vec![Command::Stats, Command::ListTubes];
        for job in self.model.jobs() {
            questions.extend([Command::StatsJob { id: job }, Command::Peek { id: job }]);
        }
        for tube in TUBES {
            let tube = TubeName::new(*tube).expect("a valid name");
            questions.extend([
                Command::StatsTube { tube: tube.clone() },
                Command::Use { tube },
                Command::PeekReady,
                Command::PeekDelayed,
                Command::PeekBuried,
            ]);
        }
        questions.retain(asks);
        for question in questions {
            self.engine.command(self.now, id, question.clone());
            self.model.handle_event(self.now, id.slot(), Event::Command(question));
            self.compare();
        }
    }
}

/// Replies as text, so that a difference can be read.
fn shown(replies: &[(usize, Reply)]) -> Vec<String> {
    let text = |reply: &Reply| {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    replies.iter().map(|(slot, reply)| format!("{slot}: {}", text(reply))).collect()
}

#[derive(Clone, Copy)]
enum Refusal {
    BadFormat,
    Unknown,
    ExpectedCrlf,
    TooBig,
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadFormat => Self::BadFormat,
            Refusal::Unknown => Self::UnknownCommand,
            Refusal::ExpectedCrlf => Self::ExpectedCrlf,
            Refusal::TooBig => Self::JobTooBig,
        }
    }
}

const TUBES: &[&str] = &["default", "a", "b", "c", "d"];

/// A command whose values are so few that they meet.
fn command(kind: Kind, source: &mut Source<'_>) -> Command {
    match kind {
        Kind::Put => Command::Put {
            priority: pri(source),
            delay: seconds(source),
            ttr: seconds(source),
            body: source.bytes(3).to_vec(),
        },
        Kind::Peek => Command::Peek { id: id(source) },
        Kind::PeekReady => Command::PeekReady,
        Kind::PeekDelayed => Command::PeekDelayed,
        Kind::PeekBuried => Command::PeekBuried,
        Kind::ReserveWithTimeout => Command::ReserveWithTimeout { timeout: seconds(source) },
        Kind::ReserveJob => Command::ReserveJob { id: id(source) },
        Kind::Reserve => Command::Reserve,
        Kind::Delete => Command::Delete { id: id(source) },
        Kind::Release => Command::Release { id: id(source), priority: pri(source), delay: seconds(source) },
        Kind::Bury => Command::Bury { id: id(source), priority: pri(source) },
        Kind::Kick => Command::Kick { bound: source.u32() },
        Kind::KickJob => Command::KickJob { id: id(source) },
        Kind::Touch => Command::Touch { id: id(source) },
        Kind::StatsJob => Command::StatsJob { id: id(source) },
        Kind::StatsTube => Command::StatsTube { tube: tube(source) },
        Kind::Stats => Command::Stats,
        Kind::Use => Command::Use { tube: tube(source) },
        Kind::Watch => Command::Watch { tube: tube(source) },
        Kind::Ignore => Command::Ignore { tube: tube(source) },
        Kind::ListTubesWatched => Command::ListTubesWatched,
        Kind::ListTubeUsed => Command::ListTubeUsed,
        Kind::ListTubes => Command::ListTubes,
        Kind::Quit => Command::Quit,
        Kind::PauseTube => Command::PauseTube { tube: tube(source), delay: seconds(source) },
    }
}

fn id(source: &mut Source<'_>) -> JobId {
    JobId(1 + source.u64() % 8)
}

fn pri(source: &mut Source<'_>) -> Priority {
    Priority(source.pick(&[0, 1, 2, 1023, 1024, u32::MAX]))
}

fn seconds(source: &mut Source<'_>) -> u32 {
    source.pick(&[0, 0, 1, 1, 2, 3, 60, u32::MAX])
}

fn tube(source: &mut Source<'_>) -> TubeName {
    TubeName::new(source.pick(TUBES)).expect("a valid name")
}
