//! What every binding does with its sockets, beyond moving bytes. Names read `binding::scenario`.

use std::{
    future::Future,
    net::{Shutdown, TcpListener, TcpStream},
    os::{fd::AsFd, unix::net::UnixListener},
    pin::{Pin, pin},
    process::ExitCode,
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use beanstalk_driver::ConnectOptions;
use beanstalk_proto::{Delete, Error, Put, Reserve, Stats, client::Config};
use beanstalk_tests::{
    Backend, Options, Peer, Server,
    peer::{AsyncStd, Blocking, Tokio},
    runner::{self, trial},
    temp::TempDir,
};
use fork::{Fork, fork, waitpid};
use nix::{
    sys::signal::{self, Signal},
    unistd::{Pid, alarm},
};
use signal_hook::consts::SIGPIPE;
use socket2::SockRef;

fn main() -> ExitCode {
    signal_hook::flag::register(SIGPIPE, Arc::clone(&PIPED)).expect("a handler");
    let mut trials = Vec::new();
    macro_rules! for_each_binding {
        ($($scenario:ident)*) => {
            $(
                trials.push(trial(format!("{}::{}", Blocking::NAME, stringify!($scenario)), $scenario::<Blocking>));
                trials.push(trial(format!("{}::{}", Tokio::NAME, stringify!($scenario)), $scenario::<Tokio>));
                trials.push(trial(format!("{}::{}", AsyncStd::NAME, stringify!($scenario)), $scenario::<AsyncStd>));
            )*
        };
    }
    for_each_binding! {
        a_peer_that_is_gone_brings_an_error_and_no_signal
        a_forked_process_that_drops_its_copy_leaves_the_connection_alone
        a_forked_process_that_disconnects_its_copy_leaves_the_connection_alone
    }
    for (binding, scenario) in [(Tokio::NAME, shared::tokio as fn()), (AsyncStd::NAME, shared::async_std)] {
        let name = format!("{binding}::a_forked_process_that_ends_its_shared_client_leaves_the_connection_alone");
        trials.push(trial(name, scenario));
    }
    for (binding, scenario) in
        [(Blocking::NAME, tuned::blocking as fn()), (Tokio::NAME, tuned::tokio), (AsyncStd::NAME, tuned::async_std)]
    {
        trials.push(trial(format!("{binding}::tcp_has_nodelay_and_keepalive"), scenario));
    }
    runner::main(env!("CARGO_CRATE_NAME"), trials)
}

fn server() -> Server {
    Server::start(Backend::Embedded, Options::default())
}

/// Whether this process got the signal that ends one which does not ignore it.
static PIPED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// One test at a time can tell by it what it did.
static ALONE: Mutex<()> = Mutex::new(());

fn a_peer_that_is_gone_brings_an_error_and_no_signal<P: Peer>() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("s");
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let kinds = [format!("unix:{}", path.display()), tcp.local_addr().unwrap().to_string()];
    for (address, len) in kinds.iter().flat_map(|address| [1, 3000, 1 << 20].map(|len| (address, len))) {
        for count in [1, 5] {
            PIPED.store(false, Ordering::Relaxed);
            P::block_on(async {
                let mut peer = P::connect(address, Config::default()).await.unwrap();
                if address.starts_with("unix:") {
                    drop(unix.accept().unwrap());
                } else {
                    end_and_reset(tcp.accept().unwrap().0);
                }
                let put = || Put::new(0, 0, 60, vec![b'x'; len]);
                if count == 1 {
                    assert!(peer.call(put()).await.unwrap_err().is_fatal());
                } else {
                    let results = peer.call_all((0..count).map(|_| put()).collect(), count).await;
                    assert!(!results.is_empty() && results.iter().all(Result::is_err));
                }
            });
            assert!(!PIPED.load(Ordering::Relaxed), "SIGPIPE, at {address}, by {count} times {len} bytes");
        }
    }
}

