//! Everything above a connection to beanstalkd, for any runtime: driving a connection, sharing it, outliving it, and getting work done.
//!
//! The protocol itself is [`beanstalk_proto`], which does no I/O. This crate moves its bytes over a [`PollTransport`], in terms of
//! `core::task` alone, and an adapter (`beanstalk-tokio`, `beanstalk-async-std`) binds that to a runtime's streams, timers and tasks.
//! Applications use an adapter; this crate is for whoever writes one.
//!
//! | you want | look at |
//! |---|---|
//! | one connection on a stream of your own | [`Driver`], [`PollTransport`] |
//! | one connection that tasks share | [`Shared`] |
//! | to outlive connections | [`Session`] |
//! | to put on several servers | [`Producer`] |
//! | workers | [`Worker`] |
//! | the decisions behind these, without I/O | [`policy`] |
//!
//! # Features
//!
//! `std` (default) brings everything but [`Driver`] and [`policy`], which need `alloc` only. `tracing` logs what happens to
//! connections and workers as events of the `tracing` crate.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod connect;
mod driver;
mod methods;
pub mod policy;
#[cfg(feature = "std")]
mod producer;
#[cfg(feature = "std")]
mod runtime;
#[cfg(feature = "std")]
mod session;
#[cfg(feature = "std")]
mod shared;
#[cfg(feature = "std")]
mod upkeep;
#[cfg(feature = "std")]
mod worker;

/// The protocol, as the methods' macros name it.
pub use beanstalk_proto as proto;
pub use connect::{DEFAULT_PORT, Endpoint, EndpointError, Node};
pub use driver::{Block, CallAll, Driver, PollTransport};
#[cfg(feature = "std")]
pub use producer::{Producer, ProducerConfig};
#[cfg(feature = "std")]
pub use runtime::Runtime;
#[cfg(feature = "std")]
pub use session::{JobHandle, Session};
#[cfg(feature = "std")]
pub use shared::{Shared, SharedDriver};
#[cfg(feature = "std")]
pub use upkeep::{clear_tube, kick_buried, move_jobs, wait_until_empty};
#[cfg(feature = "std")]
pub use worker::{HeldJob, Worker, WorkerBuilder, WorkerHandle};

/// Runs the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
