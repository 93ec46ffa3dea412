//! The future that moves the bytes.

use alloc::sync::Arc;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{Hub, State};
use crate::driver::{Disconnect, PollTransport, Timer, poll_io};
use beanstalk_proto::{Error, Lost};

/// The future that moves the bytes of a [`Shared`](super::Shared); spawn it.
///
/// It ends in order when the last [`Shared`](super::Shared) is gone. When it fails, or is dropped, every waiting call fails with
/// [`Error::Closed`] (or [`Error::Protocol`]), which says whether its request can have run.
pub struct SharedDriver<T> {
    hub: Arc<Hub>,
    transport: T,
    timer: Timer,
    disconnect: Option<Disconnect>,
}

impl<T> SharedDriver<T> {
    pub(super) fn new(hub: Arc<Hub>, transport: T) -> Self {
        Self { hub, transport, timer: Timer::default(), disconnect: None }
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
        let Self { hub, transport, timer, disconnect } = self.get_mut();
        loop {
            // The lock is let go at every turn, so that those who are answered go on meanwhile.
            let moved = hub.with(|state| {
                state.driver = Some(cx.waker().clone());
                let moved = poll_turn(state, transport, timer, disconnect, cx);
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
    transport: &mut T,
    timer: &mut Timer,
    disconnect: &mut Option<Disconnect>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Result<(), Error>>> {
    let lost = Lost::Unknown;
    if state.handles == 0 || disconnect.is_some() {
        let disconnect = disconnect.get_or_insert_with(|| Disconnect::new(&mut state.connection, transport));
        return disconnect.poll(&mut state.connection, transport, timer, cx).map(Err);
    }
    if let Poll::Ready(end) = state.connection.poll_closed() {
        return Poll::Ready(Err(end.and(Err(Error::Closed { lost }))));
    }
    match poll_io(&mut state.connection, transport, cx) {
        Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
        Poll::Ready(Err(error)) => {
            state.connection.abort();
            return Poll::Ready(Err(Err(T::failure(error, lost))));
        }
        Poll::Pending => {}
    }
    let Some(at) = state.first_deadline(transport.now()) else { return Poll::Pending };
    ready!(timer.poll(transport, at, cx));
    let now = transport.now();
    state.room.expire(now, &mut state.woken);
    state.answers.expire(now, &mut state.woken);
    Poll::Ready(Ok(()))
}

impl<T> Drop for SharedDriver<T> {
    fn drop(&mut self) {
        self.hub.with(|state| {
            state.connection.abort();
            state.wake_answered();
        });
    }
}
