//! What is seen from outside, for every binding: events and spans of `tracing`, and the metrics of the `metrics` facade.
//!
//! ```text
//!   Session, SharedClient ── Event ───────────────▶ connection ──┐
//!   Worker ── WorkerEvent::Connection, SlotEnded ─▶ worker       ├──▶ trace (feature tracing), count (feature metrics)
//!          └─ a slot: its job, its handler ───────▶ SlotObserver ┘
//! ```
//!
//! Without the features all of this is empty. Subscribers and recorders are guarded against as listeners are: what they panic with ends nothing.

#[cfg(feature = "metrics")]
mod count;
#[cfg(not(any(feature = "tracing", feature = "metrics")))]
mod off;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod on;
#[cfg(feature = "tracing")]
mod trace;

#[cfg(not(any(feature = "tracing", feature = "metrics")))]
pub(crate) use off::{JobSpan, SlotObserver, connection, worker};
#[cfg(any(feature = "tracing", feature = "metrics"))]
pub(crate) use on::{JobSpan, SlotObserver, connection, worker};

/// Whether anything is seen from outside.
pub(crate) const IS_ON: bool = cfg!(any(feature = "tracing", feature = "metrics"));

/// Whose connection it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    Worker,
    Session,
    Shared,
}
