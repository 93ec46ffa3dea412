//! A client that tasks share, while the path to its server swallows what is sent.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use beanstalk_driver::{
    self as tasks, ConnectOptions,
    policy::{Backoff, SharedConfig},
};
use beanstalk_proto::{Error, ListTubes, Lost, Peek, Put};
use smol::future::{poll_once, zip};

use super::{Adapter, Stand, eventually};

/// Far more than any call may take, on any machine.
const LONG: Duration = Duration::from_secs(40);

fn quickly() -> SharedConfig {
    SharedConfig::default().reconnect(Backoff { first: Duration::from_millis(1), max: Duration::from_millis(20) })
}

/// A server of puts and peeks that answers nothing while it is switched off.
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

pub async fn a_path_that_swallows_what_is_sent_is_left_and_nobody_waits_longer_than_configured<R: Adapter>(_: Stand) {
    let server = Swallowing::start();
    let options = ConnectOptions::new().reply_timeout(Duration::from_millis(300));
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

pub(super) async fn the_end_of_a_client_can_be_awaited<R: Adapter>(stand: Stand) {
    let mut server = stand.server();
    let address = server.address();
    // One that does not connect again has ended with its connection.
    let once = SharedConfig::default().reconnect(None);
    let client = tasks::SharedClient::<R>::new(&address, once, ConnectOptions::new()).unwrap();
    client.call_in("t", Put::of("x")).await.unwrap().inserted().unwrap();
    assert!(!client.is_closed());
    let ends = async {
        R::pause(Duration::from_millis(20)).await;
        server.kill();
    };
    zip(client.closed(), ends).await;
    assert!(client.is_closed());
    server.restart();
    let error = client.call(Peek::new(1)).await.unwrap_err();
    assert!(matches!(error, Error::Closed { lost: Lost::NotSent }), "{error}");
    // One that does has not, until it is told to.
    let client = tasks::SharedClient::<R>::new(&address, quickly(), ConnectOptions::new()).unwrap();
    client.call_in("t", Put::of("x")).await.unwrap().inserted().unwrap();
    let mut closed = pin!(client.closed());
    server.restart();
    // A read, which is repeated if it was under way.
    client.call(ListTubes::new()).await.unwrap();
    assert!(poll_once(&mut closed).await.is_none() && !client.is_closed());
    zip(closed, client.clone().disconnect()).await;
    assert!(client.is_closed());
}

/// Wakes nobody.
struct Asleep;

impl Wake for Asleep {
    fn wake(self: Arc<Self>) {}
}

pub(super) async fn who_waits_no_longer_for_the_end_of_a_client_is_forgotten<R: Adapter>(stand: Stand) {
    let server = stand.server();
    let client = tasks::SharedClient::<R>::new(&server.address(), quickly(), ConnectOptions::new()).unwrap();
    client.call(ListTubes::new()).await.unwrap();
    // As each request of a service may do, for as long as it takes.
    for _ in 0..3 {
        let asleep = Arc::new(Asleep);
        let waker = Waker::from(Arc::clone(&asleep));
        for _ in 0..2 {
            let mut closed = pin!(client.closed());
            for _ in 0..2 {
                assert!(closed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
        }
        drop(waker);
        assert_eq!(Arc::strong_count(&asleep), 1, "nobody can be woken any more");
    }
    zip(client.closed(), client.disconnect()).await;
}
