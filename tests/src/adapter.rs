//! What every asynchronous adapter promises over real sockets, written once.

use std::{
    pin::pin,
    task::{Context, Waker},
};

use crate::{Backend, Options, Server, server::installed};

/// The servers there are: beanstalkd where it is installed, and the embedded one.
pub fn servers() -> impl Iterator<Item = Server> {
    let backends = Backend::ALL.iter().filter(|&&backend| backend != Backend::Real || installed().is_some());
    backends.map(|&backend| Server::start(backend, Options::default()))
}

/// Starts a call that nobody waits for.
pub fn start_and_drop(call: impl Future) {
    let call = pin!(call);
    assert!(call.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// The tests of an adapter, given its crate, what runs a future to its end, and what connects a stream.
#[macro_export]
macro_rules! adapter_tests {
    ($krate:ident, $block_on:path, $connect:path) => {
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
        fn waits_for_a_connection_and_for_a_reply_end() {
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
                let refusing = $crate::unreachable::RefusingPort::new();
                assert!(matches!(Client::connect(&refusing.address()).await, Err(Error::Connect { .. })));
                assert!(matches!(Client::connect("no endpoint").await, Err(Error::Argument(_))));
            });
        }

        #[test]
        fn a_shared_connection_on_which_nothing_comes_is_given_up_though_no_call_is_late() {
            use $krate::{Config, SharedClient, SharedConfig};

            let _bound = $crate::watchdog::bound();
            $block_on(async {
                // It accepts, and swallows what it is sent.
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap().to_string();
                let reply_timeout = Some(std::time::Duration::from_millis(50));
                let config = Config { reply_timeout, ..Config::default() };
                let once = SharedConfig::default().reconnect(None);
                let client = SharedClient::new(&address, once, config).unwrap();
                // Nobody waits, but the first has to be sent.
                drop(client.send($krate::Stats::new()).await.unwrap());
                client.closed().await;
                assert!(client.is_closed() && client.stats().await.unwrap_err().is_fatal());

                let (client, driver) = SharedClient::from_stream_with($connect(&address).await.unwrap(), config);
                $crate::adapter::start_and_drop(client.stats());
                let error = driver.await.unwrap_err();
                assert!(error.to_string().contains("is overdue"), "{error}");
                assert!(client.is_closed() && client.stats().await.unwrap_err().is_fatal());
            });
        }

        #[test]
        fn a_shared_call_is_over_in_time_though_nobody_polls_the_driver() {
            use $krate::{Config, Error, SharedClient};

            let _bound = $crate::watchdog::bound();
            $block_on(async {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap().to_string();
                let reply_timeout = Some(std::time::Duration::from_millis(50));
                let config = Config { reply_timeout, ..Config::default() };
                let (client, driver) = SharedClient::from_stream_with($connect(&address).await.unwrap(), config);
                assert!(matches!(client.stats().await, Err(Error::TimedOut { .. })));
                let hurried = client.timeout(std::time::Duration::from_millis(5));
                assert!(matches!(hurried.stats().await, Err(Error::TimedOut { .. })));
                drop(driver);
            });
        }
    };
}
