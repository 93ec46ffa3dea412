//! From options to connections.

use beanstalk_sync::{Client, ConnectOptions, Endpoint, Limits};

use crate::{exit::Outcome, options::Options};

/// Bodies of any size that a server can have: the limit guards against peers that lie, and whoever runs a queue knows theirs.
const LARGEST_BODY: usize = 1 << 30;

pub(crate) fn with(options: &Options) -> ConnectOptions {
    let limits = Limits { reply_body: LARGEST_BODY, ..Limits::default() };
    ConnectOptions::new().connect_timeout(options.timeout).reply_timeout(options.timeout).limits(limits)
}

pub(crate) fn connect(options: &Options, server: &Endpoint) -> Outcome<Client> {
    Ok(Client::connect_with(&server.to_string(), with(options))?)
}
