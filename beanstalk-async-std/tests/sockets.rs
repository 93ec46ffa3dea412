//! What only real sockets and a real runtime can show. The loop itself is tested, poll by poll, in the core.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::HashSet, time::Duration};

use async_std::{channel, future::timeout, task};
use beanstalk_async_std::{Client, Reserved, SharedClient};
use beanstalk_tests::{Backend, Options, Place, Server, adapter::servers, watchdog};

beanstalk_tests::adapter_tests!(beanstalk_async_std, task::block_on, async_std::net::TcpStream::connect);

/// A reserve that something else interrupts again and again, while jobs come.
async fn interrupted_reserves(address: &str) {
    const JOBS: usize = 2000;
    let mut producer = Client::connect(address).await.unwrap();
    let mut worker = Client::connect(address).await.unwrap();
    let (interrupt, interrupted) = channel::bounded::<()>(1);
    let produce = async {
        let mut put = HashSet::new();
        for n in 0..JOBS {
            put.insert(producer.put(1, 0, 60, n.to_string()).await.unwrap().id());
            interrupt.send(()).await.unwrap();
        }
        put
    };
    let work = async {
        let mut done = HashSet::new();
        let mut interruptions = 0;
        while done.len() < JOBS {
            let reserve =
                async { Some(timeout(Duration::from_secs(20), worker.reserve()).await.expect("a job is lost")) };
            let reserved = smol::future::or(async { interrupted.recv().await.ok().and(None) }, reserve).await;
            match reserved {
                None => interruptions += 1,
                Some(Ok(Reserved::Job(job))) => {
                    worker.delete(job.id).await.unwrap();
                    assert!(done.insert(job.id), "delivered twice");
                }
                Some(other) => panic!("{other:?}"),
            }
        }
        assert!(interruptions > JOBS / 2, "{interruptions} interruptions");
        done
    };
    let (put, done) = smol::future::zip(produce, work).await;
    assert_eq!(put, done);
    worker.disconnect().await.unwrap();
}

#[test]
fn a_select_loop_loses_no_job_on_async_std() {
    let _bound = watchdog::bound();
    for server in servers() {
        task::block_on(interrupted_reserves(server.address()));
    }
}

#[test]
fn a_select_loop_loses_no_job_on_smol() {
    let _bound = watchdog::bound();
    for server in servers() {
        smol::block_on(interrupted_reserves(server.address()));
    }
}

#[test]
fn a_connection_that_waits_is_ended_in_order_on_every_kind_of_socket() {
    let _bound = watchdog::bound();
    task::block_on(async {
        for place in [Place::V4, Place::V6, Place::Unix] {
            let server = Server::start(Backend::Embedded, Options { place, ..Options::default() });
            let mut client = Client::connect(server.address()).await.unwrap();
            assert!(timeout(Duration::from_millis(20), client.reserve()).await.is_err());
            client.disconnect().await.unwrap();
        }
    });
}

#[test]
fn tasks_share_a_connection_that_smol_opened() {
    let _bound = watchdog::bound();
    let server = Server::start(Backend::Embedded, Options::default());
    smol::block_on(async {
        let stream = smol::net::TcpStream::connect(server.address()).await.unwrap();
        let (client, driver) = SharedClient::from_stream(stream);
        let driver = smol::spawn(driver);
        let tasks: Vec<_> = (0..20)
            .map(|task| {
                let client = client.clone();
                smol::spawn(async move {
                    let tube = format!("tube-{}", task % 4);
                    for _ in 0..20 {
                        client.put_in(&tube, 1, 0, 60, tube.as_str()).await.unwrap().inserted().unwrap();
                        assert_eq!(client.peek_ready_in(&tube).await.unwrap().text().unwrap(), tube);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(client.stats_tube("tube-1").await.unwrap().current_jobs_ready, Some(100));
        drop(client);
        driver.await.unwrap();
    });
}
