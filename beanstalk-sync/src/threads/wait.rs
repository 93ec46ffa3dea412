//! Waiting for a future: in a task's thread for its sockets and its timers, in a caller's for its timers alone.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    os::fd::{AsFd, OwnedFd},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use nix::poll::PollFlags;

use super::sync::{
    AtomicBool, Bell, Ordering, local, now,
    thread::{self, Thread},
};

/// What is to be run once its future is let go.
pub(super) type Handler = Box<dyn FnOnce() + Send>;

/// What a future that is pending asked for in its last poll, besides being woken. It asks for all of it in each poll.
#[derive(Default)]
pub(super) struct Asked {
    /// To be polled again then, or earlier.
    at: Option<Instant>,
    /// To be polled again when something happens to these.
    sockets: Vec<(Arc<Socket>, PollFlags)>,
    /// To have this run.
    pub(super) handler: Option<Handler>,
}

local! {
    /// Of the future that this thread polls.
    ASKED: RefCell<Asked> = RefCell::new(Asked { at: None, sockets: Vec::new(), handler: None })
}

/// Asks for something, for the future that this thread polls.
pub(super) fn ask(ask: impl FnOnce(&mut Asked)) {
    ASKED.with(|asked| ask(&mut asked.borrow_mut()));
}

/// Polls a future; if it is pending, gives what it asked for.
pub(super) fn poll<T>(waker: &Waker, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Result<T, Asked> {
    /// A future may wait for another within its poll, and either may panic.
    struct Outer(Asked);
    impl Drop for Outer {
        fn drop(&mut self) {
            ASKED.with(|asked| asked.replace(std::mem::take(&mut self.0)));
        }
    }
    let _outer = Outer(ASKED.with(RefCell::take));
    match poll(&mut Context::from_waker(waker)) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(ASKED.with(RefCell::take)),
    }
}

/// Ready once it is then; never, if that is later than the clock can show.
pub(super) fn until(at: Option<Instant>) -> impl Future<Output = ()> + Send + 'static {
    poll_fn(move |_| poll_until(at))
}

/// As [`until`].
pub(super) fn poll_until(at: Option<Instant>) -> Poll<()> {
    let Some(at) = at else { return Poll::Pending };
    if at <= now() {
        return Poll::Ready(());
    }
    ask(|asked| asked.at = Some(asked.at.map_or(at, |earlier| earlier.min(at))));
    Poll::Pending
}

/// The socket of a stream, for threads that wait for it.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    /// Something may have happened to it since there was nothing more to read.
    ready: AtomicBool,
}

impl Socket {
    pub(super) fn of(stream: &impl AsFd) -> io::Result<Arc<Self>> {
        let fd = stream.as_fd().try_clone_to_owned()?;
        Ok(Arc::new(Self { fd, ready: AtomicBool::new(true) }))
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    pub(super) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// Pending until that happens to it.
    pub(super) fn poll<T>(self: &Arc<Self>, event: PollFlags) -> Poll<T> {
        ask(|asked| asked.sockets.push((Arc::clone(self), event)));
        Poll::Pending
    }
}

impl Asked {
    /// Waits until one of these happens, or this is rung.
    pub(super) fn wait(mut self, bell: &Bell) {
        // A stream that is gone is closed, and not waited for.
        self.sockets.retain(|(socket, _)| Arc::strong_count(socket) > 1);
        let sockets: Vec<_> = self.sockets.iter().map(|(socket, event)| (socket.fd.as_fd(), *event)).collect();
        for ((socket, _), happened) in self.sockets.iter().zip(bell.wait(&sockets, self.at)) {
            socket.ready.fetch_or(happened, Ordering::Relaxed);
        }
    }

    /// Does not wait, so that it is unknown what happens to the sockets.
    pub(super) fn go_on(&self) {
        self.sockets.iter().for_each(|(socket, _)| socket.set_ready(true));
    }
}

/// Runs a future to its end, in this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parked = Arc::new(Parked { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&parked));
    loop {
        match poll(&waker, |cx| future.as_mut().poll(cx)) {
            Ok(output) => return output,
            Err(Asked { handler: Some(handler), .. }) => handler(),
            Err(Asked { at, .. }) => parked.wait(at),
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
            match until.map(|until| until.saturating_duration_since(now())) {
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
