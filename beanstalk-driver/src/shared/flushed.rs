//! The reply to what was flushed.

use alloc::boxed::Box;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::runtime::Boxed;
use beanstalk_proto::Error;

/// A request that was flushed, and the future of its reply: what `send` of a `SharedClient` and of a `Producer` returns.
///
/// Dropping it abandons the request: its reply is dropped when it comes. The request is not repeated. Its output is what the same request
/// returns as a call.
///
/// ```
/// use beanstalk_driver::{Runtime, SharedClient, proto::{Error, Put}};
///
/// /// Puts two jobs at once, and waits for both.
/// async fn put_both<R: Runtime>(client: &SharedClient<R>) -> Result<(), Error> {
///     let first = client.send_in("emails", Put::of("to: ann")).await?;
///     let second = client.send_in("emails", Put::of("to: bob")).await?;
///     first.await?.inserted()?;
///     second.await?.inserted()?;
///     Ok(())
/// }
/// ```
#[must_use = "it is the future of the reply, and what became of the request is not known before"]
pub struct Flushed<T>(Boxed<Result<T, Error>>);

impl<T> Flushed<T> {
    pub(crate) fn new(reply: impl Future<Output = Result<T, Error>> + Send + 'static) -> Self {
        Self(Box::pin(reply))
    }
}

impl<T> Future for Flushed<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Flushed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flushed").finish_non_exhaustive()
    }
}
