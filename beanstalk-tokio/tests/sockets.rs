//! What only real sockets and a real runtime can show. The loop itself is tested, poll by poll, in the core.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::HashSet,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use beanstalk_tests::{Backend, Options, Server, adapter::servers, watchdog};
use beanstalk_tokio::{Client, Command, Config, Error, Limits, Lost, PutOutcome, Reply, Reserved, SharedClient};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

beanstalk_tests::adapter_tests!(beanstalk_tokio, block_on, TcpStream::connect);

/// Runs a future as `#[tokio::test]` does.
fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A reserve in a `select!` that something else interrupts again and again, while jobs come.
#[tokio::test]
async fn a_select_loop_loses_no_job() {
    let _bound = watchdog::bound();
    const JOBS: usize = 3000;
    for server in servers() {
        let mut producer = Client::connect(server.address()).await.unwrap();
        let mut worker = Client::connect(server.address()).await.unwrap();
        let (interrupt, mut interrupted) = mpsc::channel(1);
        let produce = tokio::spawn(async move {
            let mut put = HashSet::new();
            for n in 0..JOBS {
                put.insert(producer.put(1, 0, 60, n.to_string()).await.unwrap().id());
                interrupt.send(()).await.unwrap();
            }
            put
        });
        let mut done = HashSet::new();
        let mut interruptions = 0;
        while done.len() < JOBS {
            let reserved = tokio::select! {
                biased;
                Some(()) = interrupted.recv() => {
                    interruptions += 1;
                    continue;
                }
                reserved = timeout(Duration::from_secs(20), worker.reserve()) => reserved.expect("a job is lost").unwrap(),
            };
            let Reserved::Job(job) = reserved else { panic!("{reserved:?}") };
            worker.delete(job.id).await.unwrap();
            assert!(done.insert(job.id), "delivered twice");
        }
        assert_eq!(produce.await.unwrap(), done);
        assert!(interruptions > JOBS / 2, "{interruptions} interruptions");
        assert_eq!(worker.stats().await.unwrap().current_jobs_reserved, Some(0));
        worker.disconnect().await.unwrap();
    }
}

