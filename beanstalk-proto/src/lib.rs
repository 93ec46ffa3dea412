//! The beanstalkd work-queue protocol as a pure state machine: no sockets, no clock, no threads.
//!
//! Bytes go in and out, and this crate knows what they mean: every command and every reply, for both sides of a
//! connection. For an application that only wants a queue there are adapters with every command as a method
//! (`beanstalk-sync`, `beanstalk-tokio`, `beanstalk-async-std`); this crate is for whoever writes one, for a transport
//! of their own, a simulator or a fuzzer.
//!
//! | you want | look at |
//! |---|---|
//! | to speak to a server | [`client::Connection`] |
//! | to be a server | [`server::Connection`] |
//! | the commands | [`commands`]: [`Put`], [`Reserve`], [`Delete`], …; and [`Command`], which holds any of them |
//! | a command that has no name here | [`Raw`], or a [`Request`] of your own |
//! | many requests at once | [`client::Pipeline`] |
//! | an adapter for another runtime; reconnecting, workers | the crate `beanstalk-driver` |
//! | statistics | [`stats`] |
//!
//! # A complete run loop
//!
//! One rule drives a connection: after every call that changes it, write what it wants to transmit, look for the reply,
//! and if there is none, read. Here the transport is another state machine, the server's side of the same connection,
//! so that the whole protocol runs without any I/O:
//!
//! ```
//! use std::task::Poll;
//! use beanstalk_proto::{Command, Error, Job, JobId, Put, PutOutcome, Reply, Request, Reserve, Reserved, client, server};
//!
//! /// Sends a request and drives both ends until its reply is here.
//! fn call<R: Request>(
//!     client: &mut client::Connection,
//!     server: &mut server::Connection,
//!     queue: &mut Vec<Job>,
//!     request: R,
//! ) -> Result<R::Reply, Error> {
//!     let mut ticket = client.send(request)?;
//!     loop {
//!         // Write: from the client's queue into the server's buffer, as much as fits.
//!         while client.wants_transmit() && server.wants_input() {
//!             let segment = client.transmit().next().unwrap_or_default();
//!             let n = transfer(segment, server.receive_buf());
//!             client.transmitted(n);
//!             server.received(n);
//!             serve(server, queue);
//!         }
//!         // Look for the reply.
//!         if let Poll::Ready(result) = client.poll_reply(&mut ticket) {
//!             return result;
//!         }
//!         // Read: from the server's queue into the buffer that the client lends.
//!         let segment = server.transmit().next().expect("the server answers every command");
//!         let n = transfer(segment, client.receive_buf());
//!         server.transmitted(n);
//!         client.received(n);
//!     }
//! }
//!
//! fn transfer(from: &[u8], to: &mut [u8]) -> usize {
//!     let n = from.len().min(to.len());
//!     to[..n].copy_from_slice(&from[..n]);
//!     n
//! }
//!
//! /// A server that knows two commands.
//! fn serve(server: &mut server::Connection, queue: &mut Vec<Job>) {
//!     while let Some(event) = server.poll_event() {
//!         match event {
//!             server::Event::Command(Command::Put { body, .. }) => {
//!                 let id = JobId(1);
//!                 queue.push(Job { id, body });
//!                 server.respond(Reply::Inserted(id));
//!             }
//!             server::Event::Command(Command::Reserve) => {
//!                 server.respond(queue.pop().map_or(Reply::TimedOut, Reply::Reserved));
//!             }
//!             server::Event::Command(_) => server.respond(Reply::UnknownCommand),
//!             server::Event::Refused(refused) => server.respond(refused.reply),
//!             _ => {}
//!         }
//!     }
//! }
//!
//! let mut client = client::Connection::new(client::Config::default());
//! let mut server = server::Connection::new(server::Config::default());
//! let mut queue = Vec::new();
//!
//! let put = call(&mut client, &mut server, &mut queue, Put::of("hello").priority(10))?;
//! assert_eq!(put, PutOutcome::Inserted(JobId(1)));
//! let job = call(&mut client, &mut server, &mut queue, Reserve::new())?.job().expect("it was put");
//! assert_eq!(job.text(), Ok("hello"));
//! # Ok::<(), Error>(())
//! ```
//!
//! With a socket the two transfers are a `write` and a `read`. What an adapter adds is a timer: [`client::Connection::deadline`]
//! says until when to wait, and what to do then.
//!
//! # Features
//!
//! `std` (default) adds [`Error::Connect`] and [`Error::Io`], vectored-write slices, and faster search in `memchr`. Without it
//! the crate needs `alloc` only.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;
// Lets documentation that is emitted into other crates link by absolute path, here too.
#[allow(unused_extern_crates, reason = "only documentation links use it")]
extern crate self as beanstalk_proto;

#[macro_use]
mod rows;

pub mod client;
mod command;
mod error;
mod frame;
mod reply;
mod request;
mod scan;
pub mod server;
pub mod stats;
mod table;
mod time;
mod transmit;
mod types;

pub use command::Refused;
// Documented in the module, so that the index shows the types that everything else is about first.
#[doc(hidden)]
pub use commands::*;
pub use error::{
    ArgumentError, CommandError, DecodeError, Error, Excerpt, Full, Instead, Lost, ProtocolError, SendError, Subject,
    TicketError, TubeNameError, TubeNameRule,
};
#[cfg(feature = "std")]
pub use error::{ConnectAttempt, ConnectError, ConnectPhase};
pub use reply::{MAX_LINE, OtherReply, Reply, ReplyKind, ReplySet};
#[doc(hidden)]
pub use request::Sharing;
pub use request::{Echo, Encoder, Expect, Kind, OtherReplies, ReplyShape, Request, TIMEOUT_FOREVER, Wait, encode};
pub use table::Command;
pub use time::Instant;
pub use transmit::Segments;
pub use types::{
    Argument, Body, Bound, Buried, Dialect, Job, JobId, Priority, PutOutcome, ReleaseOutcome, Reserved, Seconds,
    TubeArg, TubeName,
};

/// The requests: a type for each command, and [`Raw`] for a command that has none.
///
/// Each is a [`Request`], made by `new` from its arguments in the protocol's order. All are at the root of the crate too
/// (`use beanstalk_proto::Put`). [`Command`] holds any of them in one type, with an untyped reply.
///
/// ```
/// use beanstalk_proto::{JobId, commands::{Delete, Put}};
///
/// let put = Put::of("hello").priority(10).ttr(120);
/// let delete = Delete::new(JobId(7));
/// # let _ = (put, delete);
/// ```
pub mod commands {
    pub use crate::{
        command::Raw,
        table::{
            Bury, Delete, Ignore, Kick, KickJob, ListTubeUsed, ListTubes, ListTubesWatched, PauseTube, Peek,
            PeekBuried, PeekDelayed, PeekReady, Put, Quit, Release, Reserve, ReserveJob, ReserveWithTimeout, Stats,
            StatsJob, StatsTube, Touch, Use, Watch,
        },
    };
}

/// What emitted code needs by absolute path.
#[doc(hidden)]
pub mod __private {
    pub use alloc::vec::Vec;
}

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
