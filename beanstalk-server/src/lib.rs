//! beanstalkd's behaviour in memory, for tests on machines that have no beanstalkd.
//!
//! [`EmbeddedServer::start`] gives a server on a free port of the loopback interface, in a thread of its own, until it is
//! dropped. To a client it is beanstalkd 1.13 (or [1.12](Builder::dialect)), down to the order of its lists and the bytes
//! of its replies. It keeps nothing on disk: beanstalkd is for production.
//!
//! This is a user's test of a worker of their own. The worker crashes with a job in its hands, and the test need not wait
//! for the job's minute to pass:
//!
//! ```
//! use beanstalk_server::EmbeddedServer;
//! use beanstalk_sync::{Client, Error, Put, Reserved};
//! use std::time::Duration;
//!
//! /// What is tested: sends one mail, if there is one. A mail that is not text is buried.
//! fn send_a_mail(client: &mut Client, mut send: impl FnMut(&str)) -> Result<bool, Error> {
//!     client.watch("mails")?;
//!     let Reserved::Job(job) = client.reserve_with_timeout(0)? else { return Ok(false) };
//!     match job.text() {
//!         Ok(mail) => {
//!             send(mail);
//!             client.delete(job.id)?;
//!         }
//!         Err(_) => client.bury(job.id, 1024)?,
//!     }
//!     Ok(true)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = EmbeddedServer::start()?;
//! let mut producer = Client::connect(server.addr())?;
//! producer.use_tube("mails")?;
//! producer.call(Put::of("hello").ttr(60))?.inserted()?;
//! producer.call(Put::of(b"\xff\xfe"))?.inserted()?;
//!
//! // A worker takes the first mail, and vanishes.
//! let mut stuck = Client::connect(server.addr())?;
//! stuck.watch("mails")?;
//! let _held = stuck.reserve()?.job();
//!
//! // Another buries the second, and there is no third.
//! let mut client = Client::connect(server.addr())?;
//! let mut sent = Vec::new();
//! while send_a_mail(&mut client, |mail| sent.push(mail.to_owned()))? {}
//! assert!(sent.is_empty());
//!
//! // A minute later the first mail is sent after all.
//! server.clock().advance(Duration::from_secs(60));
//! while send_a_mail(&mut client, |mail| sent.push(mail.to_owned()))? {}
//! assert_eq!(sent, ["hello"]);
//!
//! server.wait_until_idle(Duration::from_secs(5))?;
//! let stats = server.stats();
//! assert_eq!((stats.job_timeouts, stats.current_jobs_buried), (Some(1), Some(1)));
//! # Ok(())
//! # }
//! ```
//!
//! | a test wants | it uses |
//! |---|---|
//! | a server | [`EmbeddedServer::start`], [`EmbeddedServer::builder`] |
//! | time to pass, or to stand still | [`EmbeddedServer::clock`], [`Builder::paused_clock`] |
//! | to wait for its workers | [`EmbeddedServer::wait_until_idle`], [`EmbeddedServer::wait_until`] |
//! | to see what happened | [`EmbeddedServer::stats`], [`stats_tube`](EmbeddedServer::stats_tube), [`stats_job`](EmbeddedServer::stats_job) |
//! | refusals | [`Builder::max_job_size`], [`EmbeddedServer::set_draining`] |
//! | no sockets and no threads at all | [`engine::Engine`] and [`server::Connection`](proto::server::Connection) |
//!
//! The crate also has a binary, `beanstalk-server`, which takes beanstalkd's flags: other clients' test suites can be
//! pointed at it.
//!
//! # What a client can make it hold
//!
//! Per connection: 8 KiB of input, one body being received (its memory never runs more than 64 KiB ahead of what has
//! arrived), and replies up to [`Builder::max_backlog`] and one more. A peer that does not read its replies is not read
//! from. Jobs are not limited, as they are not in beanstalkd.
//!
//! # Where it differs from beanstalkd
//!
//! `COMPAT.md` in the repository names the test of each.
//!
//! | beanstalkd | here |
//! |---|---|
//! | loses the line after an overlong one whose CR and LF fall on both sides of a multiple of 224 bytes | every line ends at its CR LF |
//! | a stray CR before a line's CR LF keeps it waiting for 224 bytes | it does not: that line is refused at once |
//! | a job is visible while its body is still arriving, with whatever was in that memory | it exists when it is complete |
//! | after `DEADLINE_SOON` to a `reserve-with-timeout`, the old timeout may stop the watch over held jobs until that connection speaks again | held jobs expire in time |
//! | replaces the Unix socket at its path even where a server listens, and leaves its own behind | refuses the path where one listens, and removes its own socket at the end |

// They panic where they cannot print.
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![warn(clippy::needless_pass_by_value)]

mod embedded;
pub mod engine;

pub use beanstalk_proto as proto;
pub use embedded::{Builder, Clock, EmbeddedServer, StillBusy};

// So that its example stays true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
