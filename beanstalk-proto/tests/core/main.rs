//! The core through its public interface: what is written for every command, what every reply becomes, and what a
//! client connection does when its callers, its limits or its peer get in the way.
//!
//! Whatever decodes runs in [`harness::decode`]: whole, byte by byte, at random splits and with more bytes behind it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test says what it counts on, and fails where it is wrong"
)]

mod abandoning;
mod closing;
mod commands;
mod early;
mod harness;
mod hostile;
mod in_sync;
mod limits;
mod misuse;
mod names;
mod parking;
mod properties;
mod raw;
mod replies;
mod tickets;
mod timing;
mod values;
mod waiting;
mod writing;
