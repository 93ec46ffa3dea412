//! What the crates promise together, tested over all of them: every client against every server, and against peers that
//! break the protocol.
//!
//! ```text
//!   scenarios/ ── written once ──▶ runner ──▶ one named test for each scenario × client × server
//!   hostile/   ── written once ──▶ runner ──▶ one named test for each misdeed × client
//!                                    │
//!        peer/ (what a client can do)┴─ server (the embedded one, a real beanstalkd) or script (a scripted one)
//! ```
//!
//! A client is anything that implements [`Peer`]; a new adapter is a file in `peer/` and a line in the test binaries.
#![allow(missing_docs, reason = "its readers have the sources at hand")]
#![allow(async_fn_in_trait, reason = "each client runs on a runtime of its own, in one thread")]

pub mod adapter;
pub mod bare;
pub mod compiler;
pub mod daemon;
pub mod differential;
pub mod fire;
pub mod front;
pub mod hostile;
pub mod kinds;
mod known;
pub mod path;
pub mod peer;
mod port;
mod process;
pub mod proxy;
pub mod raft;
pub mod runner;
pub mod scenarios;
pub mod script;
pub mod server;
pub mod session;
pub mod sim;
pub mod temp;
pub mod torn;
pub mod unreachable;
pub mod work;

pub use beanstalk_watchdog as watchdog;
pub use peer::Peer;
pub use server::{Backend, Options, Place, Server};
pub use session::{Session, Stage};