#[tokio::test]
async fn a_shutdown_signal_ends_a_worker_in_order() {
    let _bound = watchdog::bound();
    for server in servers() {
        let mut producer = Client::connect(server.address()).await.unwrap();
        for _ in 0..100 {
            let (stop, mut stopped) = oneshot::channel::<()>();
            let mut worker = Client::connect(server.address()).await.unwrap();
            let work = tokio::spawn(async move {
                let mut done = Vec::new();
                loop {
                    tokio::select! {
                        reserved = worker.reserve() => {
                            let job = reserved.unwrap().job().unwrap();
                            worker.delete(job.id).await.unwrap();
                            done.push(job.id);
                        }
                        _ = &mut stopped => {
                            worker.disconnect().await.unwrap();
                            return done;
                        }
                    }
                }
            });
            let id = producer.put(1, 0, 60, "x").await.unwrap().id();
            stop.send(()).unwrap();
            let done = work.await.unwrap();
            // Whatever the worker did not do is there for the next one.
            let left = producer.reserve_with_timeout(0).await.unwrap().job().map(|job| job.id);
            assert_eq!(done.first().copied().or(left), Some(id));
            assert!(done.len() + usize::from(left.is_some()) == 1);
            if left.is_some() {
                producer.delete(id).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn large_puts_behind_large_peeks_finish_on_small_buffers() {
    let _bound = watchdog::bound();
    for server in servers() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(4096).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(server.address().parse().unwrap()).await.unwrap();
        let mut client = Client::from_stream(stream);
        let body = vec![b'x'; 65535];
        let id = client.put(0, 0, 60, &body).await.unwrap().id();
        let put = Command::Put { priority: 1.into(), delay: 0, ttr: 1, body: body.clone() };
        let commands: Vec<Command> = (0..100).flat_map(|_| [Command::Peek { id }, put.clone()]).collect();
        let count = commands.len();
        let mut all = client.call_all(commands);
        let work = async {
            let mut found = 0;
            while let Some(reply) = all.next().await {
                match reply.unwrap() {
                    Reply::Found(job) => assert!(job.id == id && job.body == body),
                    reply => assert!(matches!(reply, Reply::Inserted(_))),
                }
                found += 1;
            }
            found
        };
        assert_eq!(timeout(Duration::from_secs(60), work).await.expect("it hangs"), count);
    }
}

/// Gives and takes a byte for each poll of the task, and has it polled again.
struct Trickle {
    stream: TcpStream,
    read: bool,
    written: bool,
}

impl AsyncRead for Trickle {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        self.read = !self.read;
        if self.read {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut byte = ReadBuf::new(&mut buf.initialize_unfilled()[..1]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut byte);
        let filled = byte.filled().len();
        buf.advance(filled);
        polled
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        self.written = !self.written;
        if self.written {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(cx, &buf[..1])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_call_dropped_at_any_poll_leaves_the_next_ones_their_own_replies() {
    let _bound = watchdog::bound();
    let server = Server::start(Backend::Embedded, Options::default());
    let stream = TcpStream::connect(server.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut client = Client::from_stream(Trickle { stream, read: false, written: false });
    let known = client.put(9, 0, 60, "known").await.unwrap().id();
    for polls in 1..300 {
        {
            let mut call = pin!(client.put(1, 0, 60, "dropped"));
            for _ in 0..polls % 60 {
                if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
            }
        }
        let tube = format!("tube-{polls}");
        client.use_tube(tube.as_str()).await.unwrap();
        assert_eq!(client.list_tube_used().await.unwrap(), tube.as_str());
        assert_eq!(client.peek(known).await.unwrap().body, b"known");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_tasks_never_touch_each_others_tubes() {
    let _bound = watchdog::bound();
    for server in servers() {
        let config = Config { limits: Limits { in_flight: 16, ..Limits::default() }, ..Config::default() };
        let client = SharedClient::connect_with(server.address(), config).await.unwrap();
        let mut tasks = JoinSet::new();
        for task in 0..40 {
            let client = client.clone();
            tasks.spawn(async move {
                let tube = format!("tube-{}", task % 5);
                for n in 0..50 {
                    let id = client.put_in(&tube, 1, 0, 60, tube.as_str()).await.unwrap().id();
                    if n % 10 == 0 {
                        // A call that is given up on disturbs nobody.
                        let _ = timeout(Duration::ZERO, client.put_in("elsewhere", 1, 0, 60, "elsewhere")).await;
                        assert_eq!(client.peek_ready_in(&tube).await.unwrap().text().unwrap(), tube);
                        assert_eq!(client.stats_job(id).await.unwrap().tube.unwrap(), tube.as_str());
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        for tube in 0..5 {
            let stats = client.stats_tube(format!("tube-{tube}")).await.unwrap();
            assert_eq!(stats.current_jobs_ready, Some(400));
        }
        client.disconnect().await;
    }
}

#[tokio::test]
async fn a_server_that_goes_away_fails_every_shared_call_with_what_can_have_run() {
    let _bound = watchdog::bound();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (client, driver) = SharedClient::from_stream(TcpStream::connect(&address).await.unwrap());
    let driver = tokio::spawn(driver);
    let mut calls = JoinSet::<Result<PutOutcome, Error>>::new();
    for _ in 0..10 {
        let client = client.clone();
        calls.spawn(async move { client.put_in("t", 1, 0, 60, "x").await });
    }
    let (stream, _) = listener.accept().await.unwrap();
    stream.readable().await.unwrap();
    drop(stream);
    while let Some(call) = calls.join_next().await {
        let error = call.unwrap().unwrap_err();
        assert!(matches!(error, Error::Closed { .. }) && error.lost().is_some(), "{error:?}");
    }
    assert!(driver.await.unwrap().is_err());
    assert!(matches!(client.stats().await, Err(Error::Closed { lost: Lost::NotSent })));
}
