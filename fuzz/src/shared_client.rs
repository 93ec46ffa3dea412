//! Calls of a shared client under a hostile schedule: polled when nobody has woken them or not at all, dropped anywhere, from several
//! runtimes, one of which may stand still or be shut down; over connections that come in pieces and break, to a server that comes and
//! goes, is silent, and refuses.
//!
//! Every reply is the one to its own request, run in its own tube, or its error names which. A request that is not sent for certain never
//! runs; what must not be repeated runs once at most. Who came first is sent first. A call with a time of its own is over by then. In the
//! end, on an honest network and polled only when it was woken, every call ends, and when the last handle is gone so do the client's
//! tasks, and nothing is left of them.

mod wire;
mod world;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use beanstalk_driver::{
    Runtime, SharedClient,
    policy::{Backoff, SharedConfig},
};
use beanstalk_proto::{
    Delete, Error, Instant, Kick, Lost, Peek, Priority, PutOutcome,
    client::{Config, Limits, Timeout},
};

use self::world::{Born, Flag, Virtual, set_current};

const MOST_STEPS: usize = 300;
const MOST_CALLS: usize = 40;

pub fn run(data: &[u8]) {
    let mut run = Run::new(data);
    for _ in 0..MOST_STEPS {
        if run.runtime.is_empty() {
            break;
        }
        run.step();
    }
    run.finish();
}

type Client = SharedClient<Virtual>;

/// What is asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Peek,
    Delete,
    /// Into a tube, or of one.
    Put(&'static str),
    Kick(&'static str),
}

impl What {
    const fn word(self) -> &'static str {
        match self {
            Self::Peek => "peek",
            Self::Delete => "delete",
            Self::Put(_) => "put",
            Self::Kick(_) => "kick",
        }
    }
}

struct Asked {
    number: u32,
    what: What,
    runtime: Option<u64>,
    /// How long it may take, if it has a time of its own, and since when it runs.
    time: Option<Duration>,
    since: Option<Instant>,
    flag: Arc<Flag>,
    future: Pin<Box<dyn Future<Output = Result<u64, Error>>>>,
}

struct Run {
    runtime: Virtual,
    clients: Vec<Client>,
    calls: Vec<Asked>,
    /// What every request was, and the numbers of those that were not sent for certain.
    asked: Vec<What>,
    not_sent: Vec<u32>,
    polled: u32,
    repeat_puts: bool,
    /// The client was told to end, or can't connect again.
    may_end: bool,
}

impl Run {
    fn new(data: &[u8]) -> Self {
        let runtime = Virtual::new(data);
        set_current(Some(0));
        let flags = runtime.u8();
        let limits = Limits {
            in_flight: runtime.pick(&[1, 2, 1000]),
            queued: runtime.pick(&[1, 60, 1 << 20]),
            ..Limits::default()
        };
        let config = Config { limits, ..Config::default() };
        let (first, max) = (Duration::from_millis(100), Duration::from_secs(1));
        let (reconnects, repeat_puts) = (flags & 3 != 0, flags & 4 != 0);
        let mut shared = SharedConfig::default().repeat_puts(repeat_puts);
        shared = shared.patience(runtime.pick(&[Some(Duration::from_secs(30)), Some(Duration::from_secs(1)), None]));
        shared = shared.waiting(runtime.pick(&[1000, 2]), runtime.pick(&[1 << 20, 50]));
        if !reconnects {
            shared = shared.reconnect(None);
        }
        if reconnects {
            shared = shared.reconnect(Backoff { first, max });
        }
        let over = flags & 0b1000_0011 == 0b1000_0000;
        let client = if over {
            let (client, driver) = Client::over(runtime.clone(), config, runtime.connect_now());
            let driver = async { drop(driver.await) };
            runtime.spawn(driver);
            client
        } else {
            let route = "queue".parse().expect("an endpoint");
            Client::on(runtime.clone(), route, shared, config).expect("options that can be used")
        };
        Self {
            runtime,
            clients: vec![client],
            calls: Vec::new(),
            asked: Vec::new(),
            not_sent: Vec::new(),
            polled: 0,
            repeat_puts: repeat_puts && !over,
            may_end: !reconnects,
        }
    }