/// Leaves the peer of a connection one whose every write fails.
fn end_and_reset(stream: TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

fn a_forked_process_that_drops_its_copy_leaves_the_connection_alone<P: Peer>() {
    P::block_on(forked::<P>(false));
}

fn a_forked_process_that_disconnects_its_copy_leaves_the_connection_alone<P: Peer>() {
    P::block_on(forked::<P>(true));
}

/// A connection holds a job while a forked process ends its copy, and goes on.
async fn forked<P: Peer>(disconnects: bool) {
    let server = server();
    let mut peer = P::connect(server.address(), Config::default()).await.unwrap();
    peer.call(Put::of("x")).await.unwrap().inserted().unwrap();
    let job = peer.call(Reserve::new()).await.unwrap().job().unwrap();
    match fork().unwrap() {
        Fork::Child => {
            let _ends = Ends::new();
            if disconnects {
                peer.disconnect().await.unwrap();
            } else {
                drop(peer);
            }
        }
        Fork::Parent(child) => {
            wait_for(child);
            assert_eq!(peer.call(Stats::new()).await.unwrap().current_jobs_reserved, Some(1));
            peer.call(Delete::new(job.id)).await.unwrap();
            peer.disconnect().await.unwrap();
        }
    }
}

/// The end of a forked process, which has no business with the tests that the other runs.
struct Ends(());

impl Ends {
    fn new() -> Self {
        // Nobody else would end it if it hangs.
        alarm::set(10);
        Self(())
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let well = !thread::panicking();
        signal::kill(Pid::this(), if well { Signal::SIGKILL } else { Signal::SIGABRT }).expect("an end");
    }
}

fn wait_for(child: i32) {
    let status = waitpid(child).unwrap();
    assert_eq!(status & 0x7f, Signal::SIGKILL as i32, "the forked process failed");
}

mod shared {
    use super::*;

    macro_rules! shared {
        ($binding:ident: $krate:ident, $peer:ty, $stream:expr) => {
            pub(super) fn $binding() {
                let server = server();
                <$peer>::block_on(async {
                    let stream = std::net::TcpStream::connect(server.address()).unwrap();
                    stream.set_nonblocking(true).unwrap();
                    let stream = $krate::Stream::from($stream(stream).unwrap());
                    let (client, driver) = $krate::SharedClient::from_stream(stream);
                    let mut driver = pin!(driver);
                    driven(driver.as_mut(), client.put_in("t", 0, 0, 60, "x")).await.unwrap().inserted().unwrap();
                    match fork().unwrap() {
                        Fork::Child => {
                            let _ends = Ends::new();
                            drop(client);
                            driver.await.unwrap();
                        }
                        Fork::Parent(child) => {
                            wait_for(child);
                            let stats = driven(driver.as_mut(), client.stats()).await.unwrap();
                            assert_eq!(stats.current_jobs_ready, Some(1));
                            drop(client);
                            driver.await.unwrap();
                        }
                    }
                });
            }
        };
    }

    shared!(tokio: beanstalk_tokio, Tokio, ::tokio::net::TcpStream::from_std);
    shared!(async_std: beanstalk_async_std, AsyncStd, smol::Async::new);

    /// A call while its connection is driven, which does not end.
    async fn driven<T>(
        driver: Pin<&mut impl Future<Output = Result<(), Error>>>,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        smol::future::or(call, async { Err(driver.await.expect_err("it ended in order")) }).await
    }
}

mod tuned {
    use super::*;

    /// What is asked for, and what the socket has then.
    fn options() -> [(ConnectOptions, Option<Duration>); 4] {
        let (seconds, new) = (Duration::from_secs, ConnectOptions::new);
        [
            (new(), Some(seconds(30))),
            (new().keepalive(seconds(7)), Some(seconds(7))),
            (new().keepalive(Duration::from_millis(1)), Some(seconds(1))),
            (new().keepalive(None), None),
        ]
    }

    pub(super) fn blocking() {
        let server = server();
        for (options, idle) in options() {
            check(beanstalk_sync::Client::connect_with(server.address(), options).unwrap().stream(), idle);
        }
    }

    pub(super) fn tokio() {
        let server = server();
        Tokio::block_on(async {
            for (options, idle) in options() {
                check(
                    beanstalk_tokio::Client::connect_with(server.address(), options)
                        .await
                        .unwrap()
                        .stream()
                        .socket()
                        .unwrap(),
                    idle,
                );
            }
        });
    }

    pub(super) fn async_std() {
        let server = server();
        AsyncStd::block_on(async {
            for (options, idle) in options() {
                let client = beanstalk_async_std::Client::connect_with(server.address(), options).await.unwrap();
                check(&client.stream().fd().unwrap(), idle);
            }
        });
    }

    fn check(stream: &impl AsFd, idle: Option<Duration>) {
        let socket = SockRef::from(stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.keepalive().unwrap().then(|| socket.tcp_keepalive_time().unwrap()), idle);
    }
}
