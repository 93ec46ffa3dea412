//! What every asynchronous adapter promises over real sockets, written once.

use crate::{Backend, Options, Server, server::installed};

/// The servers there are: beanstalkd where it is installed, and the embedded one.
pub fn servers() -> impl Iterator<Item = Server> {
    let backends = Backend::ALL.iter().filter(|&&backend| backend != Backend::Real || installed().is_some());
    backends.map(|&backend| Server::start(backend, Options::default()))
}

/// The tests of an adapter, given its crate and what runs a future to its end.
#[macro_export]
macro_rules! adapter_tests {
    ($krate:ident, $block_on:path) => {
        #[test]
        fn the_futures_and_the_clients_are_send() {
            use $krate::{
                Client, HeldJob, NextJob, Producer, Put, Session, SharedClient, Verdict, Worker, WorkerHandle,
            };

            fn send<T: Send>(_: T) {}
            fn futures(client: &'static mut Client, shared: &'static SharedClient) {
                // One at a time: each borrows the client.
                match 0 {
                    0 => send(client.put(1, 0, 1, "x")),
                    1 => send(client.reserve()),
                    2 => send(client.stats()),
                    3 => send(client.send(Put::of("x"))),
                    4 => send(client.call_all([Put::of("x")])),
                    _ => send(async { client.call_all([Put::of("x")]).next().await.map(drop) }),
                }
                send(shared.put_in("t", 1, 0, 1, "x"));
                send(shared.stats());
                send(shared.clone());
                send(Client::connect("x"));
                send(SharedClient::connect("x"));
            }
            fn working(session: &'static mut Session, producer: &'static mut Producer, worker: Worker) {
                match 0 {
                    0 => send(session.put(1, 0, 1, "x")),
                    1 => send(session.watch("x")),
                    2 => send(async {
                        match session.next_job(1).await? {
                            Some(NextJob::Job(job)) => job.bury().await,
                            _ => Ok(()),
                        }
                    }),
                    _ => send(Session::connect("x")),
                }
                send(producer.put_keyed("key", 1, 0, 1, "x"));
                send(worker.handle());
                send(worker.run(|job: HeldJob| async move { job.stats().await.map(|_| Verdict::Done) }));
            }
            fn sync<T: Sync>() {}
            sync::<SharedClient>();
            sync::<WorkerHandle>();
            sync::<HeldJob>();
            let _ = (futures, working);
        }

        #[test]
        fn nobody_waits_for_ever_for_a_connection_or_a_reply() {
            use $krate::{Client, Config, Error, JobId, Lost};

            let _bound = $crate::watchdog::bound();
            $block_on(async {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap().to_string();
                let reply_timeout = Some(std::time::Duration::from_millis(50));
                let config = Config { reply_timeout, ..Config::default() };
                let mut client = Client::connect_with(&address, config).await.unwrap();
                for _ in 0..3 {
                    assert!(matches!(client.peek(JobId(1)).await, Err(Error::TimedOut { lost: Lost::Unknown, .. })));
                }
                assert!(matches!(client.disconnect().await, Err(Error::TimedOut { .. })));
                drop(listener);
                assert!(matches!(Client::connect(&address).await, Err(Error::Connect(_))));
                assert!(matches!(Client::connect("no endpoint").await, Err(Error::Argument(_))));
            });
        }

        #[test]
        fn a_shared_connection_on_which_nothing_comes_ends_though_no_call_is_late() {
            use $krate::{Config, Error, SharedClient};

            let _bound = $crate::watchdog::bound();
            $block_on(async {
                // It accepts, and swallows what it is sent.
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap().to_string();
                let reply_timeout = Some(std::time::Duration::from_millis(50));
                let config = Config { reply_timeout, ..Config::default() };
                let (client, driver) = SharedClient::connect_with(&address, config).await.unwrap();
                // One call that nobody waits for.
                let mut call = Box::pin(client.stats());
                std::future::poll_fn(|cx| {
                    assert!(call.as_mut().poll(cx).is_pending());
                    std::task::Poll::Ready(())
                })
                .await;
                drop(call);
                assert!(matches!(driver.await, Err(Error::Closed { .. })));
                let error = client.stats().await.unwrap_err();
                assert!(error.is_fatal(), "{error}");
            });
        }
    };
}
