//! The beanstalkd work-queue protocol as a pure state machine: no sockets, no clock, no threads.
//!
//! Bytes go in and out, and this crate gives them their meaning: every command and every reply, for both sides of a
//! connection. For an application that only wants a queue there are adapters with every command as a method
//! (`beanstalk-sync`, `beanstalk-tokio`, `beanstalk-async-std`); this crate is for writing one, for a transport
//! of your own, a simulator or a fuzzer.
//!
//! | you want | look at |
//! |---|---|
//! | to speak to a server | [`client::Connection`] |
//! | to be a server | [`server::Connection`] |
//! | the commands | [`commands`]: [`Put`], [`Reserve`], [`Delete`], …; and [`Command`], which holds any of them |
//! | a command that has no name here | [`Raw`], or a [`Request`] of your own |
//! | a window of many requests, an adapter for another runtime, reconnecting, workers | the crate `beanstalk-driver` |
//! | statistics | [`stats`] |
//!
//! # The six steps
//!
//! > **Time goes in with what happens; after every call, write, look, read, and let time count.**
//! >
//! > 1. [`send(now, request)`](client::Connection::send) queues the request whole, or refuses it, and gives a ticket.
//! > 2. While [`transmit()`](client::Connection::transmit) has something: write it, then [`transmitted(n)`](client::Connection::transmitted);
//! >    when all is written and the transport flushed, [`flushed()`](client::Connection::flushed).
//! > 3. [`poll_reply(&mut ticket)`](client::Connection::poll_reply).
//! > 4. Read into [`receive_buf()`](client::Connection::receive_buf), then [`received(now, n)`](client::Connection::received); or hand bytes over:
//! >    [`receive(now, bytes)`](client::Connection::receive). The end: [`received_eof()`](client::Connection::received_eof); a transport that failed:
//! >    [`abort()`](client::Connection::abort).
//! > 5. [`poll_timeout()`](client::Connection::poll_timeout) is when to call [`handle_timeout(now)`](client::Connection::handle_timeout), after a read.
//! >    [`wants_read()`](client::Connection::wants_read) asks for a read that must not wait. What is late then answers its ticket.
//! > 6. [`close(now)`](client::Connection::close), and go on until [`poll_closed()`](client::Connection::poll_closed) is ready.
//!
//! Here the transport is another state machine, the server's side of the same connection, so that the whole protocol runs without any I/O:
//!
//! ```
//! use std::{task::Poll, time::Duration};
//! use beanstalk_proto::{
//!     Command, Error, Instant, Job, JobId, Put, PutOutcome, Reply, Request, Reserve, Touch,
//!     client, server,
//! };
//!
//! struct World {
//!     client: client::Connection,
//!     server: server::Connection,
//!     queue: Vec<Job>,
//!     now: Instant,
//! }
//!
//! impl World {
//!     fn call<R: Request>(&mut self, request: R) -> Result<R::Reply, Error> {
//!         let mut ticket = self.client.send(self.now, request)?; // 1
//!         loop {
//!             self.write(); // 2
//!             if let Poll::Ready(result) = self.client.poll_reply(&mut ticket) {
//!                 return result; // 3
//!             }
//!             let found = self.read(); // 4
//!             // 5: with nothing to read, a transport would wait until then.
//!             match self.client.poll_timeout() {
//!                 Some(at) if !found && !self.client.wants_read() => {
//!                     self.now = self.now.max(at);
//!                 }
//!                 _ => {}
//!             }
//!             self.client.handle_timeout(self.now);
//!         }
//!     }
//!
//!     fn close(mut self) -> Result<(), Error> {
//!         self.client.close(self.now); // 6
//!         loop {
//!             self.write();
//!             if let Poll::Ready(closed) = self.client.poll_closed() {
//!                 return closed;
//!             }
//!             self.read();
//!         }
//!     }
//!
//!     fn write(&mut self) {
//!         while let Some(segment) = self.client.transmit().next() {
//!             let n = self.server.receive(segment);
//!             self.client.transmitted(n);
//!             self.serve();
//!         }
//!         self.client.flushed();
//!     }
//!
//!     fn read(&mut self) -> bool {
//!         let Some(bytes) = self.server.take_transmit() else {
//!             if self.server.is_closed() {
//!                 self.client.received_eof();
//!             }
//!             return false;
//!         };
//!         self.server.transmitted(bytes.len());
//!         self.client.receive(self.now, &bytes);
//!         true
//!     }
//!
//!     /// A server with two commands, which keeps a third waiting.
//!     fn serve(&mut self) {
//!         while let Some(event) = self.server.poll_event() {
//!             match event {
//!                 server::Event::Command(Command::Put { body, .. }) => {
//!                     self.queue.push(Job { id: JobId(1), body });
//!                     self.server.respond(Reply::Inserted(JobId(1)));
//!                 }
//!                 server::Event::Command(Command::Reserve) => {
//!                     let job = self.queue.pop();
//!                     self.server.respond(job.map_or(Reply::TimedOut, Reply::Reserved));
//!                 }
//!                 server::Event::Command(Command::Touch { .. }) => {}
//!                 server::Event::Command(_) => self.server.respond(Reply::UnknownCommand),
//!                 server::Event::Refused(refused) => self.server.respond(refused.reply),
//!                 _ => {}
//!             }
//!         }
//!     }
//! }
//!
//! impl World {
//!     fn new() -> Self {
//!         let client = client::Connection::new(client::Config::default());
//!         let server = server::Connection::new(server::Config::default());
//!         Self { client, server, queue: Vec::new(), now: Instant::ZERO }
//!     }
//! }
//!
//! let mut world = World::new();
//! assert_eq!(world.call(Put::of("hello").priority(10))?, PutOutcome::Inserted(JobId(1)));
//! let job = world.call(Reserve::new())?.job().expect("it was put");
//! assert_eq!(job.text(), Ok("hello"));
//! world.close()?;
//!
//! let mut world = World::new();
//! assert!(matches!(world.call(Touch::new(1)), Err(Error::TimedOut { .. })));
//! assert_eq!(world.now, Instant::ZERO + Duration::from_secs(5));
//! # Ok::<(), Error>(())
//! ```
//!
//! With a socket the two transfers are a `write` and a `read`: `examples/std_client.rs` and `examples/tokio_client.rs` are whole clients by
//! hand, `examples/server.rs` and `examples/proxy.rs` the other side.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `std` (default) | [`Error::Io`], slices for vectored writes, faster search in `memchr`; without it the crate needs `alloc` only |
//! | `bytes` | a [`Body`] of a `Bytes` of that crate |
//! | `json` | `Body::json` and `Job::json`, by serde, with or without `std` |
//! | `serde` | `Serialize` and `Deserialize` of ids, tube names, outcomes and [`stats`]: these are a map of the protocol's keys, with numbers as numbers and times in seconds |
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

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
#[doc(no_inline)]
pub use commands::*;
#[cfg(feature = "std")]
pub use error::TlsError;
pub use error::{
    ArgumentError, CommandError, DecodeError, Error, Excerpt, Full, Lost, NotConnected, ProtocolError, Subject,
    TicketError, TubeNameError, TubeNameRule,
};
pub use reply::{MAX_LINE, OtherReply, Reply, ReplyKind, ReplySet};
pub use request::{Encoder, Expect, Kind, OtherReplies, ReplyShape, Request, TIMEOUT_FOREVER, Wait, encode};
pub use table::Command;
pub use time::Instant;
pub use transmit::Segments;
pub use types::{
    Argument, Body, Bound, Buried, Dialect, Job, JobId, MalformedBody, MalformedJob, Priority, PutOutcome,
    ReleaseOutcome, Reserved, Seconds, TubeArg, TubeName,
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

/// The vector of the crate `alloc`, by a path that is there with std and without: for code that is emitted from the
/// [table of commands](command_table).
#[doc(hidden)]
pub mod vec {
    #[doc(no_inline)]
    pub use alloc::vec::Vec;
}

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
