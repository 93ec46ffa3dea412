//! Waiting in the calling thread for a future that others wake, and timers.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Instant,
};

thread_local! {
    /// When the future that this thread polls wants to be polled again, if nothing wakes it before. Whoever polls one clears it before, and
    /// every timer that is waited for is polled each time.
    static WAKE_AT: Cell<Option<Instant>> = const { Cell::new(None) };
    /// What wakes this thread, while it waits for nothing.
    static PARKED: Cell<Option<Arc<Parked>>> = const { Cell::new(None) };
}

/// Polls a future; if it is pending, gives when to poll it again if nothing wakes it before.
pub(super) fn poll<T>(waker: &Waker, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Result<T, Option<Instant>> {
    /// A future may wait for another within its poll, and either may panic.
    struct Outer(Option<Instant>);
    impl Drop for Outer {
        fn drop(&mut self) {
            WAKE_AT.set(self.0);
        }
    }
    let _outer = Outer(WAKE_AT.take());
    match poll(&mut Context::from_waker(waker)) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(WAKE_AT.get()),
    }
}

/// Ready once it is then; never, if that is later than the clock can show.
pub(super) fn until(at: Option<Instant>) -> impl Future<Output = ()> + Send + 'static {
    poll_fn(move |_| poll_until(at))
}

/// As [`until`]. Has the future that this thread polls be polled again then, or earlier.
pub(super) fn poll_until(at: Option<Instant>) -> Poll<()> {
    let Some(at) = at else { return Poll::Pending };
    if at <= Instant::now() {
        return Poll::Ready(());
    }
    WAKE_AT.set(Some(WAKE_AT.get().map_or(at, |earlier| earlier.min(at))));
    Poll::Pending
}

/// Runs a future to its end, in this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parked =
        PARKED.take().unwrap_or_else(|| Arc::new(Parked { thread: thread::current(), woken: AtomicBool::new(false) }));
    let waker = Waker::from(Arc::clone(&parked));
    loop {
        match poll(&waker, |cx| future.as_mut().poll(cx)) {
            Ok(output) => {
                PARKED.set(Some(parked));
                return output;
            }
            Err(wake_at) => parked.wait(wake_at),
        }
    }
}

struct Parked {
    thread: Thread,
    woken: AtomicBool,
}

impl Parked {
    /// Waits until it is woken, or until then.
    fn wait(&self, until: Option<Instant>) {
        while !self.woken.swap(false, Ordering::Acquire) {
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(left) if left.is_zero() => return,
                Some(left) => thread::park_timeout(left),
            }
        }
    }
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}
