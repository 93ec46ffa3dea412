//! The future that moves the bytes.

use alloc::sync::Arc;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{SharedState, State};
use crate::driver::{Disconnect, Link, PollTransport};
use beanstalk_proto::{Error, Lost};

/// The future that moves the bytes of a [`Shared`](super::Shared); spawn it.
///
/// It ends in order when the last [`Shared`](super::Shared) is gone, and with [`Error::Closed`] when no reply came in twice the time that
/// one may take, whether or not anybody still waits for it. When it fails, or is dropped, every waiting call fails with
/// [`Error::Closed`] (or [`Error::Protocol`]), which says whether its request can have run.
pub struct SharedDriver<T> {
    state: Arc<SharedState>,
    link: Link<T>,
    disconnect: Option<Disconnect>,
}

impl<T: PollTransport> SharedDriver<T> {
    pub(super) fn new(state: Arc<SharedState>, link: Link<T>) -> Self {
        Self { state, link, disconnect: None }
    }
}

impl<T> fmt::Debug for SharedDriver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedDriver").finish_non_exhaustive()
    }
}

impl<T: PollTransport> Future for SharedDriver<T> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { state, link, disconnect } = self.get_mut();
        loop {
            // The lock is let go at every turn, so that those who are answered go on meanwhile.
            let moved = state.with(|state| {
                state.driver = Some(cx.waker().clone());
                let moved = poll_turn(state, link, disconnect, cx);
                state.wake_answered();
                moved
            });
            if let Err(end) = ready!(moved) {
                return Poll::Ready(end);
            }
        }
    }
}

/// Moves what can move: `Ok` if that was something, so that it pays to go on; `Err` with the end.
fn poll_turn<T: PollTransport>(
    state: &mut State,
    link: &mut Link<T>,
    disconnect: &mut Option<Disconnect>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Result<(), Error>>> {
    let lost = Lost::Unknown;
    if state.handles == 0 || disconnect.is_some() {
        let disconnect = disconnect.get_or_insert_with(|| Disconnect::new(&mut state.connection, link));
        return disconnect.poll(&mut state.connection, link, cx).map(Err);
    }
    if let Poll::Ready(end) = state.connection.poll_closed() {
        return Poll::Ready(Err(end.and(Err(Error::Closed { lost }))));
    }
    let given_up = state.silent_until();
    let limit = [state.room.first_to_give_up(), given_up].into_iter().flatten().min();
    match link.poll_once(&mut state.connection, limit, cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
        Poll::Ready(Err(error)) => {
            state.connection.abort();
            Poll::Ready(Err(Err(T::failure(error, lost))))
        }
        Poll::Pending => {
            ready!(link.poll_until(limit, cx));
            if given_up.is_some_and(|at| at <= link.transport.now()) {
                state.connection.abort();
                return Poll::Ready(Err(Err(Error::Closed { lost })));
            }
            state.room.wake_late(link.transport.now(), &mut state.woken);
            Poll::Ready(Ok(()))
        }
    }
}

impl<T> Drop for SharedDriver<T> {
    fn drop(&mut self) {
        self.state.with(|state| {
            state.connection.abort();
            state.wake_answered();
        });
    }
}
