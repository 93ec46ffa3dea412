//! What becomes of jobs that are put while connections break: what their puts came to, held against what is on the server in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use beanstalk_proto::{Error, Lost, Reserved};

use crate::torn;

/// How many tubes there are, in turns among those who put.
const TUBES: usize = 7;

/// What became of the puts.
#[derive(Debug)]
pub struct Tally {
    /// How long a put may take.
    bound: Duration,
    is_over: AtomicBool,
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    /// By body, and when the put began.
    acknowledged: BTreeMap<String, Instant>,
    unknown: BTreeSet<String>,
    /// Cannot have run.
    not_sent: BTreeSet<String>,
    /// The last of each who puts, after everything is over.
    last: BTreeSet<String>,
    wrong: Vec<String>,
}

/// A put of a job.
#[derive(Debug)]
pub struct Putting {
    pub tube: String,
    pub body: String,
    began: Instant,
    is_last: bool,
}

impl Tally {
    /// Nothing yet, of puts that may take so long.
    pub fn new(bound: Duration) -> Self {
        Self { bound, is_over: AtomicBool::new(false), accounts: Mutex::default() }
    }

    /// Begins the `n`th put of one who puts.
    pub fn begin(&self, who: usize, n: usize) -> Putting {
        let (tube, is_last) = (format!("tube-{}", who % TUBES), self.is_over.load(Ordering::SeqCst));
        Putting { body: format!("{tube} {who} {n}"), tube, began: Instant::now(), is_last }
    }

    /// Takes note of what it came to. Returns whether there is another to be put.
    pub fn end(&self, putting: Putting, result: Result<(), Error>) -> bool {
        let Putting { body, began, is_last, .. } = putting;
        let took = began.elapsed();
        let mut accounts = self.accounts.lock().unwrap();
        if took > self.bound {
            accounts.wrong.push(format!("{body} took {took:?}"));
        }
        // Who has not noticed the last outage yet tries again.
        let is_done = is_last && result.is_ok();
        match result {
            Ok(()) if is_last => drop(accounts.last.insert(body)),
            Ok(()) => drop(accounts.acknowledged.insert(body, began)),
            Err(error) => match error.lost() {
                Some(Lost::Unknown) => drop(accounts.unknown.insert(body)),
                Some(Lost::NotSent) => drop(accounts.not_sent.insert(body)),
                None => accounts.wrong.push(format!("{body}: {error}")),
            },
        }
        !is_done
    }

    /// Has everybody put until one more has succeeded, and end.
    pub fn finish(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// How many were acknowledged so far.
    pub fn count(&self) -> usize {
        self.accounts.lock().unwrap().acknowledged.len()
    }

    /// How many were acknowledged of those that began after this.
    pub fn count_since(&self, since: Instant) -> usize {
        self.accounts.lock().unwrap().acknowledged.values().filter(|&&began| began > since).count()
    }

    /// How many failed so far.
    pub fn count_failed(&self) -> usize {
        let accounts = self.accounts.lock().unwrap();
        accounts.unknown.len() + accounts.not_sent.len()
    }

    /// Holds it against what is on the server: every job that was acknowledged is there once, in its tube, if the server keeps its jobs; one of
    /// which the fate is unknown once at most; and no other. So many may be torn, as each kill under a binlog may leave one.
    pub fn check(&self, address: &str, who: usize, keeps_jobs: bool, torn: usize) {
        let jobs = jobs(address, torn);
        let accounts = self.accounts.lock().unwrap();
        assert_eq!(accounts.wrong, Vec::<String>::new());
        assert_eq!(accounts.last.len(), who);
        let kept = accounts.acknowledged.keys().filter(|_| keeps_jobs);
        for body in kept.chain(&accounts.last) {
            assert_eq!(jobs.get(body), Some(&1), "{body} was acknowledged");
        }
        for (body, times) in &jobs {
            assert!(!accounts.not_sent.contains(body), "{body} is there, and its put said that it cannot have run");
            let is_known = accounts.acknowledged.contains_key(body)
                || accounts.last.contains(body)
                || accounts.unknown.contains(body);
            assert!(is_known && *times == 1, "{body} is there {times} times, known: {is_known}");
        }
    }
}

/// Takes every job, and returns how often each body was there; each is in the tube that its body names. So many may be torn.
fn jobs(address: &str, mut torn: usize) -> BTreeMap<String, usize> {
    let mut jobs = BTreeMap::new();
    for tube in (0..TUBES).map(|tube| format!("tube-{tube}")) {
        let take = || {
            let mut client = beanstalk_sync::Client::connect(address)?;
            client.watch(&*tube)?;
            client.ignore("default")?;
            while let Reserved::Job(job) = client.reserve_with_timeout(0)? {
                let body = job.text().unwrap().to_string();
                assert!(body.starts_with(&format!("{tube} ")), "{body} is in {tube}");
                *jobs.entry(body).or_default() += 1;
                client.delete(job.id)?;
            }
            Ok(())
        };
        torn::past(address, &mut torn, take).unwrap();
    }
    jobs
}
