//! The blocking runtime's waiting, in every interleaving of its threads with at most so many preemptions, under C11's memory model.
//!
//! `.ci/run schedules` runs them: loom schedules what [`super::sync`] offers, which is a [`model`] here. Whoever is not woken is a
//! deadlock, which loom reports. That the system's `poll` does what the model does is not shown by this.
#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

pub(crate) mod model;

use std::{
    fs::File,
    future::{Future, poll_fn},
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering as StdOrdering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use beanstalk_driver::{Block, PollTransport, Runtime};
use loom::thread;

use self::model::{AtomicBool, Mutex, Ordering, Signal};
use super::{Threads, evented::Evented, keeper::Keeper, lock, sync::now, task::Task, wait};
use crate::{blocking::Blocking, transport::Transport};

const TICK: Duration = Duration::from_millis(20);

/// Runs this in every order of its threads, with at most so many preemptions, and shows how many there were.
fn explore(preemptions: usize, course: impl Fn() + Sync + Send + 'static) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(move || {
        counted.fetch_add(1, StdOrdering::Relaxed);
        model::begin();
        course();
        model::end();
    });
    println!("{name}: {} schedules with at most {preemptions} preemptions", count.load(StdOrdering::Relaxed));
}

/// A task of this body, and its waker once it has been polled.
fn spawn(mut poll: impl FnMut(&mut Context<'_>) -> Poll<()> + Send + 'static) -> Arc<Handed> {
    let handed = Arc::new(Handed { waker: Mutex::new(None), is_there: Signal::new() });
    let mut to = Some(Arc::clone(&handed));
    let body = poll_fn(move |cx| {
        if let Some(handed) = to.take() {
            *lock(&handed.waker) = Some(cx.waker().clone());
            handed.is_there.raise();
        }
        poll(cx)
    });
    Task::spawn(Box::pin(body), &Arc::new(Keeper::default()));
    handed
}

struct Handed {
    waker: Mutex<Option<Waker>>,
    is_there: Arc<Signal>,
}

impl Handed {
    fn waker(&self) -> Waker {
        self.is_there.wait(None);
        lock(&self.waker).take().expect("it was handed over")
    }
}

fn when(is_over: bool) -> Poll<()> {
    if is_over { Poll::Ready(()) } else { Poll::Pending }
}

/// The socket of the model, under the descriptor of something that nobody reads.
struct Line(BorrowedFd<'static>);

impl Line {
    fn new() -> Self {
        static NOTHING: OnceLock<File> = OnceLock::new();
        Self(NOTHING.get_or_init(|| File::open("/dev/null").expect("it is everywhere")).as_fd())
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0
    }
}

impl Read for Line {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        model::read(buf.len())
    }
}

impl Write for Line {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Line {
    fn is_socket(&self) -> bool {
        true
    }

    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

/// What is noted without a lock: only the wake itself publishes it.
#[test]
fn a_task_that_is_woken_sees_what_was_done_before() {
    explore(3, || {
        let noted = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let seen = Arc::clone(&noted);
        let task = spawn(move |_| when(seen.iter().all(|noted| noted.load(Ordering::Relaxed))));
        let waker = task.waker();
        for noted in &*noted {
            noted.store(true, Ordering::Relaxed);
            waker.wake_by_ref();
        }
    });
}

#[test]
fn a_task_that_waits_for_its_socket_its_waker_and_its_timer_misses_none() {
    explore(2, || {
        let noted = Arc::new(AtomicBool::new(false));
        let mut socket = Evented::new(Blocking::new(Line::new())).expect("a socket of the model");
        let (seen, timer, mut unread) = (Arc::clone(&noted), now() + TICK, 2);
        let task = spawn(move |cx| {
            while unread > 0 {
                match socket.poll_read(cx, Block::Until(None), &mut [0; 8]) {
                    Poll::Ready(n) => unread -= n.expect("no error"),
                    Poll::Pending => break,
                }
            }
            let timer = wait::poll_until(Some(timer));
            when(unread == 0 && timer.is_ready() && seen.load(Ordering::Relaxed))
        });
        let waker = task.waker();
        let other = thread::spawn(move || {
            noted.store(true, Ordering::Relaxed);
            waker.wake();
            model::advance(TICK);
        });
        model::arrive(1, false);
        model::arrive(1, false);
        other.join().expect("it ends");
    });
}

#[test]
fn a_peer_that_ends_is_noticed_whatever_else_happens() {
    explore(3, || {
        let mut socket = Evented::new(Blocking::new(Line::new())).expect("a socket of the model");
        let task = spawn(move |cx| {
            loop {
                match socket.poll_read(cx, Block::Until(None), &mut [0; 8]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(()),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => panic!("{error}"),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let waker = task.waker();
        let other = thread::spawn(move || waker.wake());
        model::arrive(1, false);
        model::arrive(0, true);
        other.join().expect("it ends");
    });
}

/// The handler ends only once its task was polled for the timer, which its own thread can't do.
#[test]
fn while_a_handler_runs_its_task_is_polled_when_its_time_has_come() {
    explore(2, || {
        let (looked_after, over) = (Signal::new(), Arc::new(AtomicBool::new(false)));
        let (awaited, ended) = (Arc::clone(&looked_after), Arc::clone(&over));
        let mut handler = Box::pin(Threads::default().run_handler(async move { awaited.wait(None) }));
        let timer = now() + TICK;
        let _task = spawn(move |cx| {
            if wait::poll_until(Some(timer)).is_ready() {
                looked_after.raise();
            }
            let polled = handler.as_mut().poll(cx);
            ended.store(polled.is_ready(), Ordering::Release);
            polled
        });
        while !over.load(Ordering::Acquire) {
            thread::yield_now();
            model::advance(TICK);
        }
    });
}

/// The handler ends only once its task was polled for the wake.
#[test]
fn while_a_handler_runs_its_task_is_polled_when_it_is_woken() {
    explore(2, || {
        let (looked_after, over) = (Signal::new(), Arc::new(AtomicBool::new(false)));
        let noted = Arc::new(AtomicBool::new(false));
        let (awaited, ended, seen) = (Arc::clone(&looked_after), Arc::clone(&over), Arc::clone(&noted));
        let mut handler = Box::pin(Threads::default().run_handler(async move { awaited.wait(None) }));
        let task = spawn(move |cx| {
            if seen.load(Ordering::Relaxed) {
                looked_after.raise();
            }
            let polled = handler.as_mut().poll(cx);
            ended.store(polled.is_ready(), Ordering::Release);
            polled
        });
        let waker = task.waker();
        noted.store(true, Ordering::Relaxed);
        waker.wake();
        while !over.load(Ordering::Acquire) {
            thread::yield_now();
            model::advance(TICK);
        }
    });
}

#[test]
fn a_thread_that_blocks_on_a_future_is_woken_or_goes_on_in_time() {
    explore(3, || {
        let (noted, slot) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None::<Waker>)));
        let (seen, to) = (Arc::clone(&noted), Arc::clone(&slot));
        let (timer, other) = (now() + TICK, Signal::new());
        let begun = Arc::clone(&other);
        let waking = thread::spawn(move || {
            begun.wait(None);
            let waker = lock(&slot).take().expect("it was handed over");
            noted.store(true, Ordering::Relaxed);
            waker.wake();
            model::advance(TICK);
        });
        let mut begins = true;
        wait::block_on(poll_fn(move |cx| {
            if std::mem::take(&mut begins) {
                *lock(&to) = Some(cx.waker().clone());
                other.raise();
            }
            let timer = wait::poll_until(Some(timer));
            when(timer.is_ready() && seen.load(Ordering::Relaxed))
        }));
        waking.join().expect("it ends");
    });
}
