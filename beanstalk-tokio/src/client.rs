//! The client for one task, and what is done with it to tubes.

use beanstalk_proto::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{dial::Dial, stream::Stream, transport::Transport};

beanstalk_driver::client! {
    (async) S: [AsyncRead + AsyncWrite + Unpin] = Stream; over Transport by Dial;
    /// Every call may be dropped at any await, in a `select!` or by a timeout: the connection stays in sync, and a job that
    /// comes after its call was dropped is kept for the next reserve. So a worker that can be stopped is simply:
    ///
    /// ```no_run
    /// use beanstalk_tokio::{Client, Error, Reserved};
    /// use tokio::sync::oneshot;
    ///
    /// async fn work(mut stop: oneshot::Receiver<()>) -> Result<(), Error> {
    ///     let mut client = Client::connect("localhost:11300").await?;
    ///     client.watch("emails").await?;
    ///     loop {
    ///         let reserved = tokio::select! {
    ///             reserved = client.reserve() => reserved?,
    ///             _ = &mut stop => return client.disconnect().await,
    ///         };
    ///         // None is held during a reserve, so no deadline ends that.
    ///         if let Reserved::Job(job) = reserved {
    ///             println!("sending {:?}", job.text());
    ///             client.delete(job.id).await?;
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// Dropping a client closes its connection at once, when a panic unwinds as well, and jobs it holds become ready;
    /// [`Client::disconnect`] does so in order. So a scope is a connection's life. Bytes move only while a call is awaited. A process that is forked from the one that connected can end its copy: that
    /// closes its descriptor, and the connection goes on.
}

beanstalk_driver::upkeep! { (async) S: [AsyncRead + AsyncWrite + Unpin] = Stream; over Transport; }
