//! A client that tasks share, while its server is restarted, or the path to it swallows what is sent.
//!
//! Fifty restarts; `BEANSTALK_RESTARTS=500` makes it so many.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::{
    self as tasks, ConnectOptions,
    policy::{Backoff, SharedConfig},
};
use beanstalk_proto::{Error, Lost, Peek, ProtocolError, Put, Reserved};

use super::{Adapter, Stand, eventually};
use crate::fire;

const TASKS: usize = 200;
const TUBES: usize = 7;
/// Far more than any call may take, on any machine.
const LONG: Duration = Duration::from_secs(40);

fn quickly() -> SharedConfig {
    SharedConfig::default().reconnect(Backoff { first: Duration::from_millis(1), max: Duration::from_millis(20) })
}

/// What became of the puts.
#[derive(Default)]
struct Tally {
    over: AtomicBool,
    ended: AtomicU64,
    acknowledged: Mutex<Vec<String>>,
    /// Those that were begun after the client had connected to the last server.
    last: Mutex<Vec<String>>,
    unknown: Mutex<BTreeSet<String>>,
    wrong: Mutex<Vec<String>>,
}

impl Tally {
    async fn put<R: Adapter>(&self, client: &tasks::SharedClient<R>, tube: &str, body: String, is_last: bool) {
        let start = Instant::now();
        let result = client.call_in(tube, Put::new(0, 0, 60, body.clone())).await;
        if start.elapsed() > LONG {
            self.wrong.lock().unwrap().push(format!("{body} took {:?}", start.elapsed()));
        }
        match result {
            Ok(_) if is_last => self.last.lock().unwrap().push(body),
            Ok(_) => self.acknowledged.lock().unwrap().push(body),
            Err(error) if error.lost() == Some(Lost::Unknown) && !is_last => {
                self.unknown.lock().unwrap().insert(body);
            }
            Err(error) => self.wrong.lock().unwrap().push(format!("{body}: {error}")),
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }
}

/// Every job, by its body, and how often it is there; each is in the tube that its body names.
fn jobs(address: &str) -> BTreeMap<String, usize> {
    let mut client = beanstalk_sync::Client::connect(address).unwrap();
    let mut jobs = BTreeMap::new();
    for tube in 0..TUBES {
        let tube = format!("tube-{tube}");
        client.watch(&*tube).unwrap();
        client.ignore(if tube == "tube-0" { "default".into() } else { before(&tube) }).unwrap();
        loop {
            let job = match client.reserve_with_timeout(0) {
                Ok(Reserved::Job(job)) => job,
                Ok(_) => break,
                Err(Error::Protocol { error: ProtocolError::MissingCrlf { .. }, .. }) => {
                    drop(client);
                    delete_torn(address, &tube);
                    client = beanstalk_sync::Client::connect(address).unwrap();
                    client.watch(&*tube).unwrap();
                    client.ignore("default").unwrap();
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let body = job.text().unwrap().to_string();
            assert!(body.starts_with(&format!("{tube} ")), "{body} is in {tube}");
            *jobs.entry(body).or_default() += 1;
            client.delete(job.id).unwrap();
        }
    }
    jobs
}

/// Deletes a job of which beanstalkd had written all but the body to its binlog when it was killed: it brings it back with a body of
/// zeros, and without the line end behind it. Nobody was told that there is one.
fn delete_torn(address: &str, tube: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "watch {tube}\r\nignore default\r\nreserve-with-timeout 0\r\n").unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let reserved = (&mut reader).lines().map(Result::unwrap).find(|line| line.starts_with("RESERVED ")).unwrap();
    let numbers: Vec<usize> = reserved.split(' ').skip(1).map(|number| number.parse().unwrap()).collect();
    let mut body = vec![1; numbers[1] + 2];
    reader.read_exact(&mut body).unwrap();
    assert!(body.ends_with(&[0, 0]), "{reserved}: {body:?}");
    write!(stream, "delete {}\r\n", numbers[0]).unwrap();
    let mut deleted = String::new();
    reader.read_line(&mut deleted).unwrap();
    assert_eq!(deleted, "DELETED\r\n");
}

fn before(tube: &str) -> String {
    let number: usize = tube.trim_start_matches("tube-").parse().unwrap();
    format!("tube-{}", number - 1)
}

pub async fn every_put_is_accounted_for_though_its_server_is_restarted_all_the_time<R: Adapter>(stand: Stand) {
    let restarts = env::var("BEANSTALK_RESTARTS").map_or(50, |restarts| restarts.parse().expect("a number"));
    let durable = stand.durable();
    let is_durable = durable.is_some();
    let mut server = durable.unwrap_or_else(|| stand.server());
    let address = server.address();
    let client = tasks::SharedClient::<R>::new(&address, quickly(), ConnectOptions::default()).unwrap();
    let tally = Arc::new(Tally::default());
    for task in 0..TASKS {
        let (client, tally) = (client.clone(), Arc::clone(&tally));
        R::default().spawn(async move {
            let tube = format!("tube-{}", task % TUBES);
            let mut n = 0;
            while !tally.over.load(Ordering::SeqCst) {
                tally.put(&client, &tube, format!("{tube} {task} {n}"), false).await;
                n += 1;
                R::pause(Duration::from_millis(5)).await;
            }
            tally.put(&client, &tube, format!("{tube} {task} last"), true).await;
            tally.ended.fetch_add(1, Ordering::SeqCst);
        });
    }
    let killer = {
        let tally = Arc::clone(&tally);
        thread::spawn(move || {
            for _ in 0..restarts {
                // It serves some between two restarts.
                let before = tally.count();
                while tally.count() < before + 20 {
                    thread::sleep(Duration::from_millis(1));
                }
                fire::restart(&mut server);
            }
            // What is put before the client has noticed the last restart may be lost like the others.
            let mut client = beanstalk_sync::Client::connect(&server.address()).expect("it was started again");
            while client.stats().expect("it answers").cmd_put == Some(0) {
                thread::sleep(Duration::from_millis(1));
            }
            tally.over.store(true, Ordering::SeqCst);
            server
        })
    };
    eventually::<R>("every task has ended", || tally.ended.load(Ordering::SeqCst) == TASKS as u64).await;
    let _server = killer.join().expect("it restarts the server");
    let wrong = tally.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
    let (acknowledged, last) = (tally.acknowledged.lock().unwrap(), tally.last.lock().unwrap());
    assert_eq!(last.len(), TASKS);
    let unknown = tally.unknown.lock().unwrap();
    let jobs = jobs(&address);
    // Without a binlog a server takes with it what it had.
    let kept = acknowledged.iter().filter(|_| is_durable);
    for body in kept.chain(last.iter()) {
        assert_eq!(jobs.get(body), Some(&1), "{body} was acknowledged");
    }
    for (body, times) in &jobs {
        let known = acknowledged.contains(body) || last.contains(body) || unknown.contains(body);
        assert!(known && *times == 1, "{body} is there {times} times, known: {known}");
    }
}

/// A server of puts and peeks that answers nothing while it is told not to.
struct Swallowing {
    address: String,
    swallows: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
}

impl Swallowing {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address").to_string();
        let (swallows, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (mute, count) = (Arc::clone(&swallows), Arc::clone(&connections));
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let mute = Arc::clone(&mute);
                thread::spawn(move || Self::serve(stream?, &mute));
            }
        });
        Self { address, swallows, connections }
    }

    fn serve(mut stream: TcpStream, mute: &AtomicBool) -> io::Result<()> {
        // What is lost once stays lost: this connection is dead from then on.
        let mut is_dead = false;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        while let Some(line) = lines.next() {
            let line = line?;
            let reply = match line.split_once(' ') {
                Some(("use", tube)) => format!("USING {tube}\r\n"),
                Some(("put", _)) => {
                    lines.next().transpose()?;
                    "INSERTED 1\r\n".into()
                }
                Some(("peek", id)) => format!("FOUND {id} 1\r\nx\r\n"),
                _ => return Ok(()),
            };
            is_dead |= mute.load(Ordering::SeqCst);
            if !is_dead {
                stream.write_all(reply.as_bytes())?;
            }
        }
        Ok(())
    }
}

