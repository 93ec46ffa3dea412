//! A client whose runtime is gone: its calls are errors.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use beanstalk_server::EmbeddedServer;
use beanstalk_tokio::{Client, Config, ConnectOptions, Consumer, Error, Lost, Put, SharedClient};
use tokio::{
    io::{AsyncWriteExt, duplex},
    net::TcpStream,
    runtime::{Builder, Runtime},
    time::timeout,
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// How a client is used, on the runtime that it was made on, before that is gone.
type Before = fn(&Runtime, &mut Client);

/// Each leaves another state of the socket and of the timer behind.
const BEFORE: &[(&str, Before)] = &[
    ("nothing", |_, _| {}),
    ("a call", |runtime, client| drop(runtime.block_on(client.stats()).unwrap())),
    ("a reserve that timed out", |runtime, client| drop(runtime.block_on(client.reserve_with_timeout(0)).unwrap())),
    ("a dropped reserve", |runtime, client| {
        let reserve = async { tokio::time::timeout(Duration::from_millis(20), client.reserve_with_timeout(30)).await };
        assert!(runtime.block_on(reserve).is_err());
    }),
    ("a request without its reply", |runtime, client| {
        drop(runtime.block_on(client.send(beanstalk_tokio::Stats::new())).unwrap());
    }),
];

fn is_told(name: &str, result: Result<impl std::fmt::Debug, Error>) {
    assert!(matches!(&result, Err(Error::Io { .. } | Error::Closed { .. })), "after {name}: {result:?}");
}

#[test]
fn a_call_on_a_runtime_that_is_gone_is_an_error() {
    for &(name, before) in BEFORE {
        for old in [runtime, threads] {
            for how in 0..4 {
                // A request may have got there.
                let server = EmbeddedServer::start().unwrap();
                let old = old();
                let mut client = old.block_on(Client::connect(server.addr())).unwrap();
                before(&old, &mut client);
                drop(old);
                runtime().block_on(async {
                    // What had been read for already may still be found, so it takes another call or two.
                    for _ in 0..3 {
                        let result = match how {
                            0 => client.stats().await.map(drop),
                            1 => client.reserve_with_timeout(1).await.map(drop),
                            2 => client.call_all([Put::of("x"), Put::of("y")]).next().await.unwrap().map(drop),
                            _ => return is_told(name, client.disconnect().await),
                        };
                        if result.is_err() {
                            return is_told(name, result);
                        }
                    }
                    panic!("after {name}, the calls go on");
                });
            }
        }
    }
}

/// One that connects by itself does so on the runtime of whoever calls.
#[test]
fn a_shared_client_whose_runtime_is_gone_or_stands_still_goes_on_where_it_is_called() {
    let _bound = beanstalk_tests::watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    for old in [runtime, threads] {
        for gone in [true, false] {
            let old = old();
            let client = old.block_on(SharedClient::connect(server.addr())).unwrap();
            old.block_on(client.put_in("t", 0, 0, 60, "x")).unwrap().inserted().unwrap();
            let old = (!gone).then_some(old);
            for _ in 0..2 {
                runtime().block_on(client.put_in("t", 0, 0, 60, "x")).unwrap().inserted().unwrap();
            }
            // Without a runtime nothing can be done, and that is an error.
            if gone {
                let polled = pin!(client.stats()).poll(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(polled, Poll::Ready(Err(Error::Io { .. }))), "{polled:?}");
            }
            drop(old);
        }
    }
}

#[test]
fn a_shutdown_of_a_consumer_is_over_in_time_though_its_runtime_is_gone_or_stands_still() {
    let _bound = beanstalk_tests::watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    for gone in [true, false] {
        let old = runtime();
        let consumer = Consumer::builder().server(server.addr()).build().unwrap();
        let job = old.block_on(async {
            Client::connect(server.addr()).await.unwrap().put(0, 0, 60, "x").await.unwrap().inserted().unwrap();
            consumer.next().await.unwrap()
        });
        let old = (!gone).then_some(old);
        let shutdown = async { timeout(Duration::from_secs(20), consumer.shutdown(Duration::from_millis(100))).await };
        let metrics = runtime().block_on(shutdown).expect("it ends at its deadline");
        assert_eq!((metrics.reserved, metrics.returned), (1, 1));
        drop((job, old));
        // The connection is closed with the runtime, and the job is free.
        server.wait_until(Duration::from_secs(20), |stats| stats.current_jobs_ready == Some(1)).unwrap();
        runtime().block_on(async {
            let mut client = Client::connect(server.addr()).await.unwrap();
            let id = client.peek_ready().await.unwrap().id;
            client.delete(id).await.unwrap();
        });
    }
}

#[test]
fn finishing_a_job_whose_consumers_runtime_stands_still_is_an_error_in_time() {
    let _bound = beanstalk_tests::watchdog::bound();
    let server = EmbeddedServer::start().unwrap();
    let (old, soon) = (runtime(), ConnectOptions::new().reply_timeout(Duration::from_millis(100)));
    let consumer = Consumer::builder().server(server.addr()).connection(soon).build().unwrap();
    let (mut client, job) = old.block_on(async {
        let mut client = Client::connect(server.addr()).await.unwrap();
        client.put(0, 0, 60, "x").await.unwrap().inserted().unwrap();
        (client, consumer.next().await.unwrap())
    });
    let (job, acker) = job.split();
    let late = |result: Result<(), Error>, command: &str, fate| {
        assert!(
            matches!(&result, Err(Error::TimedOut { command: is, lost, .. }) if *is == command && *lost == fate),
            "{result:?}"
        );
    };
    runtime().block_on(async {
        late(job.stats().await.map(drop), "stats-job", Lost::Unknown);
        late(acker.delete().await, "delete", Lost::NotSent);
    });
    // Once it goes on, the job is given back, and not deleted after all.
    old.block_on(async {
        while client.peek_ready().await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(client.stats().await.unwrap().cmd_delete, Some(0));
    });
}

#[test]
fn a_shared_call_on_a_stream_whose_runtime_is_gone_is_an_error() {
    let server = EmbeddedServer::start().unwrap();
    for spawned in [true, false] {
        let old = threads();
        let stream = old.block_on(TcpStream::connect(server.addr())).unwrap();
        let (client, driver) = SharedClient::from_stream(stream);
        let mut driver = Some(driver);
        if spawned {
            old.spawn(driver.take().unwrap());
            old.block_on(client.stats()).unwrap();
        }
        drop(old);
        runtime().block_on(async {
            if let Some(driver) = driver {
                tokio::spawn(driver);
            }
            is_told("nothing", timeout(Duration::from_secs(10), client.stats()).await.unwrap());
        });
    }
}

/// A stream that no runtime is behind works on, and so must the timer of its connection.
#[test]
fn a_timer_of_a_runtime_that_is_gone_or_stands_still_is_set_on_the_one_that_runs() {
    for gone in [true, false] {
        let old = runtime();
        let (near, mut far) = duplex(1 << 12);
        let config = Config { reply_timeout: Some(Duration::from_millis(100)), ..Config::default() };
        let mut client = Client::from_stream_with(near, config);
        old.block_on(async {
            // The timer is set, and was looked at by this task.
            assert!(timeout(Duration::from_millis(20), client.delete(1)).await.is_err());
            far.write_all(b"DELETED\r\n").await.unwrap();
        });
        let old = (!gone).then_some(old);
        runtime().block_on(async {
            let late = timeout(Duration::from_secs(10), client.delete(2)).await.unwrap();
            assert!(matches!(late, Err(Error::TimedOut { .. })), "{late:?}");
            far.write_all(b"DELETED\r\nDELETED\r\n").await.unwrap();
            client.delete(3).await.unwrap();
        });
        drop(old);
    }
}