    fn step(&mut self) {
        let (what, how) = (self.runtime.u8() % 32, self.runtime.u8());
        match what {
            0..9 => self.ask(how),
            9..14 => {
                if !self.calls.is_empty() {
                    self.poll(usize::from(how) % self.calls.len());
                }
            }
            14 => {
                if !self.calls.is_empty() {
                    drop(self.calls.swap_remove(usize::from(how) % self.calls.len()));
                }
            }
            15..18 => drop(self.runtime.run_tasks()),
            18..21 => drop(self.runtime.poll_task(usize::from(how) % self.runtime.tasks().max(1))),
            21..23 => drop(self.poll_woken()),
            23 | 24 => self.runtime.advance(Duration::from_millis(u64::from(how) * 20)),
            25 => {
                let mut world = self.runtime.world();
                if let Some(at) = world.conns.len().checked_sub(1 + usize::from(how % 2)) {
                    world.conns[at].end(how & 4 != 0);
                }
            }
            26 => self.runtime.world().away = how & 1 == 1,
            27 => {
                let mut world = self.runtime.world();
                world.silent = how & 1 == 1;
                world.wake_connections();
            }
            28 if how < 80 => self.runtime.shut_down(u64::from(how % 2)),
            28 => {
                let stalled = if how < 160 { Some(u64::from(how % 2)) } else { None };
                self.runtime.world().stalled = stalled;
            }
            29 => set_current([Some(0), Some(1), None][usize::from(how) % 3]),
            30 => {
                let client = &self.clients[usize::from(how) % self.clients.len()];
                if self.clients.len() < 4 {
                    self.clients.push(client.clone());
                }
            }
            _ if how < 16 => {
                // It goes on to its end without anybody.
                let client = &self.clients[0];
                let mut end = std::pin::pin!(client.disconnect());
                self.may_end = true;
                let _ends_by_itself = end.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }
            _ => {
                if self.clients.len() > 1 {
                    drop(self.clients.pop());
                }
            }
        }
    }

    fn ask(&mut self, how: u8) {
        if self.calls.len() >= MOST_CALLS {
            return;
        }
        let number = u32::try_from(self.asked.len()).expect("few calls");
        let tube = self.runtime.pick(&["default", "a", "b"]);
        let what = match how % 8 {
            0 | 1 => What::Peek,
            2 => What::Delete,
            3..7 => What::Put(tube),
            _ => What::Kick(tube),
        };
        let time = if how < 200 { None } else { Some(Duration::from_millis(1 + u64::from(how % 50) * 100)) };
        let flushes = how & 64 != 0;
        let mut client = self.clients[usize::from(how) % self.clients.len()].clone();
        if let Some(time) = time {
            client = client.with_timeout(Timeout::After(time));
        }
        let number_of = |outcome: PutOutcome| match outcome {
            PutOutcome::Inserted(id) => id.0,
            other => panic!("{other:?} for a put"),
        };
        let put = beanstalk_proto::Put::of(number.to_string()).priority(Priority(number));
        let future: Pin<Box<dyn Future<Output = Result<u64, Error>>>> = match (what, flushes) {
            (What::Peek, _) => Box::pin(async move {
                let job = client.call(Peek::new(u64::from(number))).await?;
                assert_eq!(job.body, number.to_string().as_bytes());
                Ok(job.id.0)
            }),
            (What::Delete, false) => {
                Box::pin(async move { client.call(Delete::new(u64::from(number))).await.map(|()| number.into()) })
            }
            (What::Delete, true) => {
                Box::pin(
                    async move { client.send(Delete::new(u64::from(number))).await?.await.map(|()| number.into()) },
                )
            }
            (What::Put(tube), false) => Box::pin(async move { client.call_in(tube, put).await.map(number_of) }),
            (What::Put(tube), true) => Box::pin(async move { client.send_in(tube, put).await?.await.map(number_of) }),
            (What::Kick(tube), _) => Box::pin(async move { client.call_in(tube, Kick::new(number)).await }),
        };
        self.asked.push(what);
        // It is polled a first time, later if its runtime stands still.
        let flag = Arc::new(Flag::default());
        Arc::clone(&flag).wake();
        let runtime = current();
        self.calls.push(Asked { number, what, runtime, time, since: None, flag, future });
        self.poll(self.calls.len() - 1);
    }

