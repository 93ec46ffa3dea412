//! What polls the futures under test: as long as something wakes them, or so many times.

use std::{
    cell::Cell,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

thread_local! {
    static POLLS: Cell<usize> = const { Cell::new(0) };
}

/// How many times this thread's tasks were polled.
pub(crate) fn polls() -> usize {
    POLLS.get()
}

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    POLLS.set(polls() + 1);
    future.poll(&mut Context::from_waker(waker))
}

/// Notes whether it was woken.
#[derive(Default)]
pub(crate) struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls as long as somebody wakes; `None` if nothing will happen any more.
pub(crate) fn settle<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Option<F::Output> {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    for _ in 0..10_000_000 {
        if let Poll::Ready(output) = poll_once(future.as_mut(), &waker) {
            return Some(output);
        }
        if !flag.0.swap(false, Ordering::SeqCst) {
            return None;
        }
    }
    panic!("it wakes itself without end");
}

/// Runs a future that nothing can keep waiting.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    settle(pin!(future)).expect("it waits for something that does not come")
}

/// Polls so many times, whether it was woken or not, and drops the future unless it was ready.
pub(crate) fn cut_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    (0..polls).find_map(|_| match poll_once(future.as_mut(), Waker::noop()) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

/// A future that is polled once, and then only when it was woken.
pub(crate) struct Task {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    flag: Arc<Flag>,
}

impl Task {
    pub(crate) fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { future: Box::pin(future), flag: Arc::new(Flag(AtomicBool::new(true))) }
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.flag.0.load(Ordering::SeqCst)
    }

    /// Polls it for as long as it is woken, and returns whether it is over.
    pub(crate) fn run(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.flag));
        while self.flag.0.swap(false, Ordering::SeqCst) {
            if poll_once(self.future.as_mut(), &waker).is_ready() {
                return true;
            }
        }
        false
    }
}

/// A future with a waker of its own.
pub(crate) struct Asleep<'f, T> {
    future: Pin<Box<dyn Future<Output = T> + 'f>>,
    flag: Arc<Flag>,
}

impl<'f, T> Asleep<'f, T> {
    /// Polls it once, and it waits.
    pub(crate) fn new(future: impl Future<Output = T> + 'f) -> Self {
        let mut asleep = Self { future: Box::pin(future), flag: Arc::default() };
        assert!(asleep.poll().is_none(), "it does not wait");
        asleep
    }

    /// Whether something has woken it since it was polled.
    pub(crate) fn is_woken(&self) -> bool {
        self.flag.0.load(Ordering::SeqCst)
    }

    /// Drops it, and returns whether something still holds its waker.
    pub(crate) fn leaves_its_waker(self) -> bool {
        let Self { future, flag } = self;
        drop(future);
        Arc::strong_count(&flag) > 1
    }

    /// Polls it, which it was woken for.
    pub(crate) fn wake_up(&mut self) -> Option<T> {
        assert!(self.is_woken(), "nothing has woken it");
        self.poll()
    }

    fn poll(&mut self) -> Option<T> {
        self.flag.0.store(false, Ordering::SeqCst);
        match poll_once(self.future.as_mut(), &Waker::from(Arc::clone(&self.flag))) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}
