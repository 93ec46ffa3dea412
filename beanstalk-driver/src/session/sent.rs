//! The halves of a call: sending, and the reply.

use core::{fmt, mem};

use super::Session;
use crate::{
    policy::{Call, Next},
    runtime::Runtime,
};
use beanstalk_proto::{Error, Lost, Request, client::Ticket};

/// The claim to the reply to a request that a session has sent: `Session::send` returns it, and `Session::reply` takes it.
///
/// If it is dropped, the reply keeps a place of [`Limits::in_flight`](beanstalk_proto::client::Limits::in_flight) until the connection
/// ends; `Session::abandon` frees that.
///
/// ```
/// use beanstalk_driver::{Runtime, Session, proto::{Error, Put}};
///
/// /// The last thing that a program does: the server has the job then.
/// async fn say_goodbye<R: Runtime>(session: &mut Session<R>) -> Result<(), Error> {
///     let sent = session.send(Put::of("goodbye")).await?;
///     session.abandon(sent);
///     Ok(())
/// }
/// ```
pub struct Sent<R> {
    /// Which of the session's connections it was sent on.
    connection: u64,
    ticket: Ticket<R>,
    call: Call,
}

impl<R> fmt::Debug for Sent<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

impl<R: Runtime> Session<R> {
    /// Sends a request, connecting first if there is need, and returns once its last byte was written and flushed. What it returns is for
    /// [`Session::reply`] or [`Session::abandon`].
    ///
    /// A server that runs gets what was flushed, even if the session is dropped then: a `put` as the last thing that is done on a
    /// connection is done. Of several requests sent so the server may run the first only, as it notices that the client is gone.
    ///
    /// What was flushed is not repeated. A `use`, `watch` or `ignore` counts for the connections to come once its reply was taken.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped once it has been polled, the request may still run.
    ///
    /// # Errors
    ///
    /// As [`Session::call`], but for what the server answers.
    pub async fn send<Q: Request + Clone>(&mut self, request: Q) -> Result<Sent<Q::Reply>, Error> {
        let mut call = Call::new(&request, self.runtime.now());
        let timeout = mem::take(&mut self.timeout);
        let mut cause = None;
        self.notice_the_end().await;
        loop {
            self.prepare(&call, &mut cause).await?;
            let Some(client) = &mut self.client else { return Err(Error::Closed { lost: Lost::NotSent }) };
            let attempt = call.attempt(&request, self.runtime.now());
            client.set_timeout(timeout);
            match client.send(attempt).await {
                Ok(ticket) => {
                    self.last = self.runtime.now();
                    return Ok(Sent { connection: self.connections(), ticket, call });
                }
                Err(error) => match self.settle(&mut call, Err(&error)) {
                    Next::Return => return Err(error),
                    Next::Repeat => cause = Some(error),
                },
            }
        }
    }

    /// Waits for the reply to a request that was sent. Replies can be taken in any order.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the reply is given up.
    ///
    /// # Errors
    ///
    /// As [`Session::call`]; [`Error::Closed`] if the connection that it was sent on is gone.
    pub async fn reply<T>(&mut self, sent: Sent<T>) -> Result<T, Error> {
        let Sent { connection, ticket, mut call } = sent;
        let held = connection == self.connections();
        let (Some(client), true) = (&mut self.client, held) else {
            return Err(Error::Closed { lost: Lost::Unknown });
        };
        let result = client.reply(ticket).await;
        // What was flushed is not repeated.
        let _next = self.settle(&mut call, result.as_ref().map(drop));
        result
    }

    /// Gives up the claim to a reply: it is dropped when it comes.
    pub fn abandon<T>(&mut self, sent: Sent<T>) {
        let held = sent.connection == self.connections();
        if let (Some(client), true) = (&mut self.client, held) {
            client.abandon(sent.ticket);
        }
    }
}
