//! Many requests over a driven connection, results as they arrive.

use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, ready},
};

use super::{Driver, PollTransport};
use beanstalk_proto::{Error, Expect, Kind, Lost, Request, client::Pipeline};

/// The results of many requests, in their order. Dropping it leaves the connection in step.
pub struct CallAll<'d, T: PollTransport, I: Iterator<Item: Request>> {
    driver: &'d mut Driver<T>,
    pipeline: Pipeline<I>,
    started: bool,
}

impl<T: PollTransport, I: Iterator<Item: Request>> fmt::Debug for CallAll<'_, T, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallAll").finish_non_exhaustive()
    }
}

impl<'d, T: PollTransport, I: Iterator<Item: Request>> CallAll<'d, T, I> {
    pub(super) fn new(driver: &'d mut Driver<T>, requests: I) -> Self {
        Self { driver, pipeline: Pipeline::new(requests), started: false }
    }

    /// The next result, or `None` once every request has had its own. Requests are written, and replies read, only while
    /// this is awaited.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped, the result comes from the next call.
    ///
    /// # Errors
    ///
    /// Those of the request. After a fatal one the rest are [`Error::Closed`], each with its own [`Error::lost`].
    pub async fn next(&mut self) -> Option<Result<<I::Item as Request>::Reply, Error>> {
        if !self.started {
            // As for a single call: what was abandoned before may take all the room there is.
            let (expect, until) = (Expect::of(Kind::Stats), self.driver.reply_timeout());
            let room = poll_fn(|cx| self.driver.poll_room(&expect, until, cx)).await;
            self.started = true;
            if let Err(error) = room {
                return self.fail(error);
            }
        }
        self.driver.now = self.driver.transport.now();
        poll_fn(|cx| self.poll_next(cx)).await
    }

    #[allow(clippy::type_complexity, reason = "it is what next gives, polled")]
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<<I::Item as Request>::Reply, Error>>> {
        let Self { driver, pipeline, .. } = self;
        let polled = driver.poll_done(cx, |connection, now| {
            pipeline.fill(connection, now);
            pipeline.poll_next(connection)
        });
        match ready!(polled) {
            Ok(result) => Poll::Ready(result),
            Err(error) => {
                let lost = pipeline.front().map_or(Lost::Unknown, |ticket| driver.connection.lost(ticket));
                let error = driver.failed(error, lost);
                Poll::Ready(self.fail(error))
            }
        }
    }

    /// Tells of a fatal error as the result of the request whose turn it is.
    fn fail(&mut self, error: Error) -> Option<Result<<I::Item as Request>::Reply, Error>> {
        self.pipeline.fail();
        self.pipeline.fill(&mut self.driver.connection, self.driver.now);
        match self.pipeline.poll_next(&mut self.driver.connection) {
            Poll::Ready(None) => None,
            Poll::Ready(Some(_)) | Poll::Pending => Some(Err(error)),
        }
    }
}

impl<T: PollTransport, I: Iterator<Item: Request>> Drop for CallAll<'_, T, I> {
    fn drop(&mut self) {
        self.pipeline.abandon(&mut self.driver.connection);
    }
}
