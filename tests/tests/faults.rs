//! Every client over real sockets through a network that goes wrong, and through the death of its server.
//!
//! `BEANSTALK_FAULT_SEED` begins with another seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use beanstalk_proto::{
    Command, Delete, Error, JobId, Lost, Peek, Put, PutOutcome, ReserveWithTimeout, Reserved,
    client::{Config, Limits},
};
use beanstalk_tests::{
    Backend, Options, Peer, Server,
    peer::{AsyncStd, Blocking, Smol, Tokio},
    proxy::Proxy,
    runner::{self, trial},
    server,
    sim::Rng,
};

const REPLY_TIMEOUT: Duration = Duration::from_millis(400);
/// A call may take its timeouts, and what a slow and busy machine adds.
const MARGIN: Duration = Duration::from_secs(10);
const ROUNDS: u64 = 14;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    let mut all = |client: &str, through: fn(Backend), killed: fn(Backend)| {
        for backend in [Backend::Real, Backend::Embedded] {
            let absent = backend == Backend::Real && server::installed().is_none();
            for (name, test) in [("a_network_that_goes_wrong", through), ("a_server_that_is_killed", killed)] {
                let name = format!("{client}::{}::{name}", backend.name());
                trials.push(trial(name, move || test(backend)).with_ignored_flag(absent));
            }
        }
    };
    all(Blocking::NAME, through::<Blocking>, killed::<Blocking>);
    all(Tokio::NAME, through::<Tokio>, killed::<Tokio>);
    all(AsyncStd::NAME, through::<AsyncStd>, killed::<AsyncStd>);
    all(Smol::NAME, through::<Smol>, killed::<Smol>);
    runner::main(env!("CARGO_CRATE_NAME"), trials)
}

/// What is known of the jobs that were put, by token: whether they can be there.
#[derive(Debug, Default)]
struct Notes {
    /// Put, with this id.
    known: BTreeMap<JobId, String>,
    /// Perhaps put.
    unknown: BTreeSet<String>,
    /// Certainly not.
    unsent: BTreeSet<String>,
    deleted: BTreeSet<JobId>,
    /// Perhaps deleted.
    unsure: BTreeSet<JobId>,
    errors: BTreeMap<&'static str, u64>,
}

impl Notes {
    /// Checks an error's text, and notes it. Returns whether the connection is of no further use.
    fn error(&mut self, error: &Error) -> bool {
        let (name, lost) = match error {
            Error::Closed { lost } => ("closed", Some(*lost)),
            Error::Io { lost, .. } => ("io", Some(*lost)),
            Error::Connect { .. } => ("connect", Some(Lost::NotSent)),
            Error::TimedOut { lost, .. } => ("timed out", Some(*lost)),
            Error::Command { .. } => ("refused", None),
            other => panic!("nobody broke the protocol, and yet: {other}"),
        };
        assert_eq!(error.lost(), lost);
        assert_eq!(
            error.is_fatal(),
            matches!(error, Error::Closed { .. } | Error::Io { .. } | Error::Connect { .. }),
            "{error}"
        );
        *self.errors.entry(name).or_default() += 1;
        error.is_fatal()
    }

    fn put(&mut self, token: String, result: Result<PutOutcome, Error>) -> bool {
        match result {
            Ok(PutOutcome::Inserted(id)) => {
                assert!(self.known.insert(id, token).is_none(), "{id} was given twice");
                false
            }
            Ok(PutOutcome::Buried(id)) => panic!("{id} is buried"),
            Err(error) => {
                match error.lost() {
                    Some(Lost::NotSent) => self.unsent.insert(token),
                    _ => self.unknown.insert(token),
                };
                self.error(&error)
            }
        }
    }

    /// A job that was seen must be one that was put, under its own id.
    fn seen(&self, id: JobId, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        let token = text.split(' ').next().unwrap_or_default();
        assert!(!self.unsent.contains(token), "{token} was called unsent, and is job {id}");
        assert!(!self.deleted.contains(&id), "{id} was deleted");
        match self.known.get(&id) {
            Some(known) => assert_eq!(known, token, "job {id} is another"),
            None => assert!(self.unknown.contains(token), "{token}, job {id}, was never put"),
        }
    }
}

