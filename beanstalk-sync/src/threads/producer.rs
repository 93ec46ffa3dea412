//! Putting jobs on several servers as if they were one: the driver's producer, for many threads.

use std::time::Duration;

use beanstalk_driver::{
    self as tasks, ProducerConfig,
    policy::{Placed, ServerId},
};
use beanstalk_proto::{Argument, Body, Error, Priority, Put, PutOutcome, Seconds, TubeArg};

use super::{Flushed, SharedClient, Threads, wait::block_on};

/// Puts jobs on several servers, from many threads: cheap to clone, one clone for each thread, or one for all.
///
/// Each clone has a tube of its own; servers, their health and connections are shared. There is one connection to each server, on which the puts of
/// all threads go out together, and which a thread of its own looks after.
///
/// Healthy servers take turns, or a key says where jobs belong that should stay together. A server that can't be reached,
/// is [draining](beanstalk_proto::CommandError::Draining) or
/// [out of memory](beanstalk_proto::CommandError::OutOfMemory) is passed over for a while, and its jobs go elsewhere. It is
/// then connected to in a thread of its own, which costs no put any time, unless it is the only one. Only
/// a job that may have arrived never goes twice: its put fails with [`Lost::Unknown`](beanstalk_proto::Lost::Unknown).
///
/// One that [refuses](Error::is_refusal) to be connected to, as it does not accept a token, say, is no outage: the put that met that fails with it.
/// It is left alone from then on, until [`Producer::add_server`] is called with it again, or until no server is left that does not refuse.
///
/// ```no_run
/// use beanstalk_sync::Producer;
///
/// # fn main() -> Result<(), beanstalk_sync::Error> {
/// let mut producer = Producer::new(["queue-1:11300", "queue-2:11300", "queue-3:11300"])?;
/// producer.use_tube("mails")?;
/// producer.put(100, 0, 60, "to: alice")?.1.inserted()?;
/// // All of one customer's jobs on one server, while it is healthy.
/// producer.put_keyed("customer 42", 100, 0, 60, "to: bob")?;
/// // For another thread, and another tube.
/// let mut reports = producer.clone();
/// reports.use_tube("reports")?;
/// std::thread::spawn(move || reports.put(100, 0, 60, "october"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Producer {
    producer: tasks::Producer<Threads>,
}

impl Producer {
    /// Makes a producer for these servers, with the default configuration. It connects to a server with its first job.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for what is no endpoint, and if there is none.
    pub fn new(endpoints: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, Error> {
        Ok(Self { producer: tasks::Producer::new(endpoints)? })
    }

    /// Makes a producer for these servers.
    ///
    /// # Errors
    ///
    /// As [`Producer::new`], and for a first delay that is longer than the longest.
    pub fn with_config(endpoints: impl IntoIterator<Item: AsRef<str>>, config: ProducerConfig) -> Result<Self, Error> {
        Ok(Self { producer: tasks::Producer::with_config(endpoints, config)? })
    }

    /// Has this handle put further jobs into this tube, whichever server takes them. Its clones are not concerned.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no name of a tube; nothing is sent.
    pub fn use_tube<'a>(&mut self, tube: impl Argument<TubeArg<'a>>) -> Result<(), Error> {
        self.producer.use_tube(tube)
    }

    /// Returns a handle of the same producer whose puts take no longer than this all told: waiting for a server, for a connection and for their
    /// turn, and for the reply. With `None` the reply has as long as it takes.
    ///
    /// A put that is over before its server is late by [`Config::reply_timeout`](crate::Config::reply_timeout) fails alone: the server is not
    /// held to have failed.
    #[must_use]
    pub fn timeout(&self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { producer: self.producer.timeout(timeout) }
    }

    /// Puts a job on the server whose turn it is, and returns where it is.
    ///
    /// The body is kept until the reply is here, in case another server has to take it: one that is borrowed is not copied for
    /// that.
    ///
    /// # Errors
    ///
    /// As [`SharedClient::put_in`]. If no server takes it in time, what the last one failed with; [`Error::Full`] if as many wait for one as
    /// [`ProducerConfig::waiting`] allows.
    pub fn put<'a>(
        &self,
        priority: impl Argument<Priority>,
        delay: impl Argument<Seconds>,
        ttr: impl Argument<Seconds>,
        body: impl Argument<Body<'a>>,
    ) -> Result<(Placed, PutOutcome), Error> {
        block_on(self.producer.put(priority, delay, ttr, body))
    }

    /// Puts a job on the server that this key belongs to, or the next one for it while that is not healthy.
    ///
    /// # Errors
    ///
    /// As [`Producer::put`].
    pub fn put_keyed<'a>(
        &self,
        key: impl AsRef<[u8]>,
        priority: impl Argument<Priority>,
        delay: impl Argument<Seconds>,
        ttr: impl Argument<Seconds>,
        body: impl Argument<Body<'a>>,
    ) -> Result<(Placed, PutOutcome), Error> {
        block_on(self.producer.put_keyed(key, priority, delay, ttr, body))
    }

    /// Puts a job on the server whose turn it is, or the next that takes it, and returns once its last byte was flushed. What it returns is for the
    /// reply, and may be dropped.
    ///
    /// A server that runs gets what was flushed, even if the producer is dropped then: a put as the last thing that a program does is done. A put
    /// that was flushed is not repeated, and no other server is asked.
    ///
    /// # Errors
    ///
    /// As [`Producer::put`], but for what the server answers.
    pub fn send(&self, put: Put<'_>) -> Result<Flushed<(Placed, PutOutcome)>, Error> {
        block_on(self.producer.send(put)).map(Flushed::new)
    }

    /// As [`Producer::send`], on the server where jobs with the same key go.
    ///
    /// # Errors
    ///
    /// As [`Producer::send`].
    pub fn send_keyed(&self, key: impl AsRef<[u8]>, put: Put<'_>) -> Result<Flushed<(Placed, PutOutcome)>, Error> {
        block_on(self.producer.send_keyed(key, put)).map(Flushed::new)
    }

    /// Adds a server for all handles, or finds the one with this endpoint, which is tried again if it had refused to be connected to.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if that is no endpoint.
    pub fn add_server(&self, endpoint: &str) -> Result<ServerId, Error> {
        self.producer.add_server(endpoint)
    }

    /// Removes a server for all handles, and returns whether there was one. The jobs on it stay there.
    pub fn remove_server(&self, id: ServerId) -> bool {
        self.producer.remove_server(id)
    }

    /// Returns the servers and their endpoints, in the order in which they were added.
    pub fn servers(&self) -> impl Iterator<Item = (ServerId, String)> + use<> {
        self.producer.servers()
    }

    /// Returns whether a server is taken for healthy. One that failed is not until a probe or a put finds that it answers again.
    #[must_use]
    pub fn is_healthy(&self, id: ServerId) -> bool {
        self.producer.is_healthy(id)
    }

    /// Returns what a server that is not healthy failed with last.
    #[must_use]
    pub fn failure(&self, id: ServerId) -> Option<Error> {
        self.producer.failure(id)
    }

    /// Returns the client of a server, to look after a job that was put there. It has the connection that the producer puts on, and ends with it;
    /// ask for it again then. It connects with its first call if there is need.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if there is no such server.
    pub fn client(&self, id: ServerId) -> Result<SharedClient, Error> {
        self.producer.client(id)
    }
}
