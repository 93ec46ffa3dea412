//! Many requests over one connection, results as they arrive.

use std::{fmt, task::Poll};

use beanstalk_proto::{Error, Expect, Kind, Lost, Request, client::Pipeline};

use crate::{client::Client, transport::Transport};

/// The results of [`Client::call_all`], in the order of the requests.
pub struct CallAll<'c, T: Transport, I: Iterator<Item: Request>> {
    client: &'c mut Client<T>,
    pipeline: Pipeline<I>,
    started: bool,
}

impl<T: Transport> Client<T> {
    /// Sends many requests, pipelined, and yields one result for each, in order. An error reply to one does not disturb the
    /// others; after a fatal error the rest fail with [`Error::Closed`], each saying whether it can have run.
    ///
    /// About 64 requests are in flight at a time, and replies are read while requests are written. Requests of different
    /// kinds go together as [`Command`](beanstalk_proto::Command)s. Dropping the iterator leaves the connection in sync.
    ///
    /// ```no_run
    /// use beanstalk_sync::{Client, Put};
    ///
    /// # fn main() -> Result<(), beanstalk_sync::Error> {
    /// let mut client = Client::connect("127.0.0.1:11300")?;
    /// for result in client.call_all(["one", "two", "three"].map(Put::of)) {
    ///     println!("{}", result?.id());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_all<I>(&mut self, requests: I) -> CallAll<'_, T, I::IntoIter>
    where
        I: IntoIterator<Item: Request>,
    {
        CallAll { client: self, pipeline: Pipeline::new(requests.into_iter()), started: false }
    }
}

impl<T: Transport, I: Iterator<Item: Request>> Iterator for CallAll<'_, T, I> {
    type Item = Result<<I::Item as Request>::Reply, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.started {
            // As for a single call: what was abandoned before may take all the room there is. A failure is told by the results.
            let _ = self.client.make_room(&Expect::of(Kind::Stats));
            self.started = true;
        }
        loop {
            self.pipeline.fill(&mut self.client.connection, self.client.wire.now());
            if let Poll::Ready(result) = self.pipeline.poll_next(&mut self.client.connection) {
                return result;
            }
            let front = self.pipeline.front();
            if let Err(error) = self.client.advance() {
                let lost = front.map_or(Lost::Unknown, |ticket| self.client.connection.lost(ticket));
                self.pipeline.fail();
                let error = self.client.failed(error, lost);
                let _closed = self.pipeline.poll_next(&mut self.client.connection);
                return Some(Err(error));
            }
        }
    }
}

impl<T: Transport, I: Iterator<Item: Request>> Drop for CallAll<'_, T, I> {
    fn drop(&mut self) {
        self.pipeline.abandon(&mut self.client.connection);
    }
}

impl<T: Transport, I: Iterator<Item: Request>> fmt::Debug for CallAll<'_, T, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallAll").finish_non_exhaustive()
    }
}
