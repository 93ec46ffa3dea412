//! Everything above a connection to beanstalkd, for any runtime: driving a connection, sharing it, outliving it, and getting work done.
//!
//! The protocol itself is the crate `beanstalk-proto`, which does no I/O. This crate moves its bytes over a [`PollTransport`], in terms of
//! `core::task` alone, and an adapter (`beanstalk-tokio`, `beanstalk-async-std`) binds that to a runtime's streams, timers and tasks.
//! Applications use an adapter; this crate is for writing one.
//!
//! | you want | look at |
//! |---|---|
//! | one connection on a stream of your own | [`Driver`], [`PollTransport`] |
//! | a window of many requests on a connection that you drive | [`Pipeline`] |
//! | one server that tasks share | [`SharedClient`] |
//! | to outlive connections | [`Session`] |
//! | to put on several servers | [`Producer`] |
//! | workers | [`Worker`] |
//! | the decisions behind these, without I/O | [`policy`] |
//!
//! # A binding for another runtime
//!
//! A [`Driver`] needs a stream that can be polled, a timer and a clock. This is all there is to a client on smol; the page of [`Runtime`]
//! goes on from it to shared clients and workers, in three steps:
//!
//! ```
//! use std::{future::Future, io, pin::Pin, task::{Context, Poll, ready}, time};
//!
//! use beanstalk_driver::{Block, Driver, PollTransport};
//! use beanstalk_proto::{Error, Instant, Lost, Segments, client::{Config, Connection}};
//! use smol::{Timer, io::{AsyncRead, AsyncWrite}, net::TcpStream};
//!
//! struct Transport { stream: TcpStream, epoch: time::Instant, timer: Timer }
//!
//! impl PollTransport for Transport {
//!     type Error = io::Error;
//!
//!     // Nothing here blocks, so how long it may is ignored.
//!     fn poll_read(
//!         &mut self, cx: &mut Context<'_>, _: Block, buf: &mut [u8],
//!     ) -> Poll<io::Result<usize>> {
//!         Pin::new(&mut self.stream).poll_read(cx, buf)
//!     }
//!
//!     fn poll_write(
//!         &mut self, cx: &mut Context<'_>, _: Block, mut segments: Segments<'_>,
//!     ) -> Poll<io::Result<usize>> {
//!         // The first piece; the others are asked for next. Or all, by `poll_write_vectored`.
//!         Pin::new(&mut self.stream).poll_write(cx, segments.next().unwrap_or_default())
//!     }
//!
//!     fn poll_flush(&mut self, cx: &mut Context<'_>, _: Block) -> Poll<io::Result<()>> {
//!         Pin::new(&mut self.stream).poll_flush(cx)
//!     }
//!
//!     fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
//!         Pin::new(&mut self.stream).poll_close(cx)
//!     }
//!
//!     fn failure(error: io::Error, lost: Lost) -> Error {
//!         Error::Io { error, lost }
//!     }
//!
//!     fn now(&self) -> Instant {
//!         Instant::ZERO + self.epoch.elapsed()
//!     }
//!
//!     fn clock(&self) -> impl Fn() -> Instant + Send + Sync + 'static {
//!         let epoch = self.epoch;
//!         move || Instant::ZERO + epoch.elapsed()
//!     }
//!
//!     fn set_timer(&mut self, at: Instant) {
//!         self.timer = Timer::after(at.saturating_duration_since(self.now()));
//!     }
//!
//!     fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
//!         ready!(Pin::new(&mut self.timer).poll(cx));
//!         Poll::Ready(())
//!     }
//! }
//!
//! struct Client { driver: Driver<Transport> }
//!
//! impl Client {
//!     async fn connect(address: &str) -> io::Result<Self> {
//!         let (stream, timer) = (TcpStream::connect(address).await?, Timer::never());
//!         stream.set_nodelay(true)?;
//!         let transport = Transport { stream, epoch: time::Instant::now(), timer };
//!         Ok(Self { driver: Driver::new(Connection::new(Config::default()), transport) })
//!     }
//! }
//!
//! # let server = beanstalk_server::EmbeddedServer::start()?;
//! # let address = server.addr().to_string();
//! let mut client = smol::block_on(Client::connect(&address))?;
//! smol::block_on(async {
//!     // Or with every command as a method: `command_methods! { (async) }` in the `impl` above,
//!     // next to a method `call`.
//!     let id = client.driver.call(beanstalk_proto::Put::of("hello")).await?.inserted()?;
//!     assert_eq!(client.driver.call(beanstalk_proto::Peek::new(id)).await?.body, b"hello");
//!     client.driver.disconnect().await
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `std` (default) | everything but [`Driver`] and [`policy`], which need `alloc` only: a driver runs wherever there is an allocator |
//! | `stream` | consumers that are streams of `futures-core` |
//! | `sockets` | [`connect::socket`]: what the bindings ask of the operating system's sockets |
//! | `tls` | [`TlsOptions`], and endpoints `beanstalks://…`, by rustls with ring |
//! | `bytes` | a [`Body`](beanstalk_proto::Body) of a `Bytes` |
//! | `json` | `Body::json`, `Job::json`, `put_json` beside each `put` of a binding, and `Json` as a handler's argument |
//! | `tracing` | what happens to connections and workers as events of `tracing`, and a span for each job; the names are on the page of [`Worker`] |
//! | `metrics` | counters, gauges and a histogram of workers and connections, by the facade `metrics`; the names are there, too |
//! | `serde` | `Serialize` and `Deserialize` of what `beanstalk_proto` has, endpoints (as text), policies, configurations, exported jobs, metrics and events; a duration is a number of seconds |
//! | `test-names` | host names that stand for whatever addresses a test wants |
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