pub async fn a_path_that_swallows_what_is_sent_is_left_and_nobody_waits_longer_than_told<R: Adapter>(_: Stand) {
    let server = Swallowing::start();
    let options = ConnectOptions::new().reply_timeout(Duration::from_millis(100));
    let client = tasks::SharedClient::<R>::new(&server.address, quickly(), options).unwrap();
    client.call_in("t", Put::of("x")).await.unwrap().inserted().unwrap();
    for round in 0..3 {
        server.swallows.store(true, Ordering::SeqCst);
        let results = Arc::new(Mutex::new(Vec::new()));
        for task in 0..50 {
            let (client, results) = (client.clone(), Arc::clone(&results));
            R::default().spawn(async move {
                let start = Instant::now();
                let result = match task % 2 {
                    0 => client.call_in("t", Put::of("x")).await.map(drop),
                    // A read is repeated on the next connection.
                    _ => client.call(Peek::new(7)).await.map(drop),
                };
                results.lock().unwrap().push((task, start.elapsed(), result));
            });
        }
        eventually::<R>("the puts fail", || results.lock().unwrap().len() >= 25).await;
        server.swallows.store(false, Ordering::SeqCst);
        eventually::<R>("every call is over", || results.lock().unwrap().len() == 50).await;
        for (task, took, result) in &*results.lock().unwrap() {
            assert!(*took < LONG, "{task} took {took:?}");
            match result {
                Ok(()) => assert_eq!(task % 2, 1, "{task}"),
                Err(error) => assert!(
                    matches!(
                        error,
                        Error::TimedOut { lost: Lost::Unknown, .. } | Error::Closed { lost: Lost::Unknown }
                    ),
                    "{task}: {error}"
                ),
            }
        }
        client.call_in("t", Put::of("x")).await.unwrap().inserted().unwrap();
        assert!(server.connections.load(Ordering::SeqCst) >= 2 + round, "it connected again");
    }
}
