//! The beanstalkd work-queue protocol as a pure state machine.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;
// Lets documentation that is emitted into other crates link by absolute path, here too.
#[allow(unused_extern_crates, reason = "only documentation links use it")]
extern crate self as beanstalk_proto;

mod address;
pub mod client;
mod command;
mod error;
mod frame;
mod methods;
pub mod policy;
mod reply;
mod request;
mod scan;
pub mod server;
pub mod stats;
mod table;
mod time;
mod transmit;
mod types;

pub use address::Address;
pub use command::{Dialect, Refused, TIMEOUT_FOREVER};
pub use error::{
    ArgumentError, CommandError, DecodeError, Error, Excerpt, Full, Lost, ProtocolError, SendError, TicketError,
    TubeNameError,
};
pub use reply::{MAX_LINE, OtherReply, Reply, ReplyKind, ReplySet};
pub use request::{Echo, Encoder, Expect, OtherReplies, Raw, ReplyShape, Request, Wait};
pub use table::{
    Bury, Command, Delete, Ignore, Kick, KickJob, Kind, ListTubeUsed, ListTubes, ListTubesWatched, PauseTube, Peek,
    PeekBuried, PeekDelayed, PeekReady, Put, Quit, Release, Reserve, ReserveJob, ReserveWithTimeout, Stats, StatsJob,
    StatsTube, Touch, Use, Watch,
};
pub use time::Instant;
pub use transmit::Segments;
pub use types::{
    Body, Bound, Job, JobId, Priority, PutOutcome, ReleaseOutcome, Reserved, Seconds, TubeArg, TubeName,
};

/// What emitted code needs by absolute path.
#[doc(hidden)]
pub mod __private {
    pub use alloc::vec::Vec;
}

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
