//! The engine against a deliberately naive model of it, in virtual time: after every call the same replies to the same
//! connections, and the same moment at which something happens by itself next.

use std::time::Duration;

use beanstalk_model::Model;
use beanstalk_proto::{Command, Instant, JobId, Priority, TubeName, server::Event};
use beanstalk_server::engine::{ConnId, Engine, Settings};
use proptest::prelude::*;

const CONNECTIONS: usize = 4;

#[derive(Clone, Debug)]
enum Op {
    /// A connection sends something; one that is waiting does not.
    Say(usize, Event),
    /// It leaves, and another comes.
    Replace(usize),
    /// So many milliseconds go by, step by step.
    Pass(u64),
    /// Time goes by until something happens by itself.
    PassToNext,
    Drain(bool),
}

fn tube() -> impl Strategy<Value = TubeName> {
    prop::sample::select(vec!["default", "a", "b"]).prop_map(|name| TubeName::new(name).expect("a good name"))
}

fn seconds() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(0), 4 => 1..4_u32, 1 => Just(1000)]
}

fn command() -> impl Strategy<Value = Command> {
    let id = || (0..24_u64).prop_map(JobId);
    let pri = || prop::sample::select(vec![0, 1, 1023, 1024, u32::MAX]).prop_map(Priority);
    let put = (pri(), seconds(), seconds()).prop_map(|(priority, delay, ttr)| Command::Put {
        priority,
        delay,
        ttr,
        body: b"body".to_vec(),
    });
    prop_oneof![
        8 => put,
        3 => Just(Command::Reserve),
        5 => seconds().prop_map(|timeout| Command::ReserveWithTimeout { timeout }),
        2 => id().prop_map(|id| Command::ReserveJob { id }),
        2 => id().prop_map(|id| Command::Delete { id }),
        3 => (id(), pri(), seconds()).prop_map(|(id, priority, delay)| Command::Release { id, priority, delay }),
        2 => (id(), pri()).prop_map(|(id, priority)| Command::Bury { id, priority }),
        2 => id().prop_map(|id| Command::Touch { id }),
        1 => id().prop_map(|id| Command::Peek { id }),
        1 => prop::sample::select(vec![Command::PeekReady, Command::PeekDelayed, Command::PeekBuried]),
        2 => (0..4_u32).prop_map(|bound| Command::Kick { bound }),
        1 => id().prop_map(|id| Command::KickJob { id }),
        2 => tube().prop_map(|tube| Command::Use { tube }),
        3 => tube().prop_map(|tube| Command::Watch { tube }),
        2 => tube().prop_map(|tube| Command::Ignore { tube }),
        2 => (tube(), seconds()).prop_map(|(tube, delay)| Command::PauseTube { tube, delay }),
        2 => prop::sample::select(vec![
            Command::Stats,
            Command::ListTubes,
            Command::ListTubesWatched,
            Command::ListTubeUsed
        ]),
        2 => tube().prop_map(|tube| Command::StatsTube { tube }),
        2 => id().prop_map(|id| Command::StatsJob { id }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let say = (0..CONNECTIONS, command()).prop_map(|(conn, command)| Op::Say(conn, Event::Command(command)));
    prop_oneof![
        30 => say,
        1 => (0..CONNECTIONS).prop_map(|conn| Op::Say(conn, Event::HalfClosed)),
        1 => (0..CONNECTIONS).prop_map(Op::Replace),
        4 => (0..4_u64).prop_map(|quarters| Op::Pass(quarters * 250)),
        4 => Just(Op::PassToNext),
        1 => prop::bool::weighted(0.2).prop_map(Op::Drain),
    ]
}

struct Both {
    engine: Engine,
    model: Model,
    now: Instant,
    /// By the place they are said to be at, with the name that the model knows them by.
    conns: Vec<ConnId>,
}

impl Both {
    fn new() -> Self {
        let now = Instant::ZERO;
        let mut both =
            Self { engine: Engine::new(now, Settings::default()), model: Model::new(now), now, conns: Vec::new() };
        for _ in 0..CONNECTIONS {
            let id = both.engine.connect(now);
            both.model.connect(now, id.slot());
            both.conns.push(id);
        }
        both
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Say(conn, _) if self.engine.is_waiting(self.conns[conn]) => {}
            Op::Say(conn, event) => self.event(self.conns[conn], event),
            Op::Replace(conn) => {
                self.event(self.conns[conn], Event::Closed);
                let id = self.engine.connect(self.now);
                self.model.connect(self.now, id.slot());
                self.conns[conn] = id;
            }
            Op::Pass(millis) => self.pass(self.now + Duration::from_millis(millis)),
            Op::PassToNext => {
                if let Some(due) = self.engine.poll_timeout() {
                    self.pass(due.max(self.now));
                }
            }
            Op::Drain(draining) => {
                self.engine.set_draining(draining);
                self.model.draining = draining;
            }
        }
    }

    fn event(&mut self, id: ConnId, event: Event) {
        self.engine.handle_event(self.now, id, event.clone());
        self.model.handle_event(self.now, id.slot(), event);
    }

    fn pass(&mut self, until: Instant) {
        while let Some(due) = self.engine.poll_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.engine.handle_timeout(self.now);
            self.model.handle_timeout(self.now);
            self.compare();
        }
        self.now = until;
    }

    fn compare(&mut self) {
        let mut replies: Vec<_> =
            std::iter::from_fn(|| self.engine.poll_reply()).map(|(id, reply)| (id.slot(), reply)).collect();
        let mut expected = self.model.take_replies();
        // Between connections there is no order.
        replies.sort_by_key(|(slot, _)| *slot);
        expected.sort_by_key(|(slot, _)| *slot);
        assert_eq!(replies, expected);
        assert_eq!(self.engine.poll_timeout(), self.model.poll_timeout());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_the_model_does(ops in prop::collection::vec(op(), 1..150)) {
        let _bound = beanstalk_tests::watchdog::bound();
        let mut both = Both::new();
        for op in ops {
            both.run(op);
            both.compare();
        }
        for tube in ["default", "a", "b"] {
            let tube = TubeName::new(tube).expect("a good name");
            both.event(both.conns[0], Event::HalfClosed);
            both.event(both.conns[0], Event::Command(Command::StatsTube { tube }));
            both.compare();
        }
    }
}