    fn poll(&mut self, at: usize) {
        let stalled = self.runtime.world().stalled;
        let asked = &mut self.calls[at];
        if stalled.is_some() && asked.runtime == stalled {
            return;
        }
        {
            let mut world = self.runtime.world();
            let (now, connections) = (world.now, world.conns.len());
            asked.since.get_or_insert(now);
            let polled = &mut self.polled;
            world.born.entry(asked.number).or_insert_with(|| {
                *polled += 1;
                Born { place: *polled, connections }
            });
        }
        asked.flag.take();
        let here = current();
        set_current(asked.runtime);
        let polled = asked.future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&asked.flag))));
        set_current(here);
        if let Poll::Ready(result) = polled {
            let asked = self.calls.swap_remove(at);
            self.check(&asked, result);
        }
    }

    fn poll_woken(&mut self) -> bool {
        let stalled = self.runtime.world().stalled;
        let mut polled = false;
        for at in (0..self.calls.len()).rev() {
            let asked = &self.calls[at];
            if (stalled.is_none() || asked.runtime != stalled) && asked.flag.take() {
                self.poll(at);
                polled = true;
            }
        }
        polled
    }

    fn check(&mut self, asked: &Asked, result: Result<u64, Error>) {
        let Asked { number, what, .. } = *asked;
        let world = self.runtime.world();
        let ran = world.ran.get(&number).map_or(&[][..], Vec::as_slice);
        let waited = world.now.saturating_duration_since(asked.since.expect("it was polled"));
        match result {
            Ok(given) => {
                assert_eq!(given, u64::from(number), "another's reply for {what:?}");
                let last = ran.iter().rfind(|ran| !ran.refused).expect("a reply to what was not run");
                if let What::Put(tube) | What::Kick(tube) = what {
                    assert_eq!(last.tube, *tube, "{what:?} ran in another tube, and nobody knows");
                }
            }
            Err(Error::Command { .. }) => assert!(ran.iter().any(|ran| ran.refused), "{what:?} was not refused"),
            Err(Error::UseRefused { tube, ran_in, .. }) => {
                assert!(matches!(what, What::Put(to) | What::Kick(to) if tube == *to));
                assert_eq!(ran.last().map(|ran| &ran.tube), Some(&ran_in), "{what:?} ran somewhere else");
            }
            Err(error) => {
                match &error {
                    // Else it is what the last connection ended with.
                    Error::TimedOut { waited: told, command, .. } if *command == what.word() => {
                        assert!(waited >= *told, "{what:?} is late after {waited:?}, and told {told:?}");
                    }
                    Error::TimedOut { .. } | Error::Closed { .. } | Error::Io { .. } | Error::Full(_) => {}
                    error => panic!("{error} for {what:?}"),
                }
                // Of what only reads, being turned away at the second attempt need not tell of the first.
                let reads = what == What::Peek && matches!(error, Error::Full(_));
                if error.lost() == Some(Lost::NotSent) && !reads {
                    self.not_sent.push(number);
                }
            }
        }
    }

    /// Whatever must not be repeated was not, and what was not sent has not run.
    fn check_runs(&self) {
        let world = self.runtime.world();
        for (number, what) in (0..).zip(&self.asked) {
            let runs = world.ran.get(&number).map_or(0, Vec::len);
            let again = *what == What::Peek || matches!(what, What::Put(_)) && self.repeat_puts;
            assert!(again || runs <= 1, "{what:?} ran {runs} times");
            assert!(runs == 0 || !self.not_sent.contains(&number), "{what:?} ran, and is said not to be sent");
        }
    }

    fn finish(mut self) {
        // As the server is by now, which may have answered nothing.
        if self.runtime.world().stalled.is_none() {
            while self.runtime.run_tasks() | self.poll_woken() {}
            self.check_late();
        }
        let stalled = {
            let mut world = self.runtime.world();
            (world.honest, world.away, world.silent) = (true, false, false);
            world.wake_connections();
            world.stalled
        };
        // Nobody waits on a runtime that stands still, and who is on none has no timer.
        if stalled.is_some() {
            self.calls.retain(|call| call.runtime.is_some() && call.runtime != stalled);
        }
        self.settle(|run| run.calls.is_empty(), "a call that nobody wakes");
        self.check_runs();
        self.clients.clear();
        if stalled.is_none() {
            self.settle(|run| run.runtime.tasks() == 0, "a task without a client");
        }
        self.check_runs();
        // What stands still goes with its runtime.
        self.calls.clear();
        [0, 1].into_iter().for_each(|runtime| self.runtime.shut_down(runtime));
        assert_eq!(
            Arc::strong_count(&self.runtime.0),
            1,
            "of a client that is gone something is left: {}",
            self.left()
        );
    }

    /// Once everybody was polled that was woken, nobody's time is over.
    fn check_late(&self) {
        let now = self.runtime.world().now;
        let late = |asked: &&Asked| asked.since.zip(asked.time).is_some_and(|(since, time)| since + time <= now);
        if let Some(asked) = self.calls.iter().find(late) {
            panic!("{:?}, which has {:?}, is late", asked.what, asked.time);
        }
    }

    /// What has not ended.
    fn left(&self) -> String {
        let calls: Vec<_> = self.calls.iter().map(|call| (call.number, call.what, call.runtime, call.time)).collect();
        format!("{calls:?}, {}", self.runtime.world())
    }

    /// Everybody is polled when woken, and time passes only when nobody is.
    fn settle(&mut self, is_over: impl Fn(&Self) -> bool, what: &str) {
        for _ in 0..10_000 {
            while self.runtime.run_tasks() | self.poll_woken() {}
            self.check_late();
            if is_over(self) {
                return;
            }
            match self.runtime.next_timer() {
                Some(time) => self.runtime.advance(time),
                None => panic!("{what}: {}", self.left()),
            }
        }
        panic!("it never ends");
    }
}

fn current() -> Option<u64> {
    Virtual::current()
}
