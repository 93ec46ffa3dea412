//! A task: a future on a thread of its own, which waits for the future's sockets, waker and timers at once.
//!
//! ```text
//!            poll, pending             compare and set
//!   Polled ───────────────▶ (nothing) ────────────────▶ Waiting ── event, timer ──▶ Polled
//!     ▲                         │ a handler is to run      │ woken: the bell is rung
//!     │                         ▼                          ▼
//!     └──── it has ended ── Handling ── woken: the keeper is ──▶ Woken ──▶ Polled
//!                                        to poll at once
//! ```

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Wake, Waker},
};

use super::{
    keeper::{Keeper, Kept, is_handler},
    lock,
    sync::{AtomicU8, AtomicU64, Bell, Mutex, Ordering, thread},
    wait::{self, Asked, Handler},
};

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;

const POLLED: u8 = 0;
const WAITING: u8 = 1;
const HANDLING: u8 = 2;
const WOKEN: u8 = 3;

/// A future, and what its threads and its wakers share.
pub(super) struct Task {
    state: AtomicU8,
    /// What ends its wait.
    bell: Bell,
    /// Odd while a handler runs.
    run: AtomicU64,
    keeper: Arc<Keeper>,
    moving: Mutex<Moving>,
}

/// What polls.
struct Moving {
    /// None once it has ended.
    body: Option<Body>,
    /// What is to be run once the body is let go.
    handler: Option<Handler>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.interrupt() == HANDLING {
            self.keeper.look();
        }
    }
}

impl Task {
    /// Runs a future to its end on a thread of its own. Without one it is dropped.
    pub(super) fn spawn(body: Body, keeper: &Arc<Keeper>) {
        let (state, run, keeper) = (AtomicU8::new(POLLED), AtomicU64::new(0), Arc::clone(keeper));
        let _thread = thread::Builder::new().name("beanstalk".into()).spawn(move || {
            let moving = Mutex::new(Moving { body: Some(body), handler: None });
            if let Ok(bell) = Bell::new() {
                Arc::new(Self { state, bell, run, keeper, moving }).work();
            }
        });
    }

    /// Ends the wait of the thread that polls, if one does.
    fn interrupt(&self) -> u8 {
        let before = self.state.swap(WOKEN, Ordering::SeqCst);
        if before == WAITING {
            self.bell.ring();
        }
        before
    }

    /// The task's thread.
    fn work(self: Arc<Self>) {
        let mut watch = None;
        while let Some(handler) = self.poll_until_handler(self.run()) {
            watch.get_or_insert_with(|| self.keeper.watch(self.clone()));
            self.run.fetch_add(1, Ordering::SeqCst);
            match self.state.compare_exchange(POLLED, HANDLING, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => self.keeper.handler_begins(),
                Err(_) => self.keeper.look(),
            }
            handler();
            self.run.fetch_add(1, Ordering::SeqCst);
            self.interrupt();
        }
    }

    /// Polls the future until it has ended, until a handler is to be run, or until another one runs than this.
    fn poll_until_handler(self: &Arc<Self>, run: u64) -> Option<Handler> {
        let waker = Waker::from(Arc::clone(self));
        let mut moving = lock(&self.moving);
        loop {
            // Taken, not overwritten: what was done before the task was woken has to be seen by this poll.
            self.state.swap(POLLED, Ordering::SeqCst);
            // Looked at after that, or the end of a handler would come unnoticed in between.
            if self.run() != run {
                return None;
            }
            // What panics is gone.
            let mut body = moving.body.take()?;
            let mut asked = wait::poll(&waker, |cx| body.as_mut().poll(cx)).err()?;
            moving.body = Some(body);
            moving.handler = asked.handler.take().or(moving.handler.take());
            if !is_handler(run) && moving.handler.is_some() {
                return moving.handler.take();
            }
            self.wait(asked);
        }
    }

    fn wait(&self, asked: Asked) {
        match self.state.compare_exchange(POLLED, WAITING, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => asked.wait(&self.bell),
            Err(_) => asked.go_on(),
        }
    }
}

impl Kept for Task {
    fn run(&self) -> u64 {
        self.run.load(Ordering::SeqCst)
    }

    fn is_woken(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WOKEN
    }

    fn poll_while(self: Arc<Self>, run: u64) {
        drop(self.poll_until_handler(run));
    }
}
