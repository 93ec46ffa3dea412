//! The clients for many threads: of one server, and of several.

use beanstalk_proto::Error;

use super::{Flushed, Threads, wait::block_on};

beanstalk_driver::shared_client! {
    (blocking by block_on) on Threads;
    /// A thread of the client's own moves its bytes, and ends with the last handle.
}

beanstalk_driver::producer! { (blocking by block_on) on Threads; }
