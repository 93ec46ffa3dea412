//! Decisions that outlive a connection: when to reconnect and what to send again, when to touch a job, what becomes of
//! one that failed, which of several servers to ask.
//!
//! ```text
//!   Servers ── which server ─▶ Session ── when to connect, what to replay ─▶ a connection
//!                                 ▲
//!   Shared ── many calls on one ──┤
//!   Worker ── one slot ───────────┤
//!      ├── Heartbeat ── when to touch
//!      ├── Reclaim ── whether a job is still the same
//!      └── RetryPolicy ── release or bury
//! ```
//!
//! Each is a machine without I/O, clock or randomness: [`Instant`](beanstalk_proto::Instant)s and a seed are given from outside, so
//! that the same inputs give the same decisions. What the adapters call workers, sessions and producers only carries
//! these out: the words and the behaviour are the same in all of them.
//!
//! Closing a connection is how jobs are given back in haste: the server makes what it held ready at once, with its
//! priority, and counts nothing against it.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test that goes wrong may panic"
    )
)]

mod backoff;
mod call;
mod copy;
#[cfg(feature = "serde")]
pub(crate) mod data;
#[cfg(feature = "std")]
mod guard;
mod hash;
mod heartbeat;
mod patience;
mod reclaim;
mod retry;
pub(crate) mod rounded;
mod servers;
mod session;
mod shared;
mod tubes;
mod upkeep;
mod waiting;
pub(crate) mod whole;
mod worker;

pub use backoff::{Backoff, Delays};
pub(crate) use call::breaks;
pub use call::{Attempt, Call};
pub(crate) use copy::copy_of;
#[cfg(feature = "std")]
pub use guard::{Foreign, chain, describe_chain, guarded};
pub use heartbeat::{Beat, Heartbeat};
pub use reclaim::{Claim, Reclaim, Reclaimed};
pub use retry::{Deferrals, Failed, RetryPolicy};
pub use servers::{Pick, Placed, ServerId, Servers};
pub use session::{Event, IDLE, Next, Session, SessionConfig, Step};
pub use shared::{CallStep, DriverStep, Shared, SharedConfig};
pub use tubes::{Selection, Tubes};
#[cfg(feature = "std")]
pub(crate) use upkeep::Line;
pub(crate) use upkeep::{Deed, Each, Finder, Importing, Machine, Moving, Range, Scanning, Side};
pub use upkeep::{
    ExportedJob, FoundJob, ImportError, JobFilter, PROBE_TUBE, Progress, Queue, ScanOptions, encode_export_end,
    encode_export_header, is_empty,
};
pub use waiting::Waiting;
pub use worker::{
    Action, BuryReason, Demand, JobEvent, Metrics, Outcome, Permit, Presence, SlotPresence, Stage, Verdict, Worker,
    WorkerConfig, WorkerEvent,
};
