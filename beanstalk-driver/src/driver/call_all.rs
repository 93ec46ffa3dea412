//! Many requests over a driven connection, results as they arrive.

use core::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, ready},
};

use super::{Driver, Pipeline, PollTransport};
use beanstalk_proto::{Error, Expect, Kind, Lost, Request, client::Timeout};

/// The results of many requests, in their order. Dropping it leaves the connection in sync.
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
    pub(super) fn new(driver: &'d mut Driver<T>, requests: I, timeout: Timeout) -> Self {
        Self { driver, pipeline: Pipeline::with_timeout(requests, timeout), started: false }
    }

    /// Returns the next result, or `None` once every request has had its own. Requests are written, and replies read, only while
    /// this is awaited.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped, the result comes from the next call.
    ///
    /// # Errors
    ///
    /// Those of the request. After a fatal one the rest are [`Error::Closed`], each with its own [`Error::lost`]. After one
    /// that was late, the rest that were sent by then are late as well, and those that were not are not sent.
    pub async fn next(&mut self) -> Option<Result<<I::Item as Request>::Reply, Error>> {
        if !self.started {
            // As for a single call: what was abandoned before may take all the room there is.
            let expect = Expect::of(Kind::Stats);
            let room = self.driver.make_room_within(&expect, self.pipeline.timeout()).await;
            self.started = true;
            // What the connection only refuses, the pipeline refuses for each request that it concerns.
            if let Some(error) = room.err().filter(Error::is_fatal) {
                return self.fail(error);
            }
        }
        poll_fn(|cx| self.poll_next(cx)).await
    }

    #[allow(clippy::type_complexity, reason = "it is what next gives, polled")]
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<<I::Item as Request>::Reply, Error>>> {
        let Self { driver, pipeline, .. } = self;
        let Driver { connection, link, .. } = &mut **driver;
        // What is sent later in this poll is sent behind replies that have come, and has its time from them.
        let now = link.transport.now();
        let polled = link.poll(connection, None, cx, |connection| {
            pipeline.fill(connection, now);
            pipeline.is_ready(connection)
        });
        match ready!(polled) {
            Ok(()) => link.take(connection, |connection| pipeline.poll_next(connection)),
            Err(error) => {
                let lost = pipeline.front().map_or(Lost::Unknown, |ticket| connection.lost(ticket));
                let error = driver.failed(error, lost);
                Poll::Ready(self.fail(error))
            }
        }
    }

    /// Gives a fatal error as the result of the request whose turn it is.
    fn fail(&mut self, error: Error) -> Option<Result<<I::Item as Request>::Reply, Error>> {
        let Driver { connection, link, .. } = &mut *self.driver;
        self.pipeline.fail();
        self.pipeline.fill(connection, link.transport.now());
        match self.pipeline.poll_next(connection) {
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
