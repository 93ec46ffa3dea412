//! From options to connections.

use beanstalk_sync::{Client, Config, Endpoint, Limits};

use crate::{exit::Outcome, options::Options};

/// Bodies of any size that a server can have: the limit guards against peers that lie, and whoever runs a queue knows theirs.
const LARGEST_BODY: usize = 1 << 30;

pub(crate) fn config(options: &Options) -> Config {
    Config {
        connect_timeout: Some(options.timeout),
        reply_timeout: Some(options.timeout),
        limits: Limits { reply_body: LARGEST_BODY, ..Limits::default() },
    }
}

pub(crate) fn connect(options: &Options, server: &Endpoint) -> Outcome<Client> {
    Ok(Client::connect_with(&server.to_string(), config(options))?)
}
