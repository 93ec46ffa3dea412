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
mod client;
mod debug;
mod earlier;
mod ending;
mod executor;
mod holding;
mod io;
mod pipeline;
mod producing;
mod reconnecting;
mod replies;
mod room;
mod sessions;
mod shared;
mod virtual_runtime;
mod waking;
mod wire;
