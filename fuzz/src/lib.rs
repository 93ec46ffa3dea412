//! Fuzz targets with oracles. Each module is one target, and states in its first lines what must hold; `run` takes the fuzzer's
//! bytes and panics where it does not.
//!
//! The targets under `fuzz_targets/` only call these, so that a finding can be replayed in an ordinary test.
#![forbid(unsafe_code)]

pub mod drive;
pub mod r#gen;
pub mod naive;
pub mod source;

pub mod client_session;
pub mod command_decode;
pub mod command_roundtrip;
pub mod differential;
pub mod driver_io;
pub mod endpoints;
pub mod engine_ops;
pub mod pair;
pub mod reply_decode;
pub mod reply_roundtrip;
pub mod server_session;
pub mod shared_client;
pub mod stats_decode;
pub mod worker_slot;

/// Counts the memory in use, for targets that bound it.
#[global_allocator]
pub static ALLOCATED: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// A target's name and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, on seeds in all its ways.
pub const TARGETS: &[Target] = &[
    ("client_session", client_session::run),
    ("command_decode", command_decode::run),
    ("command_roundtrip", command_roundtrip::run),
    ("differential", differential::run),
    ("driver_io", driver_io::run),
    ("endpoints", endpoints::run),
    ("engine_ops", engine_ops::run_asking_everything),
    ("pair", pair::run),
    ("reply_decode", reply_decode::run),
    ("reply_roundtrip", reply_roundtrip::run),
    ("server_session", server_session::run_all_ways),
    ("shared_client", shared_client::run),
    ("stats_decode", stats_decode::run),
    ("worker_slot", worker_slot::run),
];
