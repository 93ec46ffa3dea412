//! The client for many tasks: one server that they share.

use beanstalk_proto::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{runtime::Tokio, stream::Stream, transport::Transport};

beanstalk_driver::shared_client! {
    (async) on Tokio;
    /// A task of the client's own moves its bytes. If it is gone, with the runtime that it ran on, the next call starts one.
}

beanstalk_driver::shared_client_from_stream! { S: [AsyncRead + AsyncWrite + Unpin] = Stream; over Transport on Tokio; spawned by "tokio::spawn"; }