fn config() -> Config {
    Config { reply_timeout: Some(REPLY_TIMEOUT), ..patient() }
}

/// For where nothing is slow but the machine.
fn patient() -> Config {
    Config { reply_timeout: None, connect_timeout: Some(MARGIN), limits: Limits::default() }
}

fn seed() -> u64 {
    env::var("BEANSTALK_FAULT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// Runs a call, and fails if it takes longer than it may.
async fn timed<T>(what: &str, wait: Duration, call: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let result = call.await;
    let (took, allowed) = (start.elapsed(), wait + MARGIN);
    assert!(took < allowed, "{what} took {took:?}, and may take {allowed:?}");
    result
}

/// Works on one connection until it fails or enough was done.
async fn work<P: Peer>(peer: &mut P, rng: &mut Rng, notes: &mut Notes, tokens: &mut u64) {
    for _ in 0..rng.between(6, 16) {
        let fatal = match rng.below(6) {
            0 | 1 => {
                *tokens += 1;
                let token = format!("token-{tokens}");
                let len = if rng.one_in(3) { rng.between(1000, 60_000) as usize } else { 40 };
                let body = format!("{token} {}", "x".repeat(len)).into_bytes();
                let result = timed("put", REPLY_TIMEOUT, peer.call(Put::of(body))).await;
                notes.put(token, result)
            }
            2 => {
                let id = notes.known.keys().nth(rng.index(notes.known.len().max(1))).copied().unwrap_or(JobId(1));
                match timed("peek", REPLY_TIMEOUT, peer.call(Peek::new(id))).await {
                    Ok(job) => {
                        assert_eq!(job.id, id);
                        notes.seen(id, &job.body);
                        false
                    }
                    Err(error) => {
                        if error.command_error().is_some() {
                            let gone = notes.deleted.contains(&id) || notes.unsure.contains(&id);
                            assert!(gone || !notes.known.contains_key(&id), "{id} is lost");
                        }
                        notes.error(&error)
                    }
                }
            }
            3 | 4 => match timed("reserve", REPLY_TIMEOUT, peer.call(ReserveWithTimeout::new(0))).await {
                Ok(Reserved::Job(job)) => {
                    notes.seen(job.id, &job.body);
                    match timed("delete", REPLY_TIMEOUT, peer.call(Delete::new(job.id))).await {
                        Ok(()) => {
                            notes.deleted.insert(job.id);
                            false
                        }
                        Err(error) => {
                            if error.lost() != Some(Lost::NotSent) {
                                notes.unsure.insert(job.id);
                            }
                            notes.error(&error)
                        }
                    }
                }
                Ok(Reserved::TimedOut | Reserved::DeadlineSoon) => false,
                Err(error) => notes.error(&error),
            },
            _ => batch(peer, rng, notes, tokens).await,
        };
        if fatal {
            return;
        }
    }
}

/// A pipeline of puts and questions; every answer must be to its own request.
async fn batch<P: Peer>(peer: &mut P, rng: &mut Rng, notes: &mut Notes, tokens: &mut u64) -> bool {
    let first = *tokens + 1;
    let puts = rng.between(2, 12);
    *tokens += puts;
    let body = |number| format!("token-{number} {}", "y".repeat(300)).into_bytes();
    let requests = (first..=*tokens).map(|number| Put::of(body(number))).collect();
    let results = timed("a pipeline", REPLY_TIMEOUT * puts as u32, peer.call_all(requests, usize::MAX)).await;
    assert_eq!(results.len() as u64, puts, "one result for each");
    let mut fatal = false;
    for (number, result) in (first..).zip(results) {
        fatal |= notes.put(format!("token-{number}"), result);
    }
    fatal
}

/// Looks at what is there, over a connection that nothing happens to.
async fn audit<P: Peer>(peer: &mut P, notes: &Notes) {
    for id in notes.known.keys().copied() {
        match peer.call(Peek::new(id)).await {
            Ok(job) => notes.seen(id, &job.body),
            Err(error) => {
                assert!(error.command_error().is_some(), "{error}");
                assert!(notes.deleted.contains(&id) || notes.unsure.contains(&id), "{id} is lost");
            }
        }
    }
}

fn through<P: Peer>(backend: Backend) {
    let server = Server::start(backend, Options::default());
    let proxy = Proxy::start(server.address(), seed()).unwrap();
    let (mut rng, mut notes, mut tokens) = (Rng::new(seed()), Notes::default(), 0);
    P::block_on(async {
        for _ in 0..ROUNDS {
            let peer = timed("connect", REPLY_TIMEOUT, P::connect(proxy.address(), config())).await;
            let mut peer = match peer {
                Ok(peer) => peer,
                Err(error) => {
                    assert_eq!(error.lost(), Some(Lost::NotSent), "{error}");
                    continue;
                }
            };
            work(&mut peer, &mut rng, &mut notes, &mut tokens).await;
            if rng.one_in(2) {
                if let Err(error) = timed("disconnect", REPLY_TIMEOUT, peer.disconnect()).await {
                    notes.error(&error);
                }
            }
        }
        let mut peer = P::connect(server.address(), patient()).await.unwrap();
        audit(&mut peer, &notes).await;
    });
    assert!(notes.known.len() > 5 && notes.errors.values().sum::<u64>() > 1, "too little happened: {:?}", notes.errors);
}

/// The server dies in the middle of a pipeline, and another takes its place.
fn killed<P: Peer>(backend: Backend) {
    let mut server = Some(Server::start(backend, Options::default()));
    let address = server.as_ref().map(|server| server.address().to_string()).unwrap_or_default();
    let proxy = Proxy::start(&address, seed()).unwrap();
    proxy.calm_down();
    P::block_on(async {
        for round in 0..3 {
            let mut notes = Notes::default();
            let mut peer = P::connect(proxy.address(), patient()).await.unwrap();
            notes.put("before".to_string(), peer.call(Put::of("before")).await);
            assert_eq!(notes.known.len(), 1);
            let mut waiting = P::connect(proxy.address(), patient()).await.unwrap();
            // Given away already, so that this one waits.
            waiting.call(ReserveWithTimeout::new(0)).await.unwrap().job().unwrap();
            let ticket = waiting.send(ReserveWithTimeout::new(30)).await.unwrap();
            // SIGKILL for a real one; the embedded one drops all it has.
            drop(server.take());
            let error = timed("a reserve that waits", Duration::ZERO, waiting.reply(ticket)).await.unwrap_err();
            assert!(notes.error(&error), "{error}");
            assert_eq!(error.lost(), Some(Lost::Unknown), "{error}");
            let commands = vec![Command::ListTubeUsed; 3];
            let results = timed("a pipeline", Duration::ZERO, peer.call_all(commands, usize::MAX)).await;
            assert_eq!(results.len(), 3);
            for result in results {
                assert!(notes.error(&result.unwrap_err()), "round {round}");
            }
            let error = timed("a later call", Duration::ZERO, peer.call(Put::of("after"))).await.unwrap_err();
            assert_eq!((notes.error(&error), error.lost()), (true, Some(Lost::NotSent)), "{error}");

            let another = Server::start(backend, Options::default());
            proxy.redirect(another.address());
            server = Some(another);
            let mut peer = P::connect(proxy.address(), patient()).await.unwrap();
            assert!(peer.call(Peek::new(1)).await.unwrap_err().command_error().is_some(), "it remembers nothing");
            let PutOutcome::Inserted(id) = peer.call(Put::of("again")).await.unwrap() else { panic!("buried") };
            assert_eq!(peer.call(Peek::new(id)).await.unwrap().body, b"again");
            peer.call(Delete::new(id)).await.unwrap();
        }
    });
}
