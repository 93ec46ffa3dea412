//! The blocking client, and what is done with it to tubes.

use beanstalk_proto::Error;

use crate::{
    blocking::{Blocking, block_on},
    dial::Dial,
    stream::Stream,
    transport::Transport,
};

beanstalk_driver::client! {
    (blocking by block_on) T: [Transport] = Stream; over Blocking by Dial;
    /// Dropping a client closes its connection at once, when a panic unwinds as well, and jobs it holds become ready again;
    /// [`Client::disconnect`] does so in order. So a scope is a connection's life:
    ///
    /// ```no_run
    /// use beanstalk_sync::Client;
    ///
    /// fn fetch_later(urls: &[&str]) -> Result<(), beanstalk_sync::Error> {
    ///     let mut client = Client::connect("localhost:11300")?;
    ///     client.use_tube("urls-to-fetch")?;
    ///     for url in urls {
    ///         client.put(100, 0, 180, *url)?.inserted()?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
}

beanstalk_driver::upkeep! { (blocking by block_on) T: [Transport] = Stream; over Blocking; }
