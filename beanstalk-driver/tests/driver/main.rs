//! The loop of the asynchronous clients, over a transport in memory: no runtime, no clock, every poll counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod both;
mod cancel;
mod executor;
mod io;
mod pipeline;
mod reconnecting;
mod replies;
mod shared;
mod virtual_runtime;
mod wire;
