//! A cancel-safe [beanstalkd](https://beanstalkd.github.io/) client for tokio.
//!
//! The runtime needs its I/O and time drivers: `enable_all`, as `#[tokio::main]` does.
//!
//! Every command of the protocol is a method; the crate `beanstalk-proto` is the protocol itself, and this crate only moves its
//! bytes. A producer:
//!
//! ```no_run
//! use beanstalk_tokio::{Client, Error};
//!
//! async fn produce(urls: &[&str]) -> Result<(), Error> {
//!     let mut client = Client::connect("localhost:11300").await?;
//!     client.use_tube("urls-to-fetch").await?;
//!     for url in urls {
//!         // Priority, delay, time to run, body.
//!         client.put(100, 0, 180, *url).await?.inserted()?;
//!     }
//!     client.disconnect().await
//! }
//! ```
//!
//! A worker:
//!
//! ```no_run
//! use beanstalk_tokio::{HeldJob, Verdict, Worker};
//!
//! async fn send(job: HeldJob) -> Result<Verdict, std::str::Utf8Error> {
//!     println!("sending: {}", job.text()?);
//!     Ok(Verdict::Done) // or retry_after, Bury; an error or a panic is Failed
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), beanstalk_tokio::Error> {
//!     let servers = ["queue-1:11300", "queue-2:11300"];
//!     let worker = Worker::builder().servers(servers).tube("emails").concurrency(4).build()?;
//!     // From anywhere: handle.shutdown(within), handle.metrics()
//!     let _handle = worker.handle();
//!     let metrics = worker.run(send).await;
//!     println!("{} sent, {} buried", metrics.done, metrics.buried);
//!     Ok(())
//! }
//! ```
//!
//! # Which type do I want?
//!
//! | you want | use |
//! |---|---|
//! | a worker that reconnects, touches, retries and shuts down | a [`Worker`] |
//! | one connection with full control; to reserve by hand; a producer that is one task | a [`Client`] |
//! | to put and look from many tasks (a web server's handlers) | one [`SharedClient`], cloned |
//! | many commands, fast; to write now and wait later | [`Client::call_all`]; [`Client::send`] and [`Client::reply`] |
//! | a command without a name here | [`Client::call`] with a [`Raw`], or with a [`Request`] of your own and the crate `beanstalk-proto` |
//! | jobs one by one, owned and kept alive, as a stream | a [`Consumer`] |
//! | a client that outlives its connections | a [`Session`] |
//! | to put on several servers | a [`Producer`] |
//! | to empty, move, look through, save or restore tubes | the functions in [`upkeep`] |
//! | TLS, a tunnel, a test's stream | [`ConnectOptions`], or [`Client::from_stream`], [`SharedClient::from_stream`] |
//! | no async at all | the crate `beanstalk-sync` |
//!
//! What is the same in every crate, such as errors, outcomes and policies, is defined in `beanstalk-proto` and `beanstalk-driver`, from where
//! examples import it. What a program needs of it is here, too, at the root of the crate.
//!
//! `examples/service/` in the repository is a whole web service, with axum: its handlers put jobs, a worker in the same program does
//! them, and SIGTERM lets both finish.
//!
//! # Cancellation
//!
//! Any call may be dropped at any await. What it sent is finished by the next call on the connection; its reply is read
//! and dropped when it comes; a reserve that still waits is taken over by the next reserve, and a job that comes
//! without a caller is given to that one, once `touch` has confirmed that it is still held. Until then
//! [`take_orphaned`](Client::take_orphaned) lists it. While a cancelled `reserve` still waits, other commands fail with
//! [`Error::ReserveWaiting`], because the server does not read them: where that hurts, use
//! [`reserve_with_timeout`](Client::reserve_with_timeout).
//!
//! # Errors
//!
//! There is one [`Error`], which names the command and what it was about; [`errors`] has what it holds. [`Error::command_error`] is the server's error reply, if it was one:
//! the connection is good then. [`Error::lost`] is what can have become of the request: [`Lost::NotSent`], and a retry duplicates
//! nothing, or [`Lost::Unknown`]. A job that was buried by `put` or `release` is an outcome, and [`inserted`](PutOutcome::inserted) makes it an error;
//! `TIMED_OUT` and `DEADLINE_SOON` are outcomes of a reserve.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `tls` | endpoints `beanstalks://…`, by rustls with ring |
//! | `bytes` | [`Body`] of a `Bytes` of the crate `bytes` |
//! | `json` | `put_json` beside each `put`, `Body::json`, `Job::json`, and `Json` as a handler's argument; a worker buries a job whose body cannot be decoded |
//! | `serde` | `Serialize` and `Deserialize` of ids, tube names, outcomes, statistics, endpoints, policies, configurations of sessions and shared clients, exported jobs, metrics and events |
//! | `tracing` | events of connections, sessions and workers as `tracing` events, and a span for each job of a worker |
//! | `metrics` | counters, gauges and a histogram of workers and connections, by the `metrics` facade |
//! | `tower` | `service_handler`: a `tower::Service` of jobs as the handler of a worker |
//!
//! # Timeouts
//!
//! [`Config`] has one for connecting and one for replies. The latter never applies to `reserve`, and is added to the
//! timeout of `reserve_with_timeout`. A late reply fails its call with [`Error::TimedOut`], and the connection stays in
//! sync. One call can be given another: `client.timeout(Duration::from_secs(60)).put(…)`, or `None`. The time covers writing the request
//! and reading the reply, however slowly bytes move: a body of 16 MiB takes 7 s at 20 Mbit/s.
//!
//! # TLS, tokens, tunnels
//!
//! beanstalkd has neither encryption nor authentication: any client that can connect can do everything. Keep it on a private network or a
//! Unix socket, or put a TLS terminator in front of it. With the feature `tls` every type of client reaches that, and servers that have TLS
//! and tokens themselves:
//!
//! ```no_run
//! # #[cfg(feature = "tls")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use beanstalk_tokio::{Client, ConnectOptions, TlsOptions};
//! use beanstalk_tokio::rustls::pki_types::{CertificateDer, pem::PemObject};
//!
//! let options = ConnectOptions::new()
//!     .tls(TlsOptions::new().roots([CertificateDer::from_pem_file("ca.pem")?]))
//!     .token(&std::env::var("QUEUE_TOKEN")?);
//! let nodes = "beanstalks://queue-1.example,queue-2.example";
//! let client = Client::connect_with(nodes, options).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Without `TlsOptions` it trusts what the operating system trusts. A stream of your own is given to one client by
//! [`Client::from_stream`], and to every type of client by [`connector`].
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod client;
mod dial;
mod runtime;
#[cfg(feature = "tower")]
mod service;
mod shared;
mod stream;
mod transport;
mod work;

#[cfg(feature = "json")]
pub use beanstalk_driver::Json;
pub use beanstalk_driver::policy::SharedConfig;
pub use beanstalk_driver::{Acker, ConsumerJob, Flushed};
pub use beanstalk_driver::{
    BoxError, ConnectOptions, Connector, Endpoint, FromJob, Greeting, HandlerError, HandlerOutput, HandlerResult,
    HeldJob, NextJob, Node, ProducerConfig, Sent,
    policy::{
        Backoff, BuryReason, Event, JobEvent, Metrics, Placed, RetryPolicy, ServerId, SessionConfig, Tubes, Verdict,
        WorkerEvent,
    },
};
pub use beanstalk_driver::{Failure, JobDetails, errors};
#[cfg(feature = "tls")]
pub use beanstalk_driver::{TlsOptions, rustls};
pub use beanstalk_proto::{Argument, OtherReply};
pub use beanstalk_proto::{
    Body, Bound, Command, Error, Job, JobId, Priority, PutOutcome, ReleaseOutcome, Reply, Request, Reserved, Seconds,
    TubeArg, TubeName,
    client::{Config, Limits, Ticket},
    commands, stats,
};
// Documented in the modules, so that the index shows the types that everything else is about first.
#[doc(no_inline)]
pub use beanstalk_driver::errors::*;
#[doc(no_inline)]
pub use beanstalk_proto::commands::*;
pub use client::{CallAll, Client};
pub use dial::connector;
pub use runtime::Tokio;
#[cfg(feature = "tower")]
pub use service::service_handler;
pub use shared::{Driver, SharedClient};
pub use stream::{Socket, Stream};
pub use transport::Transport;
#[doc(no_inline)]
pub use upkeep::*;
pub use work::{Consumer, ConsumerBuilder, JobHandle, Producer, Session, Worker, WorkerBuilder, WorkerHandle};

/// Looking after tubes: emptying, kicking and moving them, looking at every job, and keeping jobs in files.
///
/// All are at the root of the crate, too.
///
/// | to | use |
/// |---|---|
/// | empty a tube, kick what is buried, move jobs to another tube or server | [`clear_tube`], [`kick_buried`], [`move_jobs`], each with a [`JobFilter`] |
/// | wait until a tube is done | [`wait_until_empty`] |
/// | look at every job of a tube or a server | [`scan`] |
/// | keep jobs in a file, and put them again | [`scan`] and [`ExportWriter`]; [`ExportReader`] and [`import`] |
pub mod upkeep {
    pub use crate::client::{Import, Scan, clear_tube, import, kick_buried, move_jobs, scan, wait_until_empty};
    pub use beanstalk_driver::{
        ExportReader, ExportWriter,
        policy::{ExportedJob, FoundJob, JobFilter, Progress, Queue, ScanOptions},
    };
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
