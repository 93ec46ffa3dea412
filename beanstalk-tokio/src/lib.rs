//! x
mod client;
mod shared;
mod stream;
mod transport;

pub use beanstalk_proto::{
    Address, ArgumentError, Body, Bound, Command, CommandError, Error, Full, Job, JobId, Lost, Priority, ProtocolError, Put,
    PutOutcome, Raw, ReleaseOutcome, Reply, Request, Reserved, Seconds, TubeArg, TubeName, TubeNameError,
    client::{CallAll, Config, Limits, Ticket},
    stats,
};
pub use client::Client;
pub use shared::{Driver, SharedClient};
pub use stream::Stream;
pub use transport::Transport;
