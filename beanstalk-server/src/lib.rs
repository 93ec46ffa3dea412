//! beanstalkd's behaviour in memory.
mod embedded;
pub mod engine;

pub use beanstalk_proto as proto;
pub use embedded::{Builder, Clock, EmbeddedServer, StillBusy};