mod argument;
mod binding;
pub mod connect;
mod driver;
#[cfg(feature = "std")]
mod observe;
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
mod sync;
mod upkeep;
#[cfg(feature = "std")]
mod worker;

/// The protocol, as the methods' macros name it.
pub use beanstalk_proto as proto;
#[cfg(feature = "std")]
pub use connect::{ConnectAttempt, ConnectError, ConnectPhase, GreetingError};
#[cfg(feature = "std")]
pub use connect::{ConnectOptions, Connector, Greeting, Route};
pub use connect::{DEFAULT_PORT, Endpoint, EndpointError, Node};
#[cfg(feature = "tls")]
pub use connect::{TlsOptions, TlsSession};
pub use driver::{Block, CallAll, Driver, Pipeline, PollTransport, Reply};
#[cfg(feature = "std")]
pub use producer::{Producer, ProducerConfig};
#[cfg(feature = "std")]
pub use runtime::{Functions, Futures, HandlerKind, Runtime};
#[cfg(feature = "std")]
pub use session::{JobHandle, NextJob, ReservedJob, Sent, Session};
#[cfg(feature = "std")]
pub use shared::{Flushed, SharedClient, SharedDriver};
#[cfg(feature = "std")]
pub use upkeep::{ExportError, ExportReader, ExportWriter};
pub use upkeep::{Import, Scan, clear_tube, import, kick_buried, move_jobs, scan, wait_until_empty};
#[cfg(all(feature = "std", feature = "json"))]
pub use worker::Json;
#[cfg(feature = "std")]
pub use worker::{
    Acker, BoxError, Consumer, ConsumerBuilder, ConsumerJob, Failure, FromJob, HandlerError, HandlerOutput,
    HandlerPanicked, HandlerResult, HandlerTimedOut, HeldJob, JobDetails, Worker, WorkerBuilder, WorkerHandle,
};

/// Implemented by a consumer.
#[cfg(feature = "stream")]
pub use futures_core::Stream;

/// As the methods' macros name it.
#[cfg(feature = "json")]
#[doc(hidden)]
pub use serde::Serialize;

/// What [`TlsOptions`] takes.
#[cfg(feature = "tls")]
pub use rustls;

#[cfg(feature = "std")]
pub mod errors {
    //! What connections, commands, handlers and imports fail with, in detail: an [`Error`](beanstalk_proto::Error), which a call returns, holds
    //! most of these.
    //!
    //! All are at the root of each binding, too.
    //!
    //! | what failed | what it is |
    //! |---|---|
    //! | a value is no argument, or a setting makes no sense | [`ArgumentError`]; [`TubeNameError`], [`EndpointError`] |
    //! | the server answers with an error | [`CommandError`]; [`Buried`] where that is one |
    //! | there is no connection | [`NotConnected`]: a [`ConnectError`] or a [`GreetingError`]; [`TlsError`] |
    //! | a limit of this client is reached | [`Full`] |
    //! | the connection makes no sense | [`ProtocolError`] |
    //! | a handler | [`HandlerPanicked`], [`HandlerTimedOut`], [`MalformedJob`] |
    //! | an export, an import | [`ExportError`], [`ImportError`] |

    pub use crate::{
        ConnectAttempt, ConnectError, ConnectPhase, EndpointError, ExportError, GreetingError, HandlerPanicked,
        HandlerTimedOut, policy::ImportError,
    };
    pub use beanstalk_proto::{
        ArgumentError, Buried, CommandError, Full, Lost, MalformedBody, MalformedJob, NotConnected, ProtocolError,
        Subject, TicketError, TlsError, TubeNameError, TubeNameRule,
    };
}

/// Runs the README's examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
